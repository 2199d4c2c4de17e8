#include "askr_pool_layout.h"

#include <errno.h>
#include <unistd.h>

/*
 * The front's side of an exchange.  A front is one thread that never waits in here: everything is done or refused
 * at once, and news come through the completion ring and the eventfd.
 */

static askr_chain_place request_place(askr_pool *p, const askr_exchange *e)
{
    return (askr_chain_place){.slab = p->slab,
                              .owner = (uint32_t)(e - p->exchanges) + 1,
                              .limit = p->request_limit,
                              .window = UINT32_MAX,
                              .hint = &p->block_hint};
}

int askr_front_open(askr_pool *p, uint32_t front, askr_xid *out)
{
    if (front >= p->spec.fronts)
        return ASKR_EINVAL;
    for (uint32_t tried = 0; tried < p->spec.exchanges; tried++) {
        uint32_t index = (p->exchange_hint + tried) & (p->spec.exchanges - 1);
        askr_exchange *e = &p->exchanges[index];
        uint64_t word = askr_state_load(e);
        if (askr_word_state(word) != ASKR_EXCHANGE_FREE)
            continue;
        uint32_t generation = askr_word_generation(word) + 1;
        if (generation == 0) /* so that no xid is 0 */
            generation = 1;
        uint64_t mine = askr_word(generation, front, ASKR_EXCHANGE_FILLING, 0);
        ASKR_STEP("open: before the swap");
        if (!askr_state_swap(e, &word, mine))
            continue;
        ASKR_STEP("open: FILLING, fields of the former life");
        atomic_store_explicit(&e->front, front, memory_order_relaxed); /* published by submit's swap */
        atomic_store_explicit(&e->deadline_mono_ns, 0, memory_order_relaxed);
        atomic_store_explicit(&e->response_head_bytes, 0, memory_order_relaxed);
        atomic_store_explicit(&e->room_waiting, 0, memory_order_relaxed);
        e->head_bytes = 0;
        e->body_bytes = 0;
        e->request_read = 0;
        e->is_spooled = 0;
        askr_chain_reset(askr_request_chain(e));
        askr_chain_reset(askr_response_chain(e));
        ASKR_STEP("open: done");
        p->exchange_hint = index + 1;
        /* Each front looks for blocks from a place of its own on: fewer collisions, and the same few pages again. */
        p->block_hint = (uint32_t)((uint64_t)p->request_limit * front / p->spec.fronts);
        *out = askr_xid_of(mine, index);
        return ASKR_OK;
    }
    return ASKR_EFULL;
}

static askr_exchange *find_filling(askr_pool *p, askr_xid x, uint64_t *word)
{
    askr_exchange *e = askr_exchange_find(p, x, word);
    return e != NULL && askr_word_state(*word) == ASKR_EXCHANGE_FILLING ? e : NULL;
}

int askr_front_write(askr_pool *p, askr_xid x, const uint8_t *buf, size_t n)
{
    uint64_t word;
    askr_exchange *e = find_filling(p, x, &word);
    if (e == NULL)
        return ASKR_ESTALE;
    askr_chain_place place = request_place(p, e);
    return askr_chain_append_whole(askr_request_chain(e), &place, buf, n);
}

