#ifndef ASKR_LOGRING_H
#define ASKR_LOGRING_H

#include "askr_base.h"

/*
 * Complete lines from one thread to another, in a ring of bytes.  A line that finds no room is dropped and not waited for: requests matter
 * more than lines about them.
 *
 * Threads: one that puts, one that takes.
 */
typedef struct askr_logring askr_logring;

/* The longest line: a target of 16 KiB in which every character is escaped is 32 KiB. */
#define ASKR_LOG_LINE_BYTES (64 * 1024)

int askr_logring_create(uint32_t bytes,
                        askr_logring **out); /* a power of two, at least one line; ASKR_EINVAL, ASKR_ESYS */
void askr_logring_destroy(askr_logring *r);

/* ASKR_OK; 1: the same, and the reader should be told; ASKR_EFULL, ASKR_E2BIG: it was dropped. */
int askr_logring_put(askr_logring *r, const uint8_t *line, size_t n);

/* Copies as many complete lines as fit; 0: there are none.  ASKR_E2BIG: not even one fits. */
int64_t askr_logring_take(askr_logring *r, uint8_t *buf, size_t cap);

#endif
