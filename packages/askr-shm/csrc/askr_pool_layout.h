#ifndef ASKR_POOL_LAYOUT_H
#define ASKR_POOL_LAYOUT_H

#include <assert.h>
#include <stdatomic.h>

#include "askr_arena.h"
#include "askr_chain.h"
#include "askr_pool.h"
#include "askr_ring.h"
#include "askr_slab.h"
#include "askr_wake.h"

/*
 * Private to askr_pool.c, askr_exchange.c, askr_front.c, askr_worker.c, askr_response.c and askr_repair.c:
 * what a pool's memory looks like and who writes which word.
 *
 * An exchange is owned by one party at a time, and its state word says by whom:
 *
 *     {generation:32 | holder:16 | state:8 | flags:8}
 *
 *     FREE ─open─▶ FILLING ─submit─▶ QUEUED ─take─▶ RUNNING ─finish─▶ DONE | FAILED ─release─▶ FREE
 *                  front             front          worker            front                    0     (holder)
 *
 * [order-exchange-1] The state word changes by compare-and-swap only.  A swap that hands an exchange on is seq_cst, so
 * everything that the former holder wrote into exchange, chains and blocks is visible to the one who sees the new
 * word (acquire).  Fields that are not atomic are touched by the holder only.
 *
 * [order-exchange-2] The generation grows at each open, so a handle (xid) of a former life never matches again.
 *
 * [order-exchange-3] Releasing frees blocks and spool range first and stores FREE last.  A process killed in between
 * leaves an exchange that a dead party holds, and repair releases it again: giving back is idempotent, because
 * a repair sweeps by owner word, and a block that has a new owner no longer matches.
 *
 * Flags: CANCELLED is set by the front while a worker runs the exchange.  ORPHANED is set by the repair of the
 * front; the worker that sees it at finish releases the exchange by itself.  Both are in the same word as the state, so that one
 * swap decides whether finish or the flag came first.  REPAIRED says that a dead party may have left links
 * half-written: release sweeps.
 *
 * [order-queue-1] The request ring holds indices as hints.  `queued` is 1 from before an index is pushed
 * until after it was popped; a submit that finds it set does not push again.  So cancelled requests cannot fill the
 * ring.  The popper clears `queued` first and then looks at the state; a submit sets the state first and then
 * looks at `queued`: one of the two sees the other's write (seq_cst), and no QUEUED exchange is without a hint.
 *
 * [order-news-1] `news` is the generation for which an index is in (or on its way into) its front's completion ring.
 * The worker changes state or chain first and then swaps its generation in; it pushes only if it found
 * another value.  The front pops, clears `news`, and only then looks.  The generation matters: a worker that
 * finished a former life may be late, and must not make a later life's worker believe that news is on its way.
 *
 * A value that is read from shared memory is checked before it is used as an index.  Sizes come from the handle.
 */
#define ASKR_POOL_VERSION  2u   /* 2: up to 128 fronts */
#define ASKR_MAX_FRONTS    128u /* two lanes for each of 64 processes */
#define ASKR_MAX_WORKERS   512u
#define ASKR_WINDOW_BLOCKS 32u          /* response blocks ahead of the front: 512 KiB by default */
#define ASKR_FLUSH_BLOCKS  4u           /* unpublished response blocks after which a write publishes by itself */
#define ASKR_ROOM_BOUND_NS 30000000000u /* how long a worker waits for room */
#define ASKR_SLICE_NS      1000000000   /* how often it looks meanwhile whether the client is still there */

#define ASKR_FLAG_CANCELLED 1u
#define ASKR_FLAG_ORPHANED  2u
#define ASKR_FLAG_REPAIRED  4u

