#include "../../askr-shm/ctests/testing.h"
#include "askr_wheel.h"

/*
 * A timer never fires before its time, and at most an eighth of its distance (or 9 ms) after it, whatever is set, moved and cleared in
 * between; and the wheel names the moment of the next one, so that a sleeper is never early and never late.
 */

#define MS 1000000ull

enum { TIMERS = 300 };

typedef struct {
    askr_timer timer;
    uint64_t at, most;
} entry;

static askr_wheel wheel;
static entry entries[TIMERS];

static uint64_t distance(uint64_t *random)
{
    return (uint64_t)(random_next(random) % 1000 + 1) * MS << random_next(random) % 20; /* 1 ms .. 6 days */
}

static void set(entry *e, uint64_t now, uint64_t after)
{
    e->at = now + after;
    e->most = e->at + after / 8 + 9 * MS;
    askr_wheel_set(&wheel, &e->timer, e->at);
}

static uint32_t timers_that_are_set(void)
{
    uint32_t n = 0;
    for (int i = 0; i < TIMERS; i++)
        n += askr_timer_is_set(&entries[i].timer) ? 1 : 0;
    return n;
}

static void every_timer_fires_in_time(void)
{
    uint64_t random = 42, now = 123456789;
    askr_timer *t;
    askr_wheel_init(&wheel, now);
    for (int round = 0; round < 20000; round++) {
        entry *chosen = &entries[random_next(&random) % TIMERS];
        if (random_next(&random) % 8 == 0)
            askr_wheel_clear(&wheel, &chosen->timer);
        else
            set(chosen, now, distance(&random));
        if (random_next(&random) % 3 != 0)
            continue;
        uint64_t next = askr_wheel_next(&wheel);
        CHECK((next == UINT64_MAX) == (timers_that_are_set() == 0));
        if (next == UINT64_MAX)
            continue;
        if (random_next(&random) % 4 == 0) { /* an event wakes the sleeper before the timer */
            now += next > now ? (next - now) / 2 : 0;
            CHECK(askr_wheel_take(&wheel, now) == NULL);
            continue;
        }
        now = next > now ? next : now;
        uint32_t fired = 0;
        while ((t = askr_wheel_take(&wheel, now)) != NULL) {
            entry *e = (entry *)t;
            CHECK(!askr_timer_is_set(t));
            CHECK(e->at <= now && now <= e->most);
            fired++;
        }
        CHECK(fired > 0);
        for (int i = 0; i < TIMERS; i++)
            CHECK(!askr_timer_is_set(&entries[i].timer) || entries[i].timer.fires_mono_ns > now);
    }
}

static void an_empty_wheel_has_no_next_timer(void)
{
    askr_wheel_init(&wheel, 0);
    memset(entries, 0, sizeof entries);
    CHECK(askr_wheel_next(&wheel) == UINT64_MAX);
    CHECK(askr_wheel_take(&wheel, UINT64_MAX) == NULL);
    askr_wheel_clear(&wheel, &entries[0].timer);
}

static void a_timer_that_was_moved_fires_once(void)
{
    askr_wheel_init(&wheel, 0);
    memset(entries, 0, sizeof entries);
    set(&entries[0], 0, 10 * MS);
    set(&entries[0], 0, 90000 * MS);
    CHECK(askr_wheel_take(&wheel, 1000 * MS) == NULL);
    CHECK(askr_wheel_take(&wheel, 120000 * MS) == &entries[0].timer);
    CHECK(askr_wheel_take(&wheel, 120000 * MS) == NULL);
}

static void timers_that_lie_together_fire_together(void)
{
    askr_wheel_init(&wheel, 0);
    memset(entries, 0, sizeof entries);
    for (int i = 0; i < TIMERS; i++) /* 75 s away, set over 600 ms */
        set(&entries[i], (uint64_t)i * 2 * MS, 75000 * MS);
    uint32_t moments = 0;
    for (uint64_t next; (next = askr_wheel_next(&wheel)) != UINT64_MAX; moments++)
        while (askr_wheel_take(&wheel, next) != NULL) {
        }
    CHECK(moments <= 2);
}

static void a_long_sleep_makes_no_timer_late(void)
{
    askr_wheel_init(&wheel, 0);
    memset(entries, 0, sizeof entries);
    set(&entries[0], 0, 60000 * MS); /* due while nobody looks */
    uint64_t now = 10000000 * MS;
    askr_wheel_advance(&wheel, now);
    set(&entries[1], now, 15000 * MS);
    CHECK(askr_wheel_take(&wheel, now) == &entries[0].timer);
    CHECK(askr_wheel_take(&wheel, now) == NULL);
    set(&entries[2], now, 15000 * MS);
    CHECK(entries[2].timer.fires_mono_ns <= entries[2].most);
    askr_wheel_clear(&wheel, &entries[1].timer);
    CHECK(askr_wheel_take(&wheel, entries[2].at - 1) == NULL);
    CHECK(askr_wheel_take(&wheel, entries[2].most) == &entries[2].timer);
    now = 30000000 * MS; /* and with none at all */
    askr_wheel_advance(&wheel, now);
    set(&entries[3], now, 15000 * MS);
    CHECK(entries[3].timer.fires_mono_ns <= entries[3].most);
}

static void a_time_beyond_the_wheel_is_no_time_without_end(void)
{
    askr_wheel_init(&wheel, 5 * MS);
    memset(entries, 0, sizeof entries);
    askr_wheel_set(&wheel, &entries[0].timer, UINT64_MAX);
    askr_wheel_set(&wheel, &entries[1].timer, 0);
    uint64_t next = askr_wheel_next(&wheel);
    CHECK(next < 20 * MS);
    CHECK(askr_wheel_take(&wheel, next) == &entries[1].timer);
    CHECK(askr_wheel_next(&wheel) != UINT64_MAX);
    CHECK(askr_wheel_take(&wheel, askr_wheel_next(&wheel)) == &entries[0].timer);
}

int main(void)
{
    every_timer_fires_in_time();
    an_empty_wheel_has_no_next_timer();
    a_timer_that_was_moved_fires_once();
    timers_that_lie_together_fire_together();
    a_long_sleep_makes_no_timer_late();
    a_time_beyond_the_wheel_is_no_time_without_end();
    printf("ok\n");
    return 0;
}
