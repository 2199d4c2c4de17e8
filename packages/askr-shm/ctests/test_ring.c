#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "askr_ring.h"
#include "testing.h"

enum { PRODUCERS = 3, CONSUMERS = 3, EACH = 20000 };

static askr_ring *ring_new(guarded *g, uint32_t capacity)
{
    *g = guarded_new(askr_ring_sizeof(capacity), 64);
    CHECK_EQUAL(askr_ring_init(g->mem, capacity), ASKR_OK);
    return (askr_ring *)(void *)g->mem;
}

static void test_a_capacity_is_a_power_of_two(void)
{
    const uint32_t bad[] = {0, 1, 3, 6, 65535, 131072};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_EQUAL(askr_ring_sizeof(bad[i]), 0);
    CHECK_EQUAL(askr_ring_sizeof(2), 192 + 16);
    CHECK_EQUAL(askr_ring_sizeof(65536), 192 + 8 * 65536);
}

static void test_values_come_out_in_order_and_full_and_empty_are_exact(void)
{
    for (uint32_t capacity = 2; capacity <= 64; capacity *= 2) {
        guarded g;
        askr_ring *r = ring_new(&g, capacity);
        uint32_t value, in = 0, out = 0;
        uint64_t random = 42;
        for (int i = 0; i < 20000; i++) {
            if (random_next(&random) % 2 == 0) {
                CHECK_EQUAL(askr_ring_push(r, in), in - out == capacity ? ASKR_EFULL : ASKR_OK);
                in += in - out < capacity;
            } else {
                CHECK_EQUAL(askr_ring_pop(r, &value, NULL), in == out ? ASKR_EAGAIN : ASKR_OK);
                if (in != out)
                    CHECK_EQUAL(value, out++);
            }
            CHECK_EQUAL(askr_ring_depth(r), in - out);
        }
        guarded_free(g);
    }
}

static void test_every_value_of_32_bits_passes(void)
{
    const uint32_t values[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff};
    guarded g;
    askr_ring *r = ring_new(&g, 4);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        uint32_t value = 5, intent = 0;
        CHECK_EQUAL(askr_ring_push(r, values[i]), ASKR_OK);
        CHECK_EQUAL(askr_ring_pop(r, &value, &intent), ASKR_OK);
        CHECK(value == values[i]);
        CHECK(intent == values[i] + 1);
        CHECK_EQUAL(askr_ring_pop(r, &value, &intent), ASKR_EAGAIN);
    }
    guarded_free(g);
}

#ifdef ASKR_STEPS
/* A process is killed at each step of a push and a pop; the ring is whole, and the value is in it once or not at all. */
static void test_a_kill_leaves_the_ring_whole(void)
{
    for (uint32_t before = 0; before <= 4; before++) {
        for (int is_push = 0; is_push < 2; is_push++) {
            int is_dead = 1;
            for (uint32_t step = 1; is_dead; step++) {
                guarded g;
                askr_ring *r = ring_new(&g, 4);
                for (uint32_t i = 0; i < before; i++)
                    CHECK_EQUAL(askr_ring_push(r, i), ASKR_OK);
                pid_t pid = fork();
                if (pid == 0) {
                    uint32_t value;
                    askr_step_count = 0;
                    askr_step_target = step;
                    (void)(is_push ? askr_ring_push(r, before) : askr_ring_pop(r, &value, NULL));
                    _exit(0);
                }
                is_dead = wait_is_dead(pid);
                uint32_t value, first = UINT32_MAX, count = 0, last = 0;
                while (askr_ring_pop(r, &value, NULL) == ASKR_OK) {
                    CHECK(count == 0 || value == last + 1);
                    first = count++ == 0 ? value : first;
                    last = value;
                }
                CHECK(count == before || count == (is_push ? before + 1 : before - 1));
                CHECK(count == 0 || first == before - (is_push ? before : count));
                for (uint32_t i = 0; i < 4; i++) /* and it still holds exactly four */
                    CHECK_EQUAL(askr_ring_push(r, i), ASKR_OK);
                CHECK_EQUAL(askr_ring_push(r, 4), ASKR_EFULL);
                guarded_free(g);
            }
        }
    }
}
#endif

static void test_a_scribbled_ring_neither_faults_nor_hangs(void)
{
    uint64_t random = 7;
    for (int round = 0; round < 100; round++) {
        guarded g;
        askr_ring *r = ring_new(&g, 8);
        uint32_t value;
        for (uint32_t i = 0; i < 5; i++)
            CHECK_EQUAL(askr_ring_push(r, i), ASKR_OK);
        size_t size = askr_ring_sizeof(8), from = round % 3 == 0 ? 0 : random_next(&random) % size;
        for (size_t i = from; i < size && i < from + 16; i++)
            g.mem[i] = round % 2 ? 0 : (uint8_t)random_next(&random);
        for (int i = 0; i < 20; i++) {
            (void)askr_ring_push(r, 1);
            (void)askr_ring_pop(r, &value, NULL);
            (void)askr_ring_depth(r);
        }
        guarded_free(g);
    }
}

/* ---- threads: each value arrives once ---- */
static askr_ring *crowded;
static _Atomic uint32_t arrived[PRODUCERS * EACH];
static _Atomic uint32_t total;

static void *produce(void *argument)
{
    uint32_t from = *(uint32_t *)argument * EACH;
    for (uint32_t i = 0; i < EACH; i++) {
        while (askr_ring_push(crowded, from + i) != ASKR_OK)
            (void)sched_yield();
    }
    return NULL;
}

static void *consume(void *argument)
{
    uint32_t last[PRODUCERS] = {0}, value;
    (void)argument;
    while (atomic_load(&total) < PRODUCERS * EACH) {
        if (askr_ring_pop(crowded, &value, NULL) != ASKR_OK) {
            (void)sched_yield();
            continue;
        }
        CHECK(value < PRODUCERS * EACH);
        CHECK_EQUAL(atomic_fetch_add(&arrived[value], 1), 0);
        CHECK(last[value / EACH] <= value % EACH); /* one producer's values stay in order */
        last[value / EACH] = value % EACH;
        atomic_fetch_add(&total, 1);
    }
    return NULL;
}

static void test_each_value_arrives_once_between_threads(void)
{
    guarded g;
    pthread_t threads[PRODUCERS + CONSUMERS];
    uint32_t numbers[PRODUCERS];
    crowded = ring_new(&g, 16);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        numbers[i] = i;
        CHECK_EQUAL(pthread_create(&threads[i], NULL, produce, &numbers[i]), 0);
    }
    for (int i = 0; i < CONSUMERS; i++)
        CHECK_EQUAL(pthread_create(&threads[PRODUCERS + i], NULL, consume, NULL), 0);
    for (int i = 0; i < PRODUCERS + CONSUMERS; i++)
        CHECK_EQUAL(pthread_join(threads[i], NULL), 0);
    CHECK_EQUAL(askr_ring_depth(crowded), 0);
    guarded_free(g);
}

int main(void)
{
    test_a_capacity_is_a_power_of_two();
    test_values_come_out_in_order_and_full_and_empty_are_exact();
    test_every_value_of_32_bits_passes();
#ifdef ASKR_STEPS
    test_a_kill_leaves_the_ring_whole();
#endif
    test_a_scribbled_ring_neither_faults_nor_hangs();
    test_each_value_arrives_once_between_threads();
    printf("ok\n");
    return 0;
}
