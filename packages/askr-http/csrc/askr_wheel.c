#include "askr_wheel.h"

#include <string.h>

/*
 * Level n has 64 buckets of 8^n ticks each.  A timer is put on the finest level whose 64 buckets reach as far, into the bucket that ends
 * at or after its time, and stays there: none is moved to a finer level when its time comes closer (the idea is that of
 * Linux's kernel/time/timer.c).  Bucket number b of level n, counted from the clock's zero, fires at tick b * 8^n and lives at b % 64.
 * All that are in use lie within the 64 after `tick`, so the place tells the number.
 */

enum { STEP = 3 }; /* bits per level */

void askr_wheel_init(askr_wheel *w, uint64_t now_mono_ns)
{
    memset(w, 0, sizeof *w);
    w->tick = now_mono_ns >> ASKR_WHEEL_TICK;
}

void askr_wheel_clear(askr_wheel *w, askr_timer *t)
{
    if (t->link == NULL)
        return;
    *t->link = t->next;
    if (t->next != NULL)
        t->next->link = t->link;
    if (w->buckets[t->bucket] == NULL)
        w->used[t->bucket / ASKR_WHEEL_BUCKETS] &= ~(1ull << (t->bucket % ASKR_WHEEL_BUCKETS));
    t->link = NULL;
}

void askr_wheel_set(askr_wheel *w, askr_timer *t, uint64_t at_mono_ns)
{
    const uint64_t last = UINT64_MAX >> ASKR_WHEEL_TICK;
    uint64_t at = at_mono_ns >> ASKR_WHEEL_TICK, away, place;
    uint32_t level = 0, shift = 0;
    askr_wheel_clear(w, t);
    at = at < last ? at + 1 : last;
    if (at <= w->tick)
        at = w->tick + 1;
    away = at - w->tick;
    while (level < ASKR_WHEEL_LEVELS - 1 && away >= 63ull << shift) {
        level++;
        shift += STEP;
    }
    if (away >= 63ull << shift) /* 102 days; it fires early, and whoever set it sets it again */
        at = w->tick + (62ull << shift);
    place = (at + (1ull << shift) - 1) >> shift;
    t->bucket = level * ASKR_WHEEL_BUCKETS + (uint32_t)(place % ASKR_WHEEL_BUCKETS);
    t->fires_mono_ns = (place << shift) << ASKR_WHEEL_TICK;
    t->link = &w->buckets[t->bucket];
    t->next = *t->link;
    if (t->next != NULL)
        t->next->link = &t->next;
    *t->link = t;
    w->used[level] |= 1ull << (place % ASKR_WHEEL_BUCKETS);
}

/* The tick at which the first bucket of a level fires, and its place. */
static uint64_t first_of(const askr_wheel *w, uint32_t level, uint32_t *bucket)
{
    uint64_t used = w->used[level], from = (w->tick >> (STEP * level)) + 1, number;
    uint32_t turn = (uint32_t)(from % ASKR_WHEEL_BUCKETS);
    if (used == 0)
        return UINT64_MAX;
    if (turn != 0)
        used = used >> turn | used << (ASKR_WHEEL_BUCKETS - turn);
    number = from + (uint32_t)__builtin_ctzll(used);
    *bucket = level * ASKR_WHEEL_BUCKETS + (uint32_t)(number % ASKR_WHEEL_BUCKETS);
    return number << (STEP * level);
}

static uint64_t first(const askr_wheel *w, uint32_t *bucket)
{
    uint64_t best = UINT64_MAX;
    for (uint32_t level = 0; level < ASKR_WHEEL_LEVELS; level++) {
        uint32_t candidate = 0;
        uint64_t tick = first_of(w, level, &candidate);
        if (tick < best) {
            best = tick;
            *bucket = candidate;
        }
    }
    return best;
}

uint64_t askr_wheel_next(const askr_wheel *w)
{
    uint32_t bucket = 0;
    uint64_t tick = first(w, &bucket);
    return tick == UINT64_MAX ? UINT64_MAX : tick << ASKR_WHEEL_TICK;
}

void askr_wheel_advance(askr_wheel *w, uint64_t now_mono_ns)
{
    uint64_t now = now_mono_ns >> ASKR_WHEEL_TICK;
    uint32_t bucket = 0;
    if (now <= w->tick)
        return;
    uint64_t due = first(w, &bucket);
    w->tick = now < due ? now : due - 1; /* what is due stays ahead until it is taken */
}

askr_timer *askr_wheel_take(askr_wheel *w, uint64_t now_mono_ns)
{
    uint32_t bucket = 0;
    askr_wheel_advance(w, now_mono_ns);
    if (first(w, &bucket) > now_mono_ns >> ASKR_WHEEL_TICK)
        return NULL;
    askr_timer *t = w->buckets[bucket];
    askr_wheel_clear(w, t);
    return t;
}
