#include "askr_pool_layout.h"

/*
 * What the master does after a party's death is certain.  Until then nothing here may run: a repair acts in
 * the name of the dead one, as the holder of its exchanges, beside fronts and workers that go on.
 *
 * Every step is repeatable.  A repair that is itself killed half-way leaves exchanges that are still held by the dead party
 * (and are found again) or are handed on already (and the notes by which they were found are cleared last).
 *
 * What a kill can leave, and what is done about it:
 *
 *   an exchange held by the dead               front: freed, or ORPHANED if a worker runs it; worker: FAILED, or freed
 *                                              if its front is dead, too; REPAIRED makes its release sweep
 *   a hint popped and not used (intent), or    `queued` is cleared as if by the popper, and the hint is pushed again if
 *   marked and not pushed (submitting)         the exchange still is QUEUED; a duplicate is harmless
 *   news marked and not pushed                 every front looks through all of its exchanges once (rescan)
 *   a sleeper taken and not woken              every doorbell is rung, every eventfd written
 */

/* [order-queue-1] */
static int restore_hint(askr_pool *p, uint32_t noted)
{
    if (noted == 0 || noted > p->spec.exchanges)
        return ASKR_OK;
    askr_exchange *e = &p->exchanges[noted - 1];
    ASKR_STEP("repair: hint not restored");
    (void)atomic_exchange_explicit(&e->queued, 0, memory_order_seq_cst);
    if (askr_word_state(askr_state_load(e)) != ASKR_EXCHANGE_QUEUED)
        return ASKR_OK;
    return askr_queue_push(p, e);
}

static void wake_everybody(askr_pool *p)
{
    for (uint32_t i = 0; i < p->spec.fronts; i++) {
        atomic_store_explicit(&p->fronts[i].rescan, 1, memory_order_seq_cst);
        ASKR_STEP("repair: rescan asked for, front not woken");
        atomic_store_explicit(&p->fronts[i].sleeping, 0, memory_order_seq_cst);
        askr_eventfd_write(p->front_eventfds[i]);
    }
    for (uint32_t i = 0; i < p->spec.workers; i++) {
        askr_worker_record *r = &p->workers[i];
        if (atomic_load_explicit(&r->state, memory_order_relaxed) == ASKR_WORKER_EMPTY)
            continue; /* relaxed: one that just becomes IDLE looks into the ring before it sleeps */
        (void)atomic_fetch_add_explicit(&r->doorbell, 1, memory_order_seq_cst);
        askr_futex_wake(&r->doorbell, 1);
    }
    (void)atomic_exchange_explicit(&p->control->slab_waiting, 0, memory_order_seq_cst);
    (void)atomic_fetch_add_explicit(&p->control->slab_room, 1, memory_order_seq_cst);
    askr_futex_wake(&p->control->slab_room, UINT32_MAX);
}

/* 1 when the exchange was the dead worker's and has been handed on. */
static int take_from_worker(askr_pool *p, askr_exchange *e, uint32_t worker)
{
    uint64_t word = askr_state_load(e);
    while (askr_word_state(word) == ASKR_EXCHANGE_RUNNING && askr_word_holder(word) == worker) {
        uint32_t flags = askr_word_flags(word) | ASKR_FLAG_REPAIRED;
        uint32_t front = atomic_load_explicit(&e->front, memory_order_relaxed); /* written before RUNNING was */
        int is_orphan = (flags & ASKR_FLAG_ORPHANED) != 0 || front >= p->spec.fronts;
        uint64_t next = is_orphan ? askr_word(askr_word_generation(word), worker, ASKR_EXCHANGE_RUNNING, flags)
                                  : askr_word(askr_word_generation(word), front, ASKR_EXCHANGE_FAILED, flags);
        ASKR_STEP("repair: worker's exchange found");
        if (!askr_state_swap(e, &word, next))
            continue;
        ASKR_STEP("repair: worker's exchange handed on");
        if (is_orphan)
            (void)askr_exchange_release(p, e, next);
        return 1;
    }
    return 0;
}

int askr_pool_repair_worker(askr_pool *p, uint32_t worker)
{
    if (worker >= p->spec.workers)
        return ASKR_EINVAL;
    askr_worker_record *r = &p->workers[worker];
    int changed = 0;
    (void)atomic_fetch_and_explicit(&p->control->sleepers[worker / 64], ~((uint64_t)1 << (worker % 64)),
                                    memory_order_seq_cst);
    int rc = restore_hint(p, atomic_load_explicit(&r->intent, memory_order_seq_cst));
    for (uint32_t i = 0; i < p->spec.exchanges; i++)
        changed += take_from_worker(p, &p->exchanges[i], worker);
    ASKR_STEP("repair: nobody woken");
    wake_everybody(p);
    if (rc != ASKR_OK)
        return rc;
    atomic_store_explicit(&r->intent, 0, memory_order_seq_cst);
    return changed;
}

/* 1 when the exchange was the dead front's and has changed hands. */
static int take_from_front(askr_pool *p, askr_exchange *e, uint32_t front)
{
    uint64_t word = askr_state_load(e);
    for (;;) {
        uint32_t generation = askr_word_generation(word), state = askr_word_state(word),
                 holder = askr_word_holder(word);
        uint32_t flags = askr_word_flags(word) | ASKR_FLAG_REPAIRED;
        if (state == ASKR_EXCHANGE_FREE || state > ASKR_EXCHANGE_FAILED)
            return 0;
        if (state == ASKR_EXCHANGE_RUNNING) {
            /* If `front` belongs to another life than `word`, the swap below fails. */
            if (atomic_load_explicit(&e->front, memory_order_relaxed) != front)
                return 0;
            int is_known = (flags & ASKR_FLAG_ORPHANED) != 0;
            ASKR_STEP("repair: running exchange found");
            if (!is_known &&
                !askr_state_swap(e, &word, askr_word(generation, holder, state, flags | ASKR_FLAG_ORPHANED)))
                continue;
            ASKR_STEP("repair: orphaned, worker not told");
            (void)atomic_fetch_add_explicit(&e->room, 1, memory_order_seq_cst); /* its waker may be the dead one */
            askr_futex_wake(&e->room, 1);
            return !is_known;
        }
        if (holder != front)
            return 0;
        /* FILLING is what nobody but the holder touches; QUEUED is not, and becomes it first. */
        uint64_t mine =
            askr_word(generation, front, state == ASKR_EXCHANGE_QUEUED ? ASKR_EXCHANGE_FILLING : state, flags);
        ASKR_STEP("repair: front's exchange found");
        if (!askr_state_swap(e, &word, mine))
            continue;
        ASKR_STEP("repair: front's exchange claimed");
        return askr_exchange_release(p, e, mine) == ASKR_OK;
    }
}

int askr_pool_repair_front(askr_pool *p, uint32_t front)
{
    if (front >= p->spec.fronts)
        return ASKR_EINVAL;
    askr_front_record *f = &p->fronts[front];
    int changed = 0;
    for (uint32_t i = 0; i < p->spec.exchanges; i++)
        changed += take_from_front(p, &p->exchanges[i], front);
    int rc = restore_hint(p, atomic_load_explicit(&f->submitting, memory_order_seq_cst));
    ASKR_STEP("repair: nobody woken");
    wake_everybody(p);
    if (rc != ASKR_OK)
        return rc;
    atomic_store_explicit(&f->submitting, 0, memory_order_seq_cst);
    return changed;
}
