#include "askr_pool_layout.h"

#include <errno.h>
#include <fcntl.h>

/* What fronts, workers and repair all do with an exchange.  The ordering is argued in askr_pool_layout.h. */

askr_exchange *askr_exchange_find(askr_pool *p, askr_xid x, uint64_t *word)
{
    uint32_t index = askr_xid_index(x);
    if (index >= p->spec.exchanges)
        return NULL;
    askr_exchange *e = &p->exchanges[index];
    *word = askr_state_load(e);
    if (askr_xid_of(*word, index) != x || askr_word_state(*word) == ASKR_EXCHANGE_FREE)
        return NULL;
    return e;
}

void askr_slab_room_made(askr_pool *p)
{
    /* The owner words were stored before, seq_cst: [order-slab-2] */
    if (atomic_load_explicit(&p->control->slab_waiting, memory_order_seq_cst) == 0)
        return;
    if (atomic_exchange_explicit(&p->control->slab_waiting, 0, memory_order_seq_cst) == 0)
        return;
    ASKR_STEP("room: slab waiters taken, not woken");
    (void)atomic_fetch_add_explicit(&p->control->slab_room, 1, memory_order_seq_cst);
    askr_futex_wake(&p->control->slab_room, UINT32_MAX);
}

void askr_exchange_room_made(askr_exchange *e)
{
    if (atomic_exchange_explicit(&e->room_waiting, 0, memory_order_seq_cst) == 0)
        return;
    ASKR_STEP("room: waiter taken, not woken");
    (void)atomic_fetch_add_explicit(&e->room, 1, memory_order_seq_cst);
    askr_futex_wake(&e->room, 1);
}

static void give_back_spool(askr_pool *p, askr_exchange *e)
{
    uint64_t stride = p->spec.spool_stride_bytes;
    uint64_t offset = (uint64_t)(e - p->exchanges) * stride;
    if (!e->is_spooled)
        return;
    int saved = errno;
    /*
     * EOPNOTSUPP (a file system without holes) is not an error here: the range is then overwritten by its next user, who
     * declares how many bytes are his.  Nothing else can be done about other failures either.
     */
    if (p->spool_fd >= 0 && stride != 0)
        (void)fallocate(p->spool_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)stride);
    errno = saved;
    ASKR_STEP("release: spool given back, still marked");
    e->is_spooled = 0;
}

int askr_exchange_release(askr_pool *p, askr_exchange *e, uint64_t word)
{
    uint32_t index = (uint32_t)(e - p->exchanges);
    ASKR_STEP("release: begins");
    give_back_spool(p, e);
    if (askr_word_flags(word) & ASKR_FLAG_REPAIRED) {
        (void)askr_slab_sweep(p->slab, index + 1);
    } else {
        askr_chain_release(askr_request_chain(e), p->slab, index + 1);
        ASKR_STEP("release: request given back");
        askr_chain_release(askr_response_chain(e), p->slab, index + 1);
    }
    ASKR_STEP("release: blocks given back, not FREE");
    askr_slab_room_made(p);
    /* [order-exchange-3] */
    return askr_state_swap(e, &word, askr_word(askr_word_generation(word), 0, ASKR_EXCHANGE_FREE, 0)) ? ASKR_OK
                                                                                                      : ASKR_ESTALE;
}

void askr_exchange_notify(askr_pool *p, askr_exchange *e, uint32_t front, uint32_t generation)
{
    if (front >= p->spec.fronts)
        return;
    askr_front_record *f = &p->fronts[front];
    ASKR_STEP("notify: begins");
    if (atomic_exchange_explicit(&e->news, generation, memory_order_seq_cst) != generation) { /* [order-news-1] */
        ASKR_STEP("notify: marked, not pushed");
        if (askr_ring_push(askr_completions(p, front), (uint32_t)(e - p->exchanges)) != ASKR_OK)
            atomic_store_explicit(&f->rescan, 1, memory_order_seq_cst);
    }
    ASKR_STEP("notify: pushed, front not woken");
    if (atomic_load_explicit(&f->sleeping, memory_order_seq_cst) != 0 &&
        atomic_exchange_explicit(&f->sleeping, 0, memory_order_seq_cst) != 0) { /* [order-wake-1] */
        ASKR_STEP("notify: sleeper taken, eventfd not written");
        askr_eventfd_write(p->front_eventfds[front]);
    }
}

void askr_queue_wake(askr_pool *p)
{
    for (uint32_t i = 0; i < ASKR_MAX_WORKERS / 64; i++) {
        _Atomic uint64_t *set = &p->control->sleepers[i];
        uint64_t bits = atomic_load_explicit(set, memory_order_seq_cst); /* [order-wake-1] */
        while (bits != 0) {
            uint32_t worker = i * 64 + (uint32_t)__builtin_ctzll(bits);
            if (!atomic_compare_exchange_strong_explicit(set, &bits, bits & (bits - 1), memory_order_seq_cst,
                                                         memory_order_seq_cst))
                continue;
            if (worker >= p->spec.workers) {
                bits &= bits - 1;
                continue;
            }
            ASKR_STEP("wake: sleeper taken, doorbell not rung");
            (void)atomic_fetch_add_explicit(&p->workers[worker].doorbell, 1, memory_order_seq_cst); /* [order-wake-2] */
            askr_futex_wake(&p->workers[worker].doorbell, 1);
            return;
        }
    }
}

int askr_queue_push(askr_pool *p, askr_exchange *e)
{
    if (atomic_exchange_explicit(&e->queued, 1, memory_order_seq_cst) == 0) { /* [order-queue-1] */
        ASKR_STEP("queue: marked, not pushed");
        if (askr_ring_push(p->queue, (uint32_t)(e - p->exchanges)) != ASKR_OK) {
            atomic_store_explicit(&e->queued, 0, memory_order_seq_cst);
            return ASKR_EFULL;
        }
    }
    ASKR_STEP("queue: pushed, nobody woken");
    if (p->defers_wakes)
        p->wakes_owed++;
    else
        askr_queue_wake(p);
    return ASKR_OK;
}
