#include "askr_pool_layout.h"

#include <errno.h>
#include <unistd.h>

/*
 * The worker's side: take a request, read it, finish it.  The response is in askr_response.c.
 *
 * [order-take-1] How a request finds a worker and none is left lying while a worker sleeps:
 *
 * - A submit pushes the hint, then looks at the bitmap of sleepers; a worker that found the ring empty sets its bit, then
 *   looks into the ring again ([order-wake-1]).
 * - A waker takes one bit away and rings that doorbell.  The worker may just then have found another request and run
 *   it, which would use up the wake-up while a third worker sleeps.  So a worker that had announced itself in this
 *   take and leaves it, with a request or without, passes the wake-up on if the ring is not empty.  It does so after it
 *   has withdrawn its bit: if the bit was gone, the withdrawal sees the waker's swap and with it the pushed hint.
 * - A waker or a woken worker may be killed before it passes anything on: repair rings all doorbells.
 */

static askr_worker_record *record_of(askr_pool *p, uint32_t worker)
{
    return worker < p->spec.workers ? &p->workers[worker] : NULL;
}

static void set_state(askr_worker_record *r, uint32_t state)
{
    if (atomic_load_explicit(&r->state, memory_order_relaxed) == state)
        return;
    atomic_store_explicit(&r->state, state, memory_order_relaxed); /* [order-record-1] */
    atomic_store_explicit(&r->since_mono_ns, askr_mono_ns(), memory_order_relaxed);
}

int askr_worker_ready(askr_pool *p, uint32_t worker)
{
    askr_worker_record *r = record_of(p, worker);
    if (r == NULL)
        return ASKR_EINVAL;
    set_state(r, ASKR_WORKER_IDLE);
    ASKR_STEP("ready: IDLE, master not told");
    askr_eventfd_write(p->master_eventfd);
    return ASKR_OK;
}

int askr_worker_leave(askr_pool *p, uint32_t worker)
{
    askr_worker_record *r = record_of(p, worker);
    if (r == NULL)
        return ASKR_EINVAL;
    set_state(r, ASKR_WORKER_LEAVING);
    ASKR_STEP("leave: LEAVING, master not told");
    askr_eventfd_write(p->master_eventfd);
    return ASKR_OK;
}

/* Tries to make the exchange that a hint names this worker's; ASKR_EAGAIN when there is nothing to run. */
static int take_hint(askr_pool *p, uint32_t worker, askr_worker_record *r, uint32_t index, askr_xid *out)
{
    if (index >= p->spec.exchanges)
        return ASKR_EAGAIN;
    askr_exchange *e = &p->exchanges[index];
    ASKR_STEP("take: popped, still marked as queued");
    (void)atomic_exchange_explicit(&e->queued, 0, memory_order_seq_cst); /* [order-queue-1] before the look */
    ASKR_STEP("take: popped, not looked at");
    uint64_t word = askr_state_load(e);
    while (askr_word_state(word) == ASKR_EXCHANGE_QUEUED) {
        uint32_t generation = askr_word_generation(word), front = askr_word_holder(word), flags = askr_word_flags(word);
        /* relaxed: if it belongs to another life than `word`, the swap fails */
        uint64_t deadline = atomic_load_explicit(&e->deadline_mono_ns, memory_order_relaxed);
        int is_late = deadline != 0 && askr_mono_ns() >= deadline;
        uint64_t next = is_late ? askr_word(generation, front, ASKR_EXCHANGE_FAILED, flags)
                                : askr_word(generation, worker, ASKR_EXCHANGE_RUNNING, flags);
        if (!askr_state_swap(e, &word, next))
            continue;
        if (is_late) {
            ASKR_STEP("take: too late, front not told");
            askr_exchange_notify(p, e, front, generation);
            return ASKR_EAGAIN;
        }
        ASKR_STEP("take: RUNNING, not in the record");
        *out = askr_xid_of(next, index);
        atomic_store_explicit(&r->exchange, *out, memory_order_relaxed);
        return ASKR_OK;
    }
    return ASKR_EAGAIN;
}

/* How long a wait may last yet: -1 without bound, 0 when time is up. */
static int64_t time_left(int64_t timeout_ns, uint64_t since)
{
    if (timeout_ns < 0)
        return -1;
    uint64_t passed = askr_mono_ns() - since;
    return passed >= (uint64_t)timeout_ns ? 0 : timeout_ns - (int64_t)passed;
}

