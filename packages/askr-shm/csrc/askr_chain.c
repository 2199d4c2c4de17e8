#include "askr_chain.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

/*
 * Layout, version 1, native byte order, 64-byte aligned:
 *    0  published  u64  producer: bytes that the consumer may read
 *    8  appended   u64  producer: bytes in blocks
 *   16  first      u32  producer: first block of the stream
 *   20  last       u32  producer: block that is being filled
 *   24  taken      u32  producer: blocks taken so far
 *   64  read       u64  consumer: bytes read
 *   72  current    u32  consumer: block that `read` is in; ASKR_BLOCK_NONE before the first byte
 *   76  freed      u32  consumer: blocks given back so far
 *
 * [order-chain-1] The producer writes data, links and `first`, then stores `published` (release); the consumer
 * loads it (acquire) and touches nothing that lies behind.  A block is followed by its link only when bytes of
 * the next block are published, so the link is whole.  The producer never writes below `published` again.
 *
 * [order-chain-2] `freed` is written by the consumer after the owner word of the block is 0, so that the
 * producer never believes in more room than there is.  It is seq_cst, because the producer says "I wait
 * for room" and looks again, and the consumer looks for a waiter after it: [order-wake-1] in askr_wake.h.
 *
 * The rest has one writer and is read by the other party only when the first is gone (release, repair), which
 * the exchange's state word orders.
 *
 * A party that is killed half-way leaves blocks that are owned and in no list, or in a list and not owned
 * any more.  Therefore whoever takes over from a dead party releases by askr_slab_sweep, not by links.
 * Every block index that is read from shared memory is used only if the block exists and belongs to `owner`.
 */
struct askr_chain {
    _Atomic uint64_t published;
    uint64_t appended;
    uint32_t first;
    uint32_t last;
    uint32_t taken;
    uint8_t pad0[ASKR_CACHE_LINE - 28];
    uint64_t read;
    uint32_t current;
    _Atomic uint32_t freed;
    uint8_t pad1[ASKR_CACHE_LINE - 16];
};
static_assert(offsetof(struct askr_chain, read) == 64, "chain layout v1");
static_assert(sizeof(struct askr_chain) == 128, "chain layout v1");

size_t askr_chain_sizeof(void)
{
    return sizeof(struct askr_chain);
}

void askr_chain_reset(askr_chain *c)
{
    atomic_store_explicit(&c->published, 0, memory_order_relaxed);
    c->appended = 0;
    c->first = ASKR_BLOCK_NONE;
    c->last = ASKR_BLOCK_NONE;
    c->taken = 0;
    c->read = 0;
    c->current = ASKR_BLOCK_NONE;
    atomic_store_explicit(&c->freed, 0, memory_order_relaxed);
}

/* Takes one block and hangs it behind the last one. */
static int grow(askr_chain *c, const askr_chain_place *at)
{
    uint32_t block;
    uint32_t freed = atomic_load_explicit(&c->freed, memory_order_seq_cst); /* [order-chain-2] */
    if (c->taken - freed >= at->window)
        return ASKR_EAGAIN;
    int rc = askr_slab_take_below(at->slab, at->limit, at->owner, at->hint, &block);
    if (rc != ASKR_OK)
        return rc;
    if (c->appended == 0)
        c->first = block;
    else
        askr_slab_link_set(at->slab, c->last, block);
    ASKR_STEP("chain: linked, not counted");
    c->last = block;
    c->taken++;
    return ASKR_OK;
}

int64_t askr_chain_append(askr_chain *c, const askr_chain_place *at, const uint8_t *buf, size_t n)
{
    uint32_t block_bytes = askr_slab_block_bytes(at->slab);
    size_t done = 0;
    if (block_bytes == 0)
        return ASKR_EINVAL;
    while (done < n) {
        size_t offset = (size_t)(c->appended % block_bytes);
        if (offset == 0) {
            int rc = grow(c, at);
            if (rc != ASKR_OK)
                return done > 0 ? (int64_t)done : rc;
        }
        uint8_t *data = askr_slab_data(at->slab, c->last);
        if (data == NULL || askr_slab_owner(at->slab, c->last) != at->owner)
            return ASKR_EINVAL;
        size_t part = block_bytes - offset < n - done ? block_bytes - offset : n - done;
        memcpy(data + offset, buf + done, part);
        done += part;
        c->appended += part;
    }
    return (int64_t)done;
}

