#include "askr_ring.h"

#include <assert.h>
#include <stdatomic.h>

/*
 * Layout, version 1, native byte order, 64-byte aligned:
 *    0  capacity  u32  constant after init
 *    4  check     u32  ~capacity
 *   64  tail      u64  hint: every position below it has been pushed
 *  128  head      u64  hint: every position below it has been popped
 *  192  cells     capacity u64, each {lap:31 | full:1 | value:32}
 *
 * Positions count from 0 and never wrap in practice (64 bits).  Position n lives in cell n % capacity, and its
 * lap is n / capacity.  A cell goes through EMPTY(lap) -> FULL(lap, value) -> EMPTY(lap + 1) -> ..., each
 * arrow being one compare-and-swap of the whole cell.  So the cell alone says what has happened to a position:
 *
 *   EMPTY(lap)        the position was not pushed yet
 *   FULL(lap)         it was pushed and not popped
 *   a later lap       it was pushed and popped
 *   FULL(lap - 1)     the position one round earlier was not popped yet
 *
 * [order-ring-1] The cells are the truth; head and tail only say where to begin to look.  Whoever pushed, or
 * sees that somebody pushed, moves tail from t to t + 1 by compare-and-swap; the same for head.  A process
 * killed between its swap of the cell and its swap of the hint leaves a hint that is one behind, which
 * the next process recognises by the cell's lap and moves on.  There is no other state to be left behind.
 *
 * [order-ring-2] A hint is only moved past a position whose cell was seen to be pushed (popped), with release,
 * and read with acquire.  By induction a push happens at t only when all positions below t have been pushed,
 * and a pop at h only when all below h have been popped.  Therefore FULL(lap - 1) at the tail means that
 * positions t - capacity .. t - 1 were all in the ring when the cell was read, that is, ASKR_EFULL is
 * exact; and EMPTY(lap) at the head means that nothing was in it.
 *
 * [order-ring-3] All accesses to cells are seq_cst, because callers build sleep and wake on them: "push, then
 * look for a sleeper" against "announce sleep, then look into the ring".  In the single order of these four
 * one of the two sees the other (see [order-wake-1] in askr_wake.h).
 *
 * [order-ring-4] A pop's intent is stored before the swap that takes the value out.  So at a kill either the
 * value is in the ring, or the intent names it; when both hold, a repair that pushes it again makes a
 * duplicate, which users of this ring must and do tolerate.
 *
 * A scribbled header is recognised by its check word, and loops have a bound that no real contention reaches
 * (each failed round means that another process got on), so wild writes of an application
 * cannot make another process fault or spin here.
 */
struct askr_ring {
    uint32_t capacity;
    uint32_t check;
    uint8_t pad0[ASKR_CACHE_LINE - 8];
    _Atomic uint64_t tail;
    uint8_t pad1[ASKR_CACHE_LINE - 8];
    _Atomic uint64_t head;
    uint8_t pad2[ASKR_CACHE_LINE - 8];
    _Atomic uint64_t cells[];
};
static_assert(offsetof(struct askr_ring, tail) == 64, "ring layout v1");
static_assert(offsetof(struct askr_ring, head) == 128, "ring layout v1");
static_assert(offsetof(struct askr_ring, cells) == 192, "ring layout v1");

#define LAP_MASK     0x7fffffffu
#define MAX_CAPACITY 65536u
#define MAX_ROUNDS   (1u << 16)

static uint64_t cell_empty(uint32_t lap)
{
    return (uint64_t)lap << 33;
}

static uint64_t cell_full(uint32_t lap, uint32_t value)
{
    return ((uint64_t)lap << 33) | ((uint64_t)1 << 32) | value;
}

static uint32_t cell_lap(uint64_t cell)
{
    return (uint32_t)(cell >> 33);
}

static int cell_is_full(uint64_t cell)
{
    return (int)((cell >> 32) & 1u);
}

static int is_capacity(uint32_t capacity)
{
    return capacity >= 2 && capacity <= MAX_CAPACITY && (capacity & (capacity - 1)) == 0;
}

static uint32_t position_lap(const askr_ring *r, uint64_t position)
{
    return (uint32_t)(position >> __builtin_ctz(r->capacity)) & LAP_MASK;
}

/* How many laps `cell` is ahead of the position's own; a huge number when it is behind. */
static uint32_t laps_ahead(uint64_t cell, uint32_t lap)
{
    return (cell_lap(cell) - lap) & LAP_MASK;
}