int askr_worker_take(askr_pool *p, uint32_t worker, int64_t timeout_ns, askr_xid *out)
{
    askr_worker_record *r = record_of(p, worker);
    if (r == NULL)
        return ASKR_EINVAL;
    _Atomic uint64_t *sleepers = &p->control->sleepers[worker / 64];
    uint64_t bit = (uint64_t)1 << (worker % 64);
    uint64_t since = timeout_ns > 0 ? askr_mono_ns() : 0;
    uint32_t seen = 0, index = 0;
    int is_announced = 0, was_announced = 0, rc;
    /* Each worker looks for blocks from a place of its own on, beyond those of the requests. */
    p->block_hint = p->request_limit + worker * 2 % (p->spec.blocks - p->request_limit);
    if (atomic_load_explicit(&r->state, memory_order_relaxed) == ASKR_WORKER_BUSY)
        set_state(r, ASKR_WORKER_IDLE);
    for (;;) {
        if (atomic_load_explicit(&r->command, memory_order_seq_cst) == ASKR_COMMAND_DRAIN) { /* [order-record-1] */
            rc = ASKR_ECANCELED;
            break;
        }
        if (askr_ring_pop(p->queue, &index, (uint32_t *)&r->intent) == ASKR_OK) {
            rc = take_hint(p, worker, r, index, out);
            ASKR_STEP("take: intent still noted");
            atomic_store_explicit(&r->intent, 0, memory_order_seq_cst);
            if (rc == ASKR_OK)
                break;
            continue;
        }
        if (!is_announced) {
            ASKR_STEP("take: nothing found, not announced");
            seen = atomic_load_explicit(&r->doorbell, memory_order_seq_cst);     /* [order-wake-2] */
            (void)atomic_fetch_or_explicit(sleepers, bit, memory_order_seq_cst); /* [order-wake-1] and look once more */
            is_announced = was_announced = 1;
            ASKR_STEP("take: announced");
            continue;
        }
        ASKR_STEP("take: nothing found again, not asleep");
        int64_t left = time_left(timeout_ns, since);
        rc = left == 0 ? ASKR_EAGAIN : askr_futex_wait(&r->doorbell, seen, left);
        ASKR_STEP("take: woken");
        (void)atomic_fetch_and_explicit(sleepers, ~bit, memory_order_seq_cst);
        is_announced = 0;
        if (rc != ASKR_OK)
            break;
    }
    if (is_announced)
        (void)atomic_fetch_and_explicit(sleepers, ~bit, memory_order_seq_cst);
    ASKR_STEP("take: withdrawn, wake-up not passed on");
    if (was_announced && askr_ring_depth(p->queue) > 0) /* [order-take-1] */
        askr_queue_wake(p);
    if (rc == ASKR_OK)
        set_state(r, ASKR_WORKER_BUSY);
    return rc;
}

static askr_exchange *find_running(askr_pool *p, askr_xid x)
{
    uint64_t word;
    askr_exchange *e = askr_exchange_find(p, x, &word);
    return e != NULL && askr_word_state(word) == ASKR_EXCHANGE_RUNNING ? e : NULL;
}

uint32_t askr_request_head_bytes(askr_pool *p, askr_xid x)
{
    const askr_exchange *e = find_running(p, x);
    return e != NULL ? e->head_bytes : 0;
}

uint64_t askr_request_body_bytes(askr_pool *p, askr_xid x)
{
    const askr_exchange *e = find_running(p, x);
    return e != NULL ? e->body_bytes : 0;
}

static int64_t read_spool(askr_pool *p, const askr_exchange *e, uint8_t *buf, size_t cap)
{
    uint64_t at = e->request_read - e->head_bytes, left = e->body_bytes - at;
    uint64_t base = (uint64_t)(e - p->exchanges) * p->spec.spool_stride_bytes;
    if (cap > left)
        cap = (size_t)left;
    for (;;) {
        ssize_t n = pread(p->spool_fd, buf, cap, (off_t)(base + at));
        if (n > 0)
            return n;
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = EIO; /* shorter than declared */
        return ASKR_ESYS;
    }
}

int64_t askr_request_read(askr_pool *p, askr_xid x, uint8_t *buf, size_t cap)
{
    uint32_t freed = 0;
    int64_t n;
    askr_exchange *e = find_running(p, x);
    if (e == NULL)
        return ASKR_ESTALE;
    uint64_t total = e->head_bytes + e->body_bytes;
    uint64_t in_chain = e->is_spooled ? e->head_bytes : total;
    if (e->request_read >= total || cap == 0)
        return 0;
    if (e->request_read < in_chain) {
        if (cap > in_chain - e->request_read)
            cap = (size_t)(in_chain - e->request_read);
        n = askr_chain_read(askr_request_chain(e), p->slab, askr_xid_index(x) + 1, buf, cap, &freed);
        if (freed != 0)
            askr_slab_room_made(p);
        if (n == 0)
            n = ASKR_EINVAL; /* shorter than declared: something wrote over it */
    } else {
        n = read_spool(p, e, buf, cap);
    }
    if (n > 0)
        e->request_read += (uint64_t)n;
    return n;
}

int askr_exchange_is_cancelled(askr_pool *p, askr_xid x)
{
    uint64_t word;
    const askr_exchange *e = askr_exchange_find(p, x, &word);
    return e == NULL || (askr_word_flags(word) & (ASKR_FLAG_CANCELLED | ASKR_FLAG_ORPHANED)) != 0;
}

int askr_worker_finish(askr_pool *p, uint32_t worker, askr_xid x, int is_failed)
{
    uint64_t word;
    askr_worker_record *r = record_of(p, worker);
    if (r == NULL)
        return ASKR_EINVAL;
    askr_exchange *e = askr_exchange_find(p, x, &word);
    if (e == NULL || askr_word_state(word) != ASKR_EXCHANGE_RUNNING || askr_word_holder(word) != worker)
        return ASKR_ESTALE;
    uint32_t generation = askr_word_generation(word);
    uint32_t front = atomic_load_explicit(&e->front, memory_order_relaxed); /* written before RUNNING was */
    (void)askr_chain_publish(askr_response_chain(e));
    for (;;) {
        uint32_t flags = askr_word_flags(word);
        if ((flags & ASKR_FLAG_ORPHANED) || front >= p->spec.fronts) { /* nobody will read it */
            (void)askr_exchange_release(p, e, word);
            break;
        }
        ASKR_STEP("finish: before the swap");
        uint32_t state = is_failed ? ASKR_EXCHANGE_FAILED : ASKR_EXCHANGE_DONE;
        if (askr_state_swap(e, &word, askr_word(generation, front, state, flags))) {
            ASKR_STEP("finish: front not told");
            askr_exchange_notify(p, e, front, generation);
            break;
        }
    }
    ASKR_STEP("finish: still in the record");
    (void)atomic_fetch_add_explicit(&r->requests, 1, memory_order_relaxed); /* [order-record-1] */
    atomic_store_explicit(&r->exchange, 0, memory_order_relaxed);
    return ASKR_OK;
}
