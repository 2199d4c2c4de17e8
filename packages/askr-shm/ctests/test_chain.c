#include <pthread.h>
#include <sched.h>

#include "askr_chain.h"
#include "testing.h"

enum { OWNER = 9, TOTAL = 200000 };

typedef struct {
    guarded slab_memory, chain_memory;
    askr_slab *slab;
    askr_chain *chain;
    uint32_t hint;
    askr_chain_place place;
} fixture;

static void set_up(fixture *f, uint32_t blocks, uint32_t window)
{
    memset(f, 0, sizeof *f);
    f->slab_memory = guarded_new(askr_slab_sizeof(blocks, 64), 4096);
    CHECK_EQUAL(askr_slab_init(f->slab_memory.mem, blocks, 64), ASKR_OK);
    f->slab = (askr_slab *)(void *)f->slab_memory.mem;
    f->chain_memory = guarded_new(askr_chain_sizeof(), 64);
    f->chain = (askr_chain *)(void *)f->chain_memory.mem;
    askr_chain_reset(f->chain);
    f->place = (askr_chain_place){.slab = f->slab, .owner = OWNER, .limit = blocks, .window = window, .hint = &f->hint};
}

static void tear_down(fixture *f)
{
    askr_chain_release(f->chain, f->slab, OWNER);
    CHECK_EQUAL(askr_slab_used(f->slab), 0);
    guarded_free(f->slab_memory);
    guarded_free(f->chain_memory);
}

static uint8_t pattern(uint64_t at)
{
    return (uint8_t)(at * 13 + at / 253);
}

static void test_bytes_come_out_as_they_went_in_however_they_were_cut(void)
{
    uint64_t random = 3;
    for (int round = 0; round < 200; round++) {
        fixture f;
        uint64_t in = 0, out = 0, published = 0;
        uint8_t buf[300];
        set_up(&f, 16, 8);
        for (int i = 0; i < 100; i++) {
            size_t n = random_next(&random) % sizeof buf;
            if (random_next(&random) % 2) {
                for (size_t k = 0; k < n; k++)
                    buf[k] = pattern(in + k);
                int64_t done = askr_chain_append(f.chain, &f.place, buf, n);
                CHECK(done >= 0 || done == ASKR_EAGAIN);
                in += done > 0 ? (uint64_t)done : 0;
                CHECK_EQUAL(askr_chain_appended(f.chain), in);
                if (random_next(&random) % 2)
                    CHECK_EQUAL(published = askr_chain_publish(f.chain), in);
            } else {
                CHECK_EQUAL(askr_chain_readable(f.chain), published - out);
                int64_t got = askr_chain_read(f.chain, f.slab, OWNER, buf, n, NULL);
                CHECK_EQUAL(got, n < published - out ? n : published - out);
                for (int64_t k = 0; k < got; k++)
                    CHECK_EQUAL(buf[k], pattern(out + (uint64_t)k));
                out += (uint64_t)got;
            }
            CHECK(askr_slab_used(f.slab) <= 8);
        }
        tear_down(&f);
    }
}

static void test_the_window_and_the_slab_bound_the_producer(void)
{
    fixture f;
    uint8_t buf[64 * 20] = {0};
    uint32_t freed, block;
    set_up(&f, 16, 4);
    CHECK_EQUAL(askr_chain_append(f.chain, &f.place, buf, sizeof buf), 64 * 4);
    CHECK_EQUAL(askr_chain_append(f.chain, &f.place, buf, 1), ASKR_EAGAIN);
    (void)askr_chain_publish(f.chain);
    CHECK_EQUAL(askr_chain_read(f.chain, f.slab, OWNER, buf, 64, &freed), 64);
    CHECK_EQUAL(freed, 0); /* the block is given back when the next one is begun */
    CHECK_EQUAL(askr_chain_read(f.chain, f.slab, OWNER, buf, 1, &freed), 1);
    CHECK_EQUAL(freed, 1);
    CHECK_EQUAL(askr_chain_append(f.chain, &f.place, buf, sizeof buf), 64);
    while (askr_slab_take(f.slab, 1, NULL, &block) == ASKR_OK) {
    }
    CHECK_EQUAL(askr_chain_append(f.chain, &f.place, buf, 1), ASKR_EAGAIN);
    f.place.window = 5;
    CHECK_EQUAL(askr_chain_append(f.chain, &f.place, buf, 1), ASKR_EFULL);
    CHECK_EQUAL(askr_slab_sweep(f.slab, 1), 12);
    tear_down(&f);
}