int askr_front_spool(askr_pool *p, askr_xid x, const uint8_t *buf, size_t n, uint64_t offset)
{
    uint64_t word, stride = p->spec.spool_stride_bytes;
    askr_exchange *e = find_filling(p, x, &word);
    if (e == NULL)
        return ASKR_ESTALE;
    if (offset > stride || n > stride - offset)
        return ASKR_E2BIG;
    e->is_spooled = 1; /* before the first byte, so that the repair of a killed front gives the range back */
    ASKR_STEP("spool: marked, not written");
    uint64_t at = (uint64_t)(e - p->exchanges) * stride + offset;
    while (n > 0) {
        ssize_t written = pwrite(p->spool_fd, buf, n, (off_t)at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return ASKR_ESYS;
        ASKR_STEP("spool: written");
        buf += written;
        at += (uint64_t)written;
        n -= (size_t)written;
    }
    return ASKR_OK;
}

int askr_front_submit(askr_pool *p, askr_xid x, uint32_t head_bytes, uint64_t body_bytes, int is_spooled,
                      uint64_t deadline_mono_ns)
{
    uint64_t word;
    askr_exchange *e = find_filling(p, x, &word);
    if (e == NULL)
        return ASKR_ESTALE;
    uint32_t front = askr_word_holder(word);
    uint64_t in_chain = head_bytes + (is_spooled ? 0 : body_bytes);
    if (front >= p->spec.fronts || askr_chain_appended(askr_request_chain(e)) != in_chain ||
        in_chain < body_bytes * !is_spooled)
        return ASKR_EINVAL;
    if (is_spooled && body_bytes > p->spec.spool_stride_bytes)
        return ASKR_EINVAL;
    e->head_bytes = head_bytes;
    e->body_bytes = body_bytes;
    if (is_spooled)
        e->is_spooled = 1;
    atomic_store_explicit(&e->deadline_mono_ns, deadline_mono_ns, memory_order_relaxed);
    (void)askr_chain_publish(askr_request_chain(e));
    atomic_store_explicit(&p->fronts[front].submitting, askr_xid_index(x) + 1, memory_order_seq_cst); /* for repair */
    ASKR_STEP("submit: before the swap");
    uint64_t queued = askr_word(askr_word_generation(word), front, ASKR_EXCHANGE_QUEUED, askr_word_flags(word));
    int rc = askr_state_swap(e, &word, queued) ? ASKR_OK : ASKR_ESTALE;
    if (rc == ASKR_OK) {
        ASKR_STEP("submit: QUEUED, no hint");
        rc = askr_queue_push(p, e);
        /* No room for the hint: take it back, unless a worker found it by an older hint. */
        if (rc != ASKR_OK && !askr_state_swap(e, &queued, word))
            rc = ASKR_OK;
    }
    ASKR_STEP("submit: still noted");
    atomic_store_explicit(&p->fronts[front].submitting, 0, memory_order_seq_cst);
    return rc;
}

void askr_front_defer_wakes(askr_pool *p)
{
    p->defers_wakes = 1;
}

/* One worker: if it leaves requests in the ring, it wakes the next one before it begins with its own.  [order-take-1] */
int askr_front_wake(askr_pool *p)
{
    uint32_t owed = p->wakes_owed;
    p->wakes_owed = 0;
    if (askr_ring_depth(p->queue) == 0)
        return 0;
    if (owed > 0)
        askr_queue_wake(p);
    return 1;
}

void askr_front_wake_another(askr_pool *p)
{
    if (askr_ring_depth(p->queue) > 0)
        askr_queue_wake(p);
}

/* The xid of exchange `index` if it is this front's and with or behind a worker, else 0. */
static askr_xid look_at(askr_pool *p, uint32_t front, uint32_t index)
{
    if (index >= p->spec.exchanges)
        return 0;
    askr_exchange *e = &p->exchanges[index];
    (void)atomic_exchange_explicit(&e->news, 0, memory_order_seq_cst); /* [order-news-1] before the look */
    uint64_t word = askr_state_load(e);
    uint32_t owner;
    switch (askr_word_state(word)) {
    case ASKR_EXCHANGE_RUNNING:
        owner = atomic_load_explicit(&e->front, memory_order_relaxed); /* written before RUNNING was */
        break;
    case ASKR_EXCHANGE_DONE:
    case ASKR_EXCHANGE_FAILED: owner = askr_word_holder(word); break;
    default: return 0;
    }
    return owner == front ? askr_xid_of(word, index) : 0;
}

int askr_front_next(askr_pool *p, uint32_t front, askr_xid *out)
{
    if (front >= p->spec.fronts)
        return ASKR_EINVAL;
    askr_front_record *f = &p->fronts[front];
    int is_announced = 0;
    if (p->is_armed[front]) {
        p->is_armed[front] = 0;
        atomic_store_explicit(&f->sleeping, 0, memory_order_seq_cst);
        askr_eventfd_clear(p->front_eventfds[front]);
    }
    for (;;) {
        uint32_t index;
        while (p->scan_next[front] < p->spec.exchanges) {
            *out = look_at(p, front, p->scan_next[front]++);
            if (*out != 0)
                return ASKR_OK;
        }
        if (askr_ring_pop(askr_completions(p, front), &index, NULL) == ASKR_OK) {
            ASKR_STEP("next: popped, still marked as news");
            *out = look_at(p, front, index);
            if (*out == 0)
                continue;
            if (is_announced)
                atomic_store_explicit(&f->sleeping, 0, memory_order_seq_cst);
            return ASKR_OK;
        }
        if (atomic_exchange_explicit(&f->rescan, 0, memory_order_seq_cst) != 0) {
            p->scan_next[front] = 0;
            continue;
        }
        if (is_announced)
            break;
        ASKR_STEP("next: nothing found, not announced");
        atomic_store_explicit(&f->sleeping, 1, memory_order_seq_cst); /* [order-wake-1] and look once more */
        is_announced = 1;
        ASKR_STEP("next: announced");
    }
    p->is_armed[front] = 1;
    return ASKR_EAGAIN;
}

int askr_front_next_many(askr_pool *p, uint32_t front, askr_xid *out, uint32_t cap)
{
    uint32_t n = 0;
    int rc = ASKR_OK;
    while (n < cap && n < INT32_MAX && (rc = askr_front_next(p, front, &out[n])) == ASKR_OK)
        n++;
    return rc == ASKR_OK || rc == ASKR_EAGAIN ? (int)n : rc;
}

int askr_front_observe(askr_pool *p, askr_xid x, askr_exchange_view *out)
{
    uint64_t word;
    askr_exchange *e = askr_exchange_find(p, x, &word);
    if (e == NULL)
        return ASKR_ESTALE;
    /* The state before the bytes: a view that is final has all of them. */
    const askr_chain *response = askr_response_chain(e);
    uint64_t most = (uint64_t)(ASKR_WINDOW_BLOCKS + 1) * p->spec.block_bytes;
    uint64_t readable = askr_chain_readable(response);
    uint64_t published = askr_chain_published(response);
    uint32_t head =
        atomic_load_explicit(&e->response_head_bytes, memory_order_relaxed); /* stored before its bytes are published */
    out->state = askr_word_state(word);
    out->head_bytes = head <= published ? head : 0;
    out->readable_bytes = readable < most ? readable : most;
    out->is_cancelled = (askr_word_flags(word) & ASKR_FLAG_CANCELLED) != 0;
    return ASKR_OK;
}

int64_t askr_front_read(askr_pool *p, askr_xid x, uint8_t *buf, size_t cap)
{
    uint64_t word;
    uint32_t freed = 0;
    askr_exchange *e = askr_exchange_find(p, x, &word);
    if (e == NULL)
        return ASKR_ESTALE;
    if (askr_word_state(word) < ASKR_EXCHANGE_RUNNING)
        return 0; /* no worker has it yet */
    askr_chain *response = askr_response_chain(e);
    int64_t n = askr_chain_read(response, p->slab, (uint32_t)(e - p->exchanges) + 1, buf, cap, &freed);
    if (freed != 0) {
        ASKR_STEP("read: blocks given back, nobody told");
        askr_slab_room_made(p);
    }
    /*
     * A worker that waits for room has published all that it wrote.  It is woken when half of its window is free, not for each
     * block: that would be a switch of context per block.  [order-chain-2]
     */
    if (n > 0 && atomic_load_explicit(&e->room_waiting, memory_order_seq_cst) != 0 &&
        askr_chain_readable(response) <= (uint64_t)ASKR_WINDOW_BLOCKS / 2 * p->spec.block_bytes)
        askr_exchange_room_made(e);
    return n;
}

int askr_front_cancel(askr_pool *p, askr_xid x)
{
    uint64_t word;
    askr_exchange *e = askr_exchange_find(p, x, &word);
    if (e == NULL)
        return ASKR_ESTALE;
    uint32_t generation = askr_word_generation(word);
    while (askr_word_generation(word) == generation) {
        uint32_t state = askr_word_state(word), flags = askr_word_flags(word), holder = askr_word_holder(word);
        if (state == ASKR_EXCHANGE_FILLING) {
            int rc = askr_exchange_release(p, e, word);
            if (rc != ASKR_OK)
                return rc;
            if (askr_xid_index(x) < p->exchange_hint)
                p->exchange_hint = askr_xid_index(x);
            return 1;
        }
        if (state == ASKR_EXCHANGE_QUEUED) { /* back to this front first, so that no worker takes it meanwhile */
            uint64_t mine = askr_word(generation, holder, ASKR_EXCHANGE_FILLING, flags);
            if (askr_state_swap(e, &word, mine)) {
                ASKR_STEP("cancel: FILLING again");
                word = mine;
            }
            continue;
        }
        if (state != ASKR_EXCHANGE_RUNNING)
            return 0;
        ASKR_STEP("cancel: before the swap");
        if (askr_state_swap(e, &word, askr_word(generation, holder, state, flags | ASKR_FLAG_CANCELLED))) {
            ASKR_STEP("cancel: marked, worker not told");
            askr_exchange_room_made(e);
            return 0;
        }
    }
    return ASKR_ESTALE;
}

int askr_front_release(askr_pool *p, askr_xid x)
{
    uint64_t word;
    askr_exchange *e = askr_exchange_find(p, x, &word);
    if (e == NULL)
        return ASKR_ESTALE;
    uint32_t state = askr_word_state(word);
    if (state == ASKR_EXCHANGE_QUEUED || state == ASKR_EXCHANGE_RUNNING)
        return ASKR_EAGAIN;
    int rc = askr_exchange_release(p, e, word);
    if (rc == ASKR_OK && askr_xid_index(x) < p->exchange_hint)
        p->exchange_hint = askr_xid_index(x); /* the lowest free ones again: few pages are touched */
    return rc;
}
