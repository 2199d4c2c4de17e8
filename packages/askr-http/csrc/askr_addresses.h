#ifndef ASKR_ADDRESSES_H
#define ASKR_ADDRESSES_H

#include "askr_base.h"

/*
 * How many connections each address has: a table of as many entries as there may be connections.  An entry lives as long as one of its
 * connections; the hash is keyed by chance, so that nobody can choose addresses that meet in one bucket.
 *
 * Threads: one.
 */
typedef struct askr_addresses askr_addresses;

typedef struct {
    uint8_t bytes[16]; /* IPv6, or IPv4 as ::ffff:a.b.c.d */
} askr_address_key;

#define ASKR_NO_ADDRESS UINT32_MAX

int askr_addresses_create(uint32_t connections, askr_addresses **out); /* ASKR_EINVAL, ASKR_ESYS */
void askr_addresses_destroy(askr_addresses *a);
/* Counts a connection; its address's entry, or ASKR_NO_ADDRESS: it has `most` already. */
uint32_t askr_addresses_take(askr_addresses *a, const askr_address_key *key, uint32_t most);
void askr_addresses_release(askr_addresses *a, uint32_t entry);

#endif