static void test_an_append_of_the_whole_leaves_nothing_when_it_does_not_fit(void)
{
    fixture f;
    uint8_t buf[64 * 9], got[sizeof buf];
    for (size_t i = 0; i < sizeof buf; i++)
        buf[i] = pattern(i);
    set_up(&f, 8, 1);
    CHECK_EQUAL(askr_chain_append_whole(f.chain, &f.place, buf, sizeof buf), ASKR_EFULL);
    CHECK_EQUAL(askr_slab_used(f.slab), 0);
    CHECK_EQUAL(askr_chain_append_whole(f.chain, &f.place, buf, 100), ASKR_OK);
    CHECK_EQUAL(askr_chain_append_whole(f.chain, &f.place, buf, sizeof buf - 64), ASKR_EFULL);
    CHECK_EQUAL(askr_slab_used(f.slab), 2);
    CHECK_EQUAL(askr_chain_append_whole(f.chain, &f.place, buf + 100, 64 * 8 - 100), ASKR_OK);
    (void)askr_chain_publish(f.chain);
    CHECK_EQUAL(askr_chain_read(f.chain, f.slab, OWNER, got, sizeof got, NULL), 64 * 8);
    CHECK(memcmp(got, buf, 64 * 8) == 0);
    tear_down(&f);
}

static void test_a_scribbled_chain_neither_faults_nor_hangs_nor_takes_others_blocks(void)
{
    uint64_t random = 11;
    for (int round = 0; round < 2000; round++) {
        fixture f;
        uint8_t buf[64 * 6] = {0};
        uint32_t foreign;
        set_up(&f, 16, 8);
        CHECK_EQUAL(askr_slab_take(f.slab, 1, NULL, &foreign), ASKR_OK);
        CHECK_EQUAL(askr_chain_append(f.chain, &f.place, buf, sizeof buf), sizeof buf);
        (void)askr_chain_publish(f.chain);
        if (round % 2)
            CHECK_EQUAL(askr_chain_read(f.chain, f.slab, OWNER, buf, 100, NULL), 100);
        for (int i = 0; i < 4; i++) {
            uint32_t wild = random_next(&random);
            if (wild % 3 == 0)
                askr_slab_link_set(f.slab, wild / 3 % 16, wild / 48 % 20);
            else
                f.chain_memory.mem[wild / 3 % askr_chain_sizeof()] = (uint8_t)(wild >> 24);
        }
        (void)askr_chain_read(f.chain, f.slab, OWNER, buf, sizeof buf, NULL);
        (void)askr_chain_append(f.chain, &f.place, buf, 100);
        (void)askr_chain_read(f.chain, f.slab, OWNER, buf, sizeof buf, NULL);
        askr_chain_release(f.chain, f.slab, OWNER);
        (void)askr_slab_sweep(f.slab, OWNER);
        CHECK_EQUAL(askr_slab_used(f.slab), 1);
        CHECK_EQUAL(askr_slab_owner(f.slab, foreign), 1);
        askr_slab_free(f.slab, foreign);
        guarded_free(f.slab_memory);
        guarded_free(f.chain_memory);
    }
}

static void *produce(void *argument)
{
    fixture *f = argument;
    uint64_t random = 5, in = 0;
    uint8_t buf[200];
    while (in < TOTAL) {
        size_t n = 1 + random_next(&random) % sizeof buf;
        if (n > TOTAL - in)
            n = (size_t)(TOTAL - in);
        for (size_t k = 0; k < n; k++)
            buf[k] = pattern(in + k);
        int64_t done = askr_chain_append(f->chain, &f->place, buf, n);
        if (done > 0)
            in += (uint64_t)done;
        else
            CHECK_EQUAL(done, ASKR_EAGAIN);
        (void)askr_chain_publish(f->chain);
        if (done < 0)
            (void)sched_yield();
    }
    return NULL;
}

static void test_a_producer_and_a_consumer_at_the_same_time(void)
{
    fixture f;
    pthread_t producer;
    uint64_t out = 0, random = 6;
    uint8_t buf[300];
    set_up(&f, 6, 4);
    CHECK_EQUAL(pthread_create(&producer, NULL, produce, &f), 0);
    while (out < TOTAL) {
        int64_t got = askr_chain_read(f.chain, f.slab, OWNER, buf, 1 + random_next(&random) % sizeof buf, NULL);
        CHECK(got >= 0);
        for (int64_t k = 0; k < got; k++)
            CHECK_EQUAL(buf[k], pattern(out + (uint64_t)k));
        out += (uint64_t)got;
        if (got == 0)
            (void)sched_yield();
    }
    CHECK_EQUAL(pthread_join(producer, NULL), 0);
    tear_down(&f);
}

int main(void)
{
    test_bytes_come_out_as_they_went_in_however_they_were_cut();
    test_the_window_and_the_slab_bound_the_producer();
    test_an_append_of_the_whole_leaves_nothing_when_it_does_not_fit();
    test_a_scribbled_chain_neither_faults_nor_hangs_nor_takes_others_blocks();
    test_a_producer_and_a_consumer_at_the_same_time();
    printf("ok\n");
    return 0;
}
