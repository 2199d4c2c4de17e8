#ifndef ASKR_RING_H
#define ASKR_RING_H

#include "askr_base.h"

/* cffi:begin */
/*
 * A bounded queue of 32-bit values: any number of producers and consumers in any process.
 *
 * A push or pop is one compare-and-swap of one cell, so a process killed at any instruction leaves
 * the ring whole: the value is in it or is not.  See [order-ring-*] in askr_ring.c.
 *
 * Ownership: `mem` is the caller's, at least askr_ring_sizeof(capacity) bytes, 64-byte aligned.
 * Threads:   all functions but init may be called from any process at any time.
 * Errors:    ASKR_OK, ASKR_EFULL (push), ASKR_EAGAIN (pop, empty), ASKR_EINVAL.
 */
typedef struct askr_ring askr_ring;

size_t askr_ring_sizeof(uint32_t capacity); /* capacity: a power of two, 2..65536; 0 if it is not */
int askr_ring_init(void *mem, uint32_t capacity);
int askr_ring_push(askr_ring *r, uint32_t value);
/*
 * `intent`, where not NULL, is a word in shared memory that holds value + 1 from before the value leaves the ring
 * until the caller clears it, so that whoever repairs after a kill knows what may have been lost.
 */
int askr_ring_pop(askr_ring *r, uint32_t *value, uint32_t *intent);
uint32_t askr_ring_depth(const askr_ring *r); /* a snapshot */
/* cffi:end */

#endif
