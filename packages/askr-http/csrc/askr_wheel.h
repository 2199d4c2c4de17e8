#ifndef ASKR_WHEEL_H
#define ASKR_WHEEL_H

#include "askr_base.h"

/*
 * A timer wheel for deadlines that are moved often and seldom reached.
 *
 * A timer fires at its time or later, by at most an eighth of how far away it was (4 ms at least): one that is 75 s away
 * fires within the next 2 s.  So nothing has to be sorted again as time passes, deadlines that lie together fire together, and the next one
 * is known exactly: who has nothing else to do sleeps until then.
 *
 * Ownership: timers are parts of the caller's records; the wheel links them.
 * Threads:   one.
 */
typedef struct askr_timer askr_timer;

struct askr_timer {
    askr_timer *next;
    askr_timer **link; /* what points to this one; NULL: it is not set */
    uint64_t fires_mono_ns;
    uint32_t bucket;
};

#define ASKR_WHEEL_LEVELS  8
#define ASKR_WHEEL_BUCKETS 64
#define ASKR_WHEEL_TICK    22 /* bits: 4.2 ms */

typedef struct {
    uint64_t tick; /* everything up to here has fired */
    uint64_t used[ASKR_WHEEL_LEVELS];
    askr_timer *buckets[ASKR_WHEEL_LEVELS * ASKR_WHEEL_BUCKETS];
} askr_wheel;

void askr_wheel_init(askr_wheel *w, uint64_t now_mono_ns);
static inline int askr_timer_is_set(const askr_timer *t)
{
    return t->link != NULL;
}
/* Lets it fire at at_mono_ns; one that is set already is moved. */
void askr_wheel_set(askr_wheel *w, askr_timer *t, uint64_t at_mono_ns);
void askr_wheel_clear(askr_wheel *w, askr_timer *t);
/* Time has passed: called before timers are set, because how exactly one is placed depends on how far away it is. */
void askr_wheel_advance(askr_wheel *w, uint64_t now_mono_ns);
/* When the next timer fires; UINT64_MAX: there is none. */
uint64_t askr_wheel_next(const askr_wheel *w);
/* Takes a timer that has fired, NULL when no other has. */
askr_timer *askr_wheel_take(askr_wheel *w, uint64_t now_mono_ns);

#endif
