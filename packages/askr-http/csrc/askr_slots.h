#ifndef ASKR_SLOTS_H
#define ASKR_SLOTS_H

#include "askr_base.h"

/*
 * A bounded table of records that stay where they are.  A record is named by a number, generation << 32 | index, that is never given
 * out twice (in 2^31 lives of a slot): a number that is kept too long finds nothing, instead of somebody else's record.
 * Memory comes in chunks, when they are needed for the first time.
 *
 * Threads: one.
 */
typedef struct askr_slots askr_slots;

#define ASKR_SLOTS_CHUNK 64

int askr_slots_create(uint32_t count, size_t item_bytes, askr_slots **out); /* ASKR_EINVAL, ASKR_ESYS */
void askr_slots_destroy(askr_slots *s);
/* A zeroed record; NULL when all are taken, or there is no memory. */
void *askr_slots_take(askr_slots *s, uint64_t *number);
/* NULL: no such record. */
void *askr_slots_find(const askr_slots *s, uint64_t number);
void askr_slots_release(askr_slots *s, uint64_t number);
uint32_t askr_slots_used(const askr_slots *s);
/* Walks the taken ones: *at is 0 at first; NULL at the end.  Records may be released meanwhile. */
void *askr_slots_walk(const askr_slots *s, uint32_t *at);

#endif