typedef struct {
    askr_pool_spec spec; /* written by create, read by attach only */
    _Alignas(ASKR_CACHE_LINE) _Atomic uint64_t
        sleepers[ASKR_MAX_WORKERS / 64];                  /* set: worker; cleared: worker, waker, repair */
    _Alignas(ASKR_CACHE_LINE) _Atomic uint32_t slab_room; /* futex: bumped when blocks come free and somebody waits */
    _Atomic uint32_t slab_waiting;                        /* set by a waiter, taken by who frees */
} askr_control;
static_assert(sizeof(askr_pool_spec) == 32, "control layout v1");
static_assert(offsetof(askr_control, sleepers) == 64 && offsetof(askr_control, slab_room) == 128, "control layout v1");

typedef struct {
    _Alignas(ASKR_CACHE_LINE) _Atomic uint64_t state; /* [order-exchange-1] */
    _Atomic uint32_t queued;                          /* [order-queue-1] */
    _Atomic uint32_t news;                            /* [order-news-1] */
    _Atomic uint32_t front;                           /* who opened it; holder in FILLING */
    uint32_t head_bytes;                              /* of the request; front in FILLING */
    uint64_t body_bytes;                              /* the same */
    _Atomic uint64_t deadline_mono_ns;                /* the same; read by takers before their swap decides */
    uint64_t request_read;                            /* worker: bytes of head and body read so far */
    uint32_t is_spooled;                              /* front, before the first byte is written to the spool */
    uint32_t reserved;
    _Alignas(ASKR_CACHE_LINE) _Atomic uint32_t
        room;                             /* futex: bumped by the front (or repair) when the worker should look again */
    _Atomic uint32_t room_waiting;        /* set by the worker, taken by the front */
    _Atomic uint32_t response_head_bytes; /* worker, once, before they are published */
    uint8_t pad[ASKR_CACHE_LINE - 12];
    uint8_t request[128];  /* askr_chain: front to worker */
    uint8_t response[128]; /* askr_chain: worker to front */
} askr_exchange;
static_assert(offsetof(askr_exchange, room) == 64 && sizeof(askr_exchange) == 384, "exchange layout v1");
static_assert(offsetof(askr_exchange, request) % ASKR_CACHE_LINE == 0, "chains are 64-byte aligned");

typedef struct {
    _Alignas(ASKR_CACHE_LINE) _Atomic uint32_t sleeping; /* 1: front waits for its eventfd; taken by who writes it */
    _Atomic uint32_t rescan;                             /* set when the completion ring alone cannot be trusted */
    _Atomic uint32_t submitting; /* front: index + 1 of the exchange that it puts into the queue */
    uint8_t pad[ASKR_CACHE_LINE - 12];
} askr_front_record;
static_assert(sizeof(askr_front_record) == 64, "front record layout v1");

typedef struct {
    _Alignas(ASKR_CACHE_LINE) _Atomic uint32_t pid; /* master */
    _Atomic uint32_t state;                         /* worker; master: STARTING, EMPTY */
    _Atomic uint32_t command;                       /* master */
    _Atomic uint32_t intent;        /* worker: index + 1 that it takes out of the queue, [order-ring-4] */
    _Atomic uint64_t requests;      /* worker */
    _Atomic uint64_t exchange;      /* worker: xid that it runs */
    _Atomic uint64_t since_mono_ns; /* with state */
    uint8_t pad0[ASKR_CACHE_LINE - 40];
    _Alignas(ASKR_CACHE_LINE) _Atomic uint32_t doorbell; /* futex: bumped by who wakes this worker */
    uint8_t pad1[ASKR_CACHE_LINE - 4];
} askr_worker_record;
static_assert(sizeof(askr_worker_record) == 128, "worker record layout v1");