static int is_whole(const askr_ring *r)
{
    return r->check == ~r->capacity && is_capacity(r->capacity);
}

static void help(_Atomic uint64_t *hint, uint64_t from)
{
    /* [order-ring-2] a failure means that somebody else has moved it */
    (void)atomic_compare_exchange_strong_explicit(hint, &from, from + 1, memory_order_release, memory_order_relaxed);
}

size_t askr_ring_sizeof(uint32_t capacity)
{
    if (!is_capacity(capacity))
        return 0;
    return sizeof(struct askr_ring) + (size_t)capacity * sizeof(uint64_t);
}

int askr_ring_init(void *mem, uint32_t capacity)
{
    askr_ring *r = mem;
    if (!is_capacity(capacity) || ((uintptr_t)mem & (ASKR_CACHE_LINE - 1)) != 0)
        return ASKR_EINVAL;
    r->capacity = capacity;
    r->check = ~capacity;
    atomic_init(&r->tail, 0);
    atomic_init(&r->head, 0);
    for (uint32_t i = 0; i < capacity; i++)
        atomic_init(&r->cells[i], cell_empty(0));
    return ASKR_OK;
}

int askr_ring_push(askr_ring *r, uint32_t value)
{
    if (!is_whole(r))
        return ASKR_EFULL;
    for (uint32_t round = 0; round < MAX_ROUNDS; round++) {
        uint64_t t = atomic_load_explicit(&r->tail, memory_order_acquire); /* [order-ring-2] */
        uint32_t lap = position_lap(r, t);
        _Atomic uint64_t *at = &r->cells[t & (r->capacity - 1)];
        uint64_t cell = atomic_load_explicit(at, memory_order_seq_cst); /* [order-ring-3] */
        if (cell_is_full(cell) && laps_ahead(cell, lap) == LAP_MASK)
            return ASKR_EFULL; /* one lap behind and full: [order-ring-2] */
        if (laps_ahead(cell, lap) != 0 || cell_is_full(cell)) {
            help(&r->tail, t);
            continue;
        }
        ASKR_STEP("ring: before the push");
        if (atomic_compare_exchange_strong_explicit(at, &cell, cell_full(lap, value), memory_order_seq_cst,
                                                    memory_order_relaxed)) {
            ASKR_STEP("ring: pushed, tail behind");
            help(&r->tail, t);
            return ASKR_OK;
        }
    }
    return ASKR_EFULL;
}

int askr_ring_pop(askr_ring *r, uint32_t *value, uint32_t *intent)
{
    _Atomic uint32_t *intended = (_Atomic uint32_t *)intent;
    int is_intended = 0;
    if (is_whole(r)) {
        for (uint32_t round = 0; round < MAX_ROUNDS; round++) {
            uint64_t h = atomic_load_explicit(&r->head, memory_order_acquire); /* [order-ring-2] */
            uint32_t lap = position_lap(r, h);
            _Atomic uint64_t *at = &r->cells[h & (r->capacity - 1)];
            uint64_t cell = atomic_load_explicit(at, memory_order_seq_cst); /* [order-ring-3] */
            if (laps_ahead(cell, lap) != 0) {
                if (laps_ahead(cell, lap) == LAP_MASK)
                    break; /* behind the head: not a state that this file makes */
                help(&r->head, h);
                continue;
            }
            if (!cell_is_full(cell))
                break;
            if (intended != NULL) {
                atomic_store_explicit(intended, (uint32_t)cell + 1, memory_order_seq_cst); /* [order-ring-4] */
                is_intended = 1;
            }
            ASKR_STEP("ring: before the pop");
            if (atomic_compare_exchange_strong_explicit(at, &cell, cell_empty((lap + 1) & LAP_MASK),
                                                        memory_order_seq_cst, memory_order_relaxed)) {
                ASKR_STEP("ring: popped, head behind");
                help(&r->head, h);
                *value = (uint32_t)cell;
                return ASKR_OK;
            }
        }
    }
    if (is_intended)
        atomic_store_explicit(intended, 0, memory_order_release); /* [order-ring-4] nothing was taken */
    return ASKR_EAGAIN;
}

uint32_t askr_ring_depth(const askr_ring *r)
{
    if (!is_whole(r))
        return 0;
    uint64_t h = atomic_load_explicit(&r->head, memory_order_acquire);
    uint64_t t = atomic_load_explicit(&r->tail, memory_order_acquire);
    if (t <= h)
        return 0;
    return t - h > r->capacity ? r->capacity : (uint32_t)(t - h);
}
