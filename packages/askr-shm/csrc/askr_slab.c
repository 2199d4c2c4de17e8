#include "askr_slab.h"

#include <assert.h>
#include <stdatomic.h>

/*
 * Layout, version 1, native byte order, page aligned:
 *    0  count        u32  constant after init
 *    4  count_check  u32  ~count
 *    8  block_bytes  u32  constant after init
 *   12  bytes_check  u32  ~block_bytes
 *   64  owners       count u32
 *    .  links        count u32
 *    .  data         count * block_bytes, from the next page on
 *
 * [order-slab-1] The owner words are the books.  Taking a block is one compare-and-swap from 0 to the
 * owner's number (acquire: what the former owner did with the data is over), giving it back is one store of 0
 * (release).  A process killed anywhere leaves a block either free or owned by a number that somebody can
 * answer for, and a sweep of that number gives back all of them.  The links are the owner's private
 * notes: a sweep does not read them.
 *
 * [order-slab-2] Both are seq_cst and not only acquire and release, because a process that found the slab
 * exhausted says "I wait" and then looks again, while a process that frees a block looks for waiters
 * afterwards: [order-wake-1] in askr_wake.h.
 *
 * Owner words lie side by side and apart from the data, so that a search for a free block and a sweep touch
 * one cache line per 16 blocks.
 */
struct askr_slab {
    uint32_t count;
    uint32_t count_check;
    uint32_t block_bytes;
    uint32_t bytes_check;
    uint8_t pad[ASKR_CACHE_LINE - 16];
    _Atomic uint32_t owners[];
};
static_assert(offsetof(struct askr_slab, owners) == 64, "slab layout v1");
static_assert(sizeof(_Atomic uint32_t) == 4, "an owner word is 4 bytes");

#define MAX_COUNT       1048576u
#define MAX_BLOCK_BYTES (1u << 24)
#define DATA_ALIGN      4096u

static int is_valid(uint32_t count, uint32_t block_bytes)
{
    return count >= 1 && count <= MAX_COUNT && block_bytes >= 64 && block_bytes <= MAX_BLOCK_BYTES &&
           block_bytes % 64 == 0;
}

static size_t data_offset(uint32_t count)
{
    size_t end = sizeof(struct askr_slab) + (size_t)count * 2 * sizeof(uint32_t);
    return (end + DATA_ALIGN - 1) & ~(size_t)(DATA_ALIGN - 1);
}

/* A header that something wrote over counts as a slab without blocks. */
static uint32_t count_of(const askr_slab *s)
{
    uint32_t count = s->count;
    return s->count_check == ~count && s->bytes_check == ~s->block_bytes ? count : 0;
}

static _Atomic uint32_t *links_of(const askr_slab *s, uint32_t count)
{
    return (_Atomic uint32_t *)(uintptr_t)&s->owners[count];
}

size_t askr_slab_sizeof(uint32_t count, uint32_t block_bytes)
{
    if (!is_valid(count, block_bytes))
        return 0;
    return data_offset(count) + (size_t)count * block_bytes;
}

int askr_slab_init(void *mem, uint32_t count, uint32_t block_bytes)
{
    askr_slab *s = mem;
    if (!is_valid(count, block_bytes) || ((uintptr_t)mem & (DATA_ALIGN - 1)) != 0)
        return ASKR_EINVAL;
    s->count = count;
    s->count_check = ~count;
    s->block_bytes = block_bytes;
    s->bytes_check = ~block_bytes;
    for (uint32_t i = 0; i < count; i++) {
        atomic_init(&s->owners[i], 0);
        atomic_init(&links_of(s, count)[i], ASKR_BLOCK_NONE);
    }
    return ASKR_OK;
}

int askr_slab_take_below(askr_slab *s, uint32_t limit, uint32_t owner, uint32_t *hint, uint32_t *block)
{
    uint32_t count = count_of(s);
    if (owner == 0)
        return ASKR_EINVAL;
    if (limit > count)
        limit = count;
    uint32_t at = hint != NULL && *hint < limit ? *hint : 0;
    for (uint32_t tried = 0; tried < limit; tried++) {
        uint32_t expected = atomic_load_explicit(&s->owners[at], memory_order_seq_cst); /* [order-slab-2] */
        if (expected == 0) {
            ASKR_STEP("slab: before the take");
            if (atomic_compare_exchange_strong_explicit(&s->owners[at], &expected, owner, memory_order_seq_cst,
                                                        memory_order_relaxed)) { /* [order-slab-1] */
                ASKR_STEP("slab: taken, in no chain");
                atomic_store_explicit(&links_of(s, count)[at], ASKR_BLOCK_NONE, memory_order_relaxed);
                if (hint != NULL)
                    *hint = at;
                *block = at;
                return ASKR_OK;
            }
        }
        at = at + 1 == limit ? 0 : at + 1;
    }
    return ASKR_EFULL;
}

int askr_slab_take(askr_slab *s, uint32_t owner, uint32_t *hint, uint32_t *block)
{
    return askr_slab_take_below(s, UINT32_MAX, owner, hint, block);
}

void askr_slab_free(askr_slab *s, uint32_t block)
{
    if (block < count_of(s))
        atomic_store_explicit(&s->owners[block], 0, memory_order_seq_cst); /* [order-slab-1] [order-slab-2] */
}

uint32_t askr_slab_sweep(askr_slab *s, uint32_t owner)
{
    uint32_t count = count_of(s), swept = 0;
    if (owner == 0)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        /* relaxed: only this caller may free what belongs to `owner`, and nobody else takes in its name */
        if (atomic_load_explicit(&s->owners[i], memory_order_relaxed) == owner) {
            ASKR_STEP("slab: in a sweep");
            atomic_store_explicit(&s->owners[i], 0, memory_order_seq_cst); /* [order-slab-1] [order-slab-2] */
            swept++;
        }
    }
    return swept;
}

uint32_t askr_slab_owner(const askr_slab *s, uint32_t block)
{
    return block < count_of(s) ? atomic_load_explicit(&s->owners[block], memory_order_acquire) : 0;
}

uint32_t askr_slab_count(const askr_slab *s)
{
    return count_of(s);
}

uint32_t askr_slab_used(const askr_slab *s)
{
    uint32_t count = count_of(s), used = 0;
    for (uint32_t i = 0; i < count; i++)
        used += atomic_load_explicit(&s->owners[i], memory_order_relaxed) != 0;
    return used;
}

uint32_t askr_slab_block_bytes(const askr_slab *s)
{
    return count_of(s) != 0 ? s->block_bytes : 0;
}

uint8_t *askr_slab_data(askr_slab *s, uint32_t block)
{
    uint32_t count = count_of(s);
    return block < count ? (uint8_t *)s + data_offset(count) + (size_t)block * s->block_bytes : NULL;
}

/* Links are relaxed: the consumer follows one only for bytes that were published behind it, [order-chain-1]. */
uint32_t askr_slab_link(const askr_slab *s, uint32_t block)
{
    uint32_t count = count_of(s);
    return block < count ? atomic_load_explicit(&links_of(s, count)[block], memory_order_relaxed) : ASKR_BLOCK_NONE;
}

void askr_slab_link_set(askr_slab *s, uint32_t block, uint32_t next)
{
    uint32_t count = count_of(s);
    if (block < count)
        atomic_store_explicit(&links_of(s, count)[block], next, memory_order_relaxed);
}
