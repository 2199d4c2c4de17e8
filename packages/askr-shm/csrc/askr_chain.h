#ifndef ASKR_CHAIN_H
#define ASKR_CHAIN_H

#include "askr_base.h"
#include "askr_slab.h"

/*
 * A chain is a byte stream through slab blocks from one producer to one consumer, who may be in two processes.
 *
 * The shared part (struct askr_chain, in the exchange) has the first block and two byte counters; the producer keeps
 * the last block, the consumer the current one, each in a cursor of its own (also in shared memory, so that a
 * repair can see it, but written by its party only).  The consumer frees a block when it has read all of it and
 * the producer has linked a next one; the last block is freed at release.
 *
 * Bytes become visible at publish, not at append, so that many small writes cost one release-store.
 *
 * Threads:   one producer, one consumer.
 * Errors:    >= 0, or ASKR_EFULL (slab exhausted), ASKR_EAGAIN (window used up; try again after the consumer has read).
 */
typedef struct askr_chain askr_chain;

size_t askr_chain_sizeof(void);
void askr_chain_reset(askr_chain *c); /* owner only, no party active; frees nothing */
/* Producer.  Appends up to n bytes, at most `window` blocks ahead of the consumer; how many were taken, or an error if none. */
int64_t askr_chain_append(askr_chain *c, askr_slab *s, uint32_t owner, const uint8_t *buf, size_t n, uint32_t window, uint32_t *hint);
uint64_t askr_chain_publish(askr_chain *c); /* total bytes published so far */
uint64_t askr_chain_appended(const askr_chain *c);
/* Consumer.  Bytes published and not yet read; read copies and frees, up to cap. */
uint64_t askr_chain_readable(const askr_chain *c);
int64_t askr_chain_read(askr_chain *c, askr_slab *s, uint8_t *buf, size_t cap, uint32_t *freed_blocks);
/* Neither party active any more: frees every block that the links reach. */
void askr_chain_release(askr_chain *c, askr_slab *s);

#endif