struct askr_pool {
    askr_arena *arena;
    int is_alias; /* the arena belongs to another handle */
    askr_pool_spec spec;
    uint32_t request_limit; /* requests take blocks below this one; the rest is left for responses */
    askr_control *control;
    askr_exchange *exchanges;
    askr_front_record *fronts;
    askr_worker_record *workers;
    askr_ring *queue;
    uint8_t *completions; /* spec.fronts rings */
    size_t completion_stride;
    askr_slab *slab;
    int front_eventfds[ASKR_MAX_FRONTS];
    int master_eventfd;
    int spool_fd;
    /* private notes of the party that uses this handle */
    uint32_t exchange_hint;
    uint32_t wakes_owed;  /* requests that were pushed and of which no worker was told */
    uint8_t defers_wakes; /* askr_front_defer_wakes */
    uint32_t block_hint;
    uint8_t is_armed[ASKR_MAX_FRONTS];
    uint32_t scan_next[ASKR_MAX_FRONTS]; /* where a rescan goes on; spec.exchanges: none */
};

/* ---- state words ---- */
static inline uint64_t askr_word(uint32_t generation, uint32_t holder, uint32_t state, uint32_t flags)
{
    return (uint64_t)generation << 32 | (uint64_t)(holder & 0xffffu) << 16 | (uint64_t)(state & 0xffu) << 8 |
           (flags & 0xffu);
}

static inline uint32_t askr_word_generation(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

static inline uint32_t askr_word_holder(uint64_t word)
{
    return (uint32_t)(word >> 16) & 0xffffu;
}

static inline uint32_t askr_word_state(uint64_t word)
{
    return (uint32_t)(word >> 8) & 0xffu;
}

static inline uint32_t askr_word_flags(uint64_t word)
{
    return (uint32_t)word & 0xffu;
}

static inline uint64_t askr_state_load(const askr_exchange *e)
{
    return atomic_load_explicit(&e->state, memory_order_seq_cst); /* [order-exchange-1] */
}

static inline int askr_state_swap(askr_exchange *e, uint64_t *from, uint64_t to)
{
    return atomic_compare_exchange_strong_explicit(&e->state, from, to, memory_order_seq_cst, memory_order_seq_cst);
}

static inline uint32_t askr_xid_index(askr_xid x)
{
    return (uint32_t)x;
}

static inline askr_xid askr_xid_of(uint64_t word, uint32_t index)
{
    return (askr_xid)askr_word_generation(word) << 32 | index;
}

static inline askr_chain *askr_request_chain(askr_exchange *e)
{
    return (askr_chain *)(void *)e->request;
}

static inline askr_chain *askr_response_chain(askr_exchange *e)
{
    return (askr_chain *)(void *)e->response;
}

static inline askr_ring *askr_completions(askr_pool *p, uint32_t front)
{
    return (askr_ring *)(void *)(p->completions + (size_t)front * p->completion_stride);
}

/* ---- askr_exchange.c: what both sides and repair do to an exchange ---- */
/* The exchange of x if it lives in x's generation, its word in *word; otherwise NULL. */
askr_exchange *askr_exchange_find(askr_pool *p, askr_xid x, uint64_t *word);
/* Gives back blocks and spool range and stores FREE over `word`.  Only for who holds it. */
int askr_exchange_release(askr_pool *p, askr_exchange *e, uint64_t word);
/* [order-news-1] Tells `front` that there is something new about e in the life `generation`. */
void askr_exchange_notify(askr_pool *p, askr_exchange *e, uint32_t front, uint32_t generation);
/* [order-queue-1] Puts a hint for e into the request ring, unless one is there, and wakes a worker. */
int askr_queue_push(askr_pool *p, askr_exchange *e);
/* Wakes one sleeping worker, the one with the lowest number. */
void askr_queue_wake(askr_pool *p);
/* Whoever gave back blocks calls this. */
void askr_slab_room_made(askr_pool *p);
/* Makes the worker that waits for room in e's window, if any, look again. */
void askr_exchange_room_made(askr_exchange *e);

/* A second handle on the same mapping, for another thread (tests under TSan).  Detach it before `p`. */
int askr_pool_alias(const askr_pool *p, askr_pool **out);

#endif
