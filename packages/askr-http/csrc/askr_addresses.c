#include "askr_addresses.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "askr_keyed_hash.h"

typedef struct {
    askr_address_key key;
    uint32_t connections;
    uint32_t next; /* in its bucket, or of the free ones; ASKR_NO_ADDRESS: the last */
} entry;

struct askr_addresses {
    entry *entries;
    uint32_t *buckets;
    uint64_t key[2];
    uint32_t count, fresh, back, mask;
};

int askr_addresses_create(uint32_t connections, askr_addresses **out)
{
    uint32_t buckets = 64;
    if (connections == 0 || connections > 1u << 30)
        return ASKR_EINVAL;
    while (buckets < connections)
        buckets *= 2;
    askr_addresses *a = calloc(1, sizeof *a);
    if (a == NULL)
        return ASKR_ESYS;
    a->count = connections;
    a->back = ASKR_NO_ADDRESS;
    a->mask = buckets - 1;
    a->entries = malloc(connections * sizeof *a->entries);
    a->buckets = calloc(buckets, sizeof *a->buckets); /* entry + 1, 0: none, so that untouched pages cost nothing */
    if (a->entries == NULL || a->buckets == NULL || getrandom(a->key, sizeof a->key, 0) != (ssize_t)sizeof a->key) {
        askr_addresses_destroy(a);
        return ASKR_ESYS;
    }
    *out = a;
    return ASKR_OK;
}

void askr_addresses_destroy(askr_addresses *a)
{
    if (a == NULL)
        return;
    free(a->entries);
    free(a->buckets);
    free(a);
}

static uint32_t bucket_of(const askr_addresses *a, const askr_address_key *key)
{
    return (uint32_t)askr_keyed_hash(a->key, key->bytes, sizeof key->bytes) & a->mask;
}

static uint32_t free_entry(askr_addresses *a)
{
    uint32_t index = a->back;
    if (index != ASKR_NO_ADDRESS)
        a->back = a->entries[index].next;
    else if (a->fresh < a->count)
        index = a->fresh++;
    return index;
}

uint32_t askr_addresses_take(askr_addresses *a, const askr_address_key *key, uint32_t most)
{
    uint32_t *bucket = &a->buckets[bucket_of(a, key)];
    for (uint32_t i = *bucket - 1; i != ASKR_NO_ADDRESS; i = a->entries[i].next) {
        entry *e = &a->entries[i];
        if (memcmp(&e->key, key, sizeof *key) != 0)
            continue;
        if (e->connections >= most)
            return ASKR_NO_ADDRESS;
        e->connections++;
        return i;
    }
    uint32_t fresh = free_entry(a);
    if (fresh == ASKR_NO_ADDRESS || most == 0)
        return ASKR_NO_ADDRESS;
    a->entries[fresh] = (entry){.key = *key, .connections = 1, .next = *bucket - 1};
    *bucket = fresh + 1;
    return fresh;
}

void askr_addresses_release(askr_addresses *a, uint32_t index)
{
    entry *e = &a->entries[index];
    if (--e->connections > 0)
        return;
    uint32_t *bucket = &a->buckets[bucket_of(a, &e->key)];
    if (*bucket == index + 1) {
        *bucket = e->next + 1;
    } else {
        uint32_t at = *bucket - 1;
        while (a->entries[at].next != index)
            at = a->entries[at].next;
        a->entries[at].next = e->next;
    }
    e->next = a->back;
    a->back = index;
}
