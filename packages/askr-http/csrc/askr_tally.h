#ifndef ASKR_TALLY_H
#define ASKR_TALLY_H

#include <stdatomic.h>

#include "askr_wire.h"

/*
 * The counters of a wire: one writer, the wire's thread; any thread may read.
 *
 * [order-tally-1] Relaxed: each counter is a fact of its own, nothing is concluded from two of them, and with one writer an addition needs
 * no locked instruction.
 */
typedef struct {
    _Atomic uint64_t accepted, turned_away, open, away, handed_over, requests, responses[6], body_bytes, timeouts,
        accept_pauses, held_bytes, log_dropped, turns, spool_failures;
} askr_tally;

static inline void askr_tally_set(_Atomic uint64_t *counter, uint64_t value)
{
    atomic_store_explicit(counter, value, memory_order_relaxed);
}
static inline void askr_tally_add(_Atomic uint64_t *counter, uint64_t n)
{
    askr_tally_set(counter, atomic_load_explicit(counter, memory_order_relaxed) + n);
}
void askr_tally_read(const askr_tally *t, askr_wire_counters *out);

#endif
