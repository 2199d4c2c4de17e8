#ifndef ASKR_SLAB_H
#define ASKR_SLAB_H

#include "askr_base.h"

/* cffi:begin */
/*
 * A slab is an array of equal blocks, each with an owner word and a link.
 *
 * The owner word is 0 when the block is free and the owner's number otherwise; taking a block is one
 * compare-and-swap from 0 to the owner, giving it back one store of 0.  So a block can be lost only
 * together with its owner, and askr_slab_sweep(owner) finds all of them whatever state a killed
 * process left the links in.
 *
 * Ownership: `mem` is the caller's, at least askr_slab_sizeof(count, block_bytes) bytes, page aligned.
 * Threads:   take, free and sweep from any process; a block's data and link follow the owner's own
 *            rules (see askr_chain.h).
 * Errors:    ASKR_OK, ASKR_EFULL, ASKR_EINVAL.
 */
typedef struct askr_slab askr_slab;

#define ASKR_BLOCK_NONE 0xffffffffu

size_t askr_slab_sizeof(uint32_t count, uint32_t block_bytes); /* block_bytes: a multiple of 64 */
int askr_slab_init(void *mem, uint32_t count, uint32_t block_bytes);
/* `owner` is 1..0xffffffff.  `hint` (may be NULL) is the caller's private starting point. */
int askr_slab_take(askr_slab *s, uint32_t owner, uint32_t *hint, uint32_t *block);
/* The same, but only of the blocks 0..limit-1, so that one kind of owner cannot use up what another needs. */
int askr_slab_take_below(askr_slab *s, uint32_t limit, uint32_t owner, uint32_t *hint, uint32_t *block);
void askr_slab_free(askr_slab *s, uint32_t block);
uint32_t askr_slab_sweep(askr_slab *s, uint32_t owner); /* frees all blocks of owner; how many there were */
uint32_t askr_slab_owner(const askr_slab *s, uint32_t block);
uint32_t askr_slab_count(const askr_slab *s);
uint32_t askr_slab_used(const askr_slab *s); /* a snapshot, by walking the owner words */
uint32_t askr_slab_block_bytes(const askr_slab *s);
uint8_t *askr_slab_data(askr_slab *s, uint32_t block);       /* NULL when there is no such block */
uint32_t askr_slab_link(const askr_slab *s, uint32_t block); /* ASKR_BLOCK_NONE when there is no such block */
void askr_slab_link_set(askr_slab *s, uint32_t block, uint32_t next);
/* cffi:end */

#endif
