#include "askr_pool_layout.h"

/*
 * A worker's output.  Bytes are published, and the front is told, at flush, when ASKR_FLUSH_BLOCKS blocks are unpublished,
 * before a wait, and at finish: a small response costs one publication and one push.
 *
 * A worker waits for two things: room in its exchange's window (the front reads too slowly), and a free block (the
 * slab is exhausted).  Both waits follow [order-wake-1], are cut into slices in which the worker looks whether
 * the client is still there, and end with ASKR_EFULL when nothing moved for ASKR_ROOM_BOUND_NS.
 */

static askr_exchange *find_running(askr_pool *p, askr_xid x, uint64_t *word)
{
    askr_exchange *e = askr_exchange_find(p, x, word);
    return e != NULL && askr_word_state(*word) == ASKR_EXCHANGE_RUNNING ? e : NULL;
}

static int is_given_up(uint64_t word)
{
    return (askr_word_flags(word) & (ASKR_FLAG_CANCELLED | ASKR_FLAG_ORPHANED)) != 0;
}

static void publish(askr_pool *p, askr_exchange *e)
{
    askr_chain *c = askr_response_chain(e);
    if (askr_chain_appended(c) == askr_chain_published(c))
        return;
    (void)askr_chain_publish(c);
    askr_exchange_notify(p, e, atomic_load_explicit(&e->front, memory_order_relaxed),
                         askr_word_generation(askr_state_load(e)));
}

/* A wait that has been announced and not slept yet. */
typedef struct {
    _Atomic uint32_t *word; /* futex; NULL: not announced */
    uint32_t seen;
} room_wait;

static room_wait announce(askr_pool *p, askr_exchange *e, int is_slab)
{
    room_wait w = {.word = is_slab ? &p->control->slab_room : &e->room};
    _Atomic uint32_t *waiting = is_slab ? &p->control->slab_waiting : &e->room_waiting;
    ASKR_STEP("room: none found, not announced");
    w.seen = atomic_load_explicit(w.word, memory_order_seq_cst); /* [order-wake-2] */
    atomic_store_explicit(waiting, 1, memory_order_seq_cst);     /* [order-wake-1] */
    ASKR_STEP("room: announced");
    return w;
}

static int write_all(askr_pool *p, askr_xid x, askr_exchange *e, const uint8_t *buf, size_t n)
{
    askr_chain *c = askr_response_chain(e);
    askr_chain_place place = {.slab = p->slab,
                              .owner = askr_xid_index(x) + 1,
                              .limit = p->spec.blocks,
                              .window = ASKR_WINDOW_BLOCKS,
                              .hint = &p->block_hint};
    room_wait wait = {.word = NULL};
    uint64_t since = 0; /* of the wait; 0: none */
    while (n > 0) {
        int64_t done = askr_chain_append(c, &place, buf, n);
        if (done > 0) {
            buf += done;
            n -= (size_t)done;
            wait.word = NULL;
            since = 0;
            if (askr_chain_appended(c) - askr_chain_published(c) >= (uint64_t)ASKR_FLUSH_BLOCKS * p->spec.block_bytes)
                publish(p, e);
            continue;
        }
        if (done != ASKR_EAGAIN && done != ASKR_EFULL)
            return (int)done;
        publish(p, e); /* what is not published cannot be read, and no room would come */
        _Atomic uint32_t *word = done == ASKR_EFULL ? &p->control->slab_room : &e->room;
        if (wait.word != word) {
            wait = announce(p, e, done == ASKR_EFULL);
            continue; /* and look once more */
        }
        if (is_given_up(askr_state_load(e)))
            return ASKR_ECANCELED;
        uint64_t now = askr_mono_ns();
        if (since == 0)
            since = now;
        if (now - since >= ASKR_ROOM_BOUND_NS)
            return ASKR_EFULL;
        (void)askr_futex_wait(wait.word, wait.seen, ASKR_SLICE_NS);
        wait.word = NULL;
    }
    return ASKR_OK;
}

int askr_response_head(askr_pool *p, askr_xid x, const uint8_t *head, uint32_t n)
{
    uint64_t word;
    askr_exchange *e = find_running(p, x, &word);
    if (e == NULL)
        return ASKR_ESTALE;
    if (is_given_up(word))
        return ASKR_ECANCELED;
    if (n == 0 || askr_chain_appended(askr_response_chain(e)) != 0)
        return ASKR_EINVAL;
    /* A front reads a head when it is whole, so it has to fit into the window, with something to spare. */
    if (n > ASKR_WINDOW_BLOCKS / 2 * (uint64_t)p->spec.block_bytes)
        return ASKR_E2BIG;
    atomic_store_explicit(&e->response_head_bytes, n,
                          memory_order_relaxed); /* [order-chain-1] before its bytes are published */
    ASKR_STEP("head: declared, not written");
    return write_all(p, x, e, head, n);
}

int askr_response_write(askr_pool *p, askr_xid x, const uint8_t *buf, size_t n)
{
    uint64_t word;
    askr_exchange *e = find_running(p, x, &word);
    if (e == NULL)
        return ASKR_ESTALE;
    return is_given_up(word) ? ASKR_ECANCELED : write_all(p, x, e, buf, n);
}

int askr_response_flush(askr_pool *p, askr_xid x)
{
    uint64_t word;
    askr_exchange *e = find_running(p, x, &word);
    if (e == NULL)
        return ASKR_ESTALE;
    publish(p, e);
    return is_given_up(word) ? ASKR_ECANCELED : ASKR_OK;
}

int askr_response_discard(askr_pool *p, askr_xid x)
{
    uint64_t word;
    askr_exchange *e = find_running(p, x, &word);
    if (e == NULL)
        return ASKR_ESTALE;
    askr_chain *c = askr_response_chain(e);
    if (askr_chain_published(c) != 0)
        return ASKR_EAGAIN;
    ASKR_STEP("discard: begins");
    askr_chain_release(c, p->slab, askr_xid_index(x) + 1);
    ASKR_STEP("discard: blocks given back");
    askr_chain_reset(c);
    atomic_store_explicit(&e->response_head_bytes, 0,
                          memory_order_relaxed); /* nothing is published that it would belong to */
    askr_slab_room_made(p);
    return ASKR_OK;
}
