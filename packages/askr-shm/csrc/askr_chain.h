#ifndef ASKR_CHAIN_H
#define ASKR_CHAIN_H

#include "askr_base.h"
#include "askr_slab.h"

/*
 * A chain is a byte stream through slab blocks from one producer to one consumer, who may be in two processes.
 *
 * Every block but the last is full, so a position in the stream says how far into which block it is, and
 * blocks need no length.  The consumer frees a block when it has read all of it and bytes behind it are
 * published; the last block is freed at release.
 *
 * Bytes become visible at publish, not at append, so that many small writes cost one release-store.
 *
 * Ownership: the chain's memory is the caller's; every block of it belongs to `owner` in the slab.
 * Threads:   one producer, one consumer.
 * Errors:    >= 0, or ASKR_EFULL (slab exhausted), ASKR_EAGAIN (window used up; try again after the consumer
 *            has read), ASKR_EINVAL (shared memory does not hold a chain: something wrote over it).
 */
typedef struct askr_chain askr_chain;

typedef struct {
    askr_slab *slab;
    uint32_t owner;  /* of every block, as in askr_slab_take */
    uint32_t limit;  /* take only blocks below this one */
    uint32_t window; /* how many blocks the producer may be ahead of the consumer */
    uint32_t *hint;  /* as in askr_slab_take */
} askr_chain_place;

size_t askr_chain_sizeof(void);
void askr_chain_reset(askr_chain *c); /* owner only, no party active; frees nothing */
/* Producer.  Appends up to n bytes; how many were taken, or an error if none. */
int64_t askr_chain_append(askr_chain *c, const askr_chain_place *at, const uint8_t *buf, size_t n);
/* All n bytes or none.  Only before anything was published; the window does not count. */
int askr_chain_append_whole(askr_chain *c, const askr_chain_place *at, const uint8_t *buf, size_t n);
uint64_t askr_chain_publish(askr_chain *c); /* total bytes published so far */
uint64_t askr_chain_appended(const askr_chain *c);
uint64_t askr_chain_published(const askr_chain *c); /* either party */
/* Consumer.  Bytes published and not yet read; read copies and frees, up to cap. */
uint64_t askr_chain_readable(const askr_chain *c);
int64_t askr_chain_read(askr_chain *c, askr_slab *s, uint32_t owner, uint8_t *buf, size_t cap, uint32_t *freed_blocks);
/* Neither party active any more: frees every block of the chain; by sweep when the links are not whole. */
void askr_chain_release(askr_chain *c, askr_slab *s, uint32_t owner);

#endif