int askr_chain_append_whole(askr_chain *c, const askr_chain_place *at, const uint8_t *buf, size_t n)
{
    askr_chain_place whole = *at;
    uint64_t appended = c->appended;
    uint32_t first = c->first, last = c->last, taken = c->taken;
    whole.window = UINT32_MAX;
    int64_t done = askr_chain_append(c, &whole, buf, n);
    if (done >= 0 && (size_t)done == n)
        return ASKR_OK;
    uint32_t block = appended == 0 ? c->first : askr_slab_link(at->slab, last);
    for (uint32_t left = c->taken - taken; left > 0; left--) {
        uint32_t next = askr_slab_link(at->slab, block);
        if (askr_slab_owner(at->slab, block) != at->owner)
            break;
        ASKR_STEP("chain: taking an append back");
        askr_slab_free(at->slab, block);
        block = next;
    }
    if (appended != 0)
        askr_slab_link_set(at->slab, last, ASKR_BLOCK_NONE);
    c->appended = appended;
    c->first = first;
    c->last = last;
    c->taken = taken;
    return done < 0 && done != ASKR_EFULL ? (int)done : ASKR_EFULL;
}

uint64_t askr_chain_publish(askr_chain *c)
{
    ASKR_STEP("chain: before publishing");
    atomic_store_explicit(&c->published, c->appended, memory_order_release); /* [order-chain-1] */
    ASKR_STEP("chain: published");
    return c->appended;
}

uint64_t askr_chain_appended(const askr_chain *c)
{
    return c->appended;
}

uint64_t askr_chain_published(const askr_chain *c)
{
    return atomic_load_explicit(&c->published, memory_order_acquire); /* [order-chain-1] */
}

uint64_t askr_chain_readable(const askr_chain *c)
{
    uint64_t published = askr_chain_published(c);
    return published > c->read ? published - c->read : 0;
}

/* Goes to the block that holds the byte at `read`, which is published; gives back the one before. */
static int step_on(askr_chain *c, askr_slab *s, uint32_t owner, uint32_t *freed_blocks)
{
    uint32_t before = c->current;
    uint32_t next = before == ASKR_BLOCK_NONE ? c->first : askr_slab_link(s, before);
    if (askr_slab_data(s, next) == NULL || askr_slab_owner(s, next) != owner)
        return ASKR_EINVAL;
    c->current = next;
    if (before == ASKR_BLOCK_NONE)
        return ASKR_OK;
    ASKR_STEP("chain: stepped on, the block before not freed");
    if (askr_slab_owner(s, before) == owner)
        askr_slab_free(s, before);
    ASKR_STEP("chain: freed, not counted");
    uint32_t freed = atomic_load_explicit(&c->freed, memory_order_relaxed); /* own word */
    atomic_store_explicit(&c->freed, freed + 1, memory_order_seq_cst);      /* [order-chain-2] */
    if (freed_blocks != NULL)
        (*freed_blocks)++;
    return ASKR_OK;
}

int64_t askr_chain_read(askr_chain *c, askr_slab *s, uint32_t owner, uint8_t *buf, size_t cap, uint32_t *freed_blocks)
{
    uint32_t block_bytes = askr_slab_block_bytes(s);
    uint64_t published = askr_chain_published(c);
    size_t done = 0;
    if (freed_blocks != NULL)
        *freed_blocks = 0;
    if (block_bytes == 0)
        return ASKR_EINVAL;
    while (done < cap && c->read < published) {
        size_t offset = (size_t)(c->read % block_bytes);
        if (c->current == ASKR_BLOCK_NONE || (offset == 0 && c->read != 0)) {
            int rc = step_on(c, s, owner, freed_blocks);
            if (rc != ASKR_OK)
                return rc;
        }
        const uint8_t *data = askr_slab_data(s, c->current);
        if (data == NULL || askr_slab_owner(s, c->current) != owner)
            return ASKR_EINVAL;
        size_t part = block_bytes - offset;
        if (part > cap - done)
            part = cap - done;
        if (part > published - c->read)
            part = (size_t)(published - c->read);
        memcpy(buf + done, data + offset, part);
        done += part;
        c->read += part;
    }
    return (int64_t)done;
}

void askr_chain_release(askr_chain *c, askr_slab *s, uint32_t owner)
{
    uint32_t left = c->taken - atomic_load_explicit(&c->freed, memory_order_relaxed);
    uint32_t block = c->current == ASKR_BLOCK_NONE ? c->first : c->current;
    for (; left > 0; left--) {
        if (askr_slab_owner(s, block) != owner) { /* also when there is no such block */
            (void)askr_slab_sweep(s, owner);
            break;
        }
        uint32_t next = askr_slab_link(s, block);
        ASKR_STEP("chain: in a release");
        askr_slab_free(s, block);
        block = next;
    }
}
