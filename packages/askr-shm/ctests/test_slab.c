#include <pthread.h>

#include "askr_slab.h"
#include "testing.h"

enum { THREADS = 4, ROUNDS = 5000 };

static askr_slab *slab_new(guarded *g, uint32_t count)
{
    *g = guarded_new(askr_slab_sizeof(count, 64), 4096);
    CHECK_EQUAL(askr_slab_init(g->mem, count, 64), ASKR_OK);
    return (askr_slab *)(void *)g->mem;
}

static void test_sizes_are_checked(void)
{
    CHECK_EQUAL(askr_slab_sizeof(0, 64), 0);
    CHECK_EQUAL(askr_slab_sizeof(1, 63), 0);
    CHECK_EQUAL(askr_slab_sizeof(1, 0), 0);
    CHECK_EQUAL(askr_slab_sizeof(1048577, 64), 0);
    CHECK(askr_slab_sizeof(1048576, 1 << 24) > (size_t)1 << 43);
}

static void test_all_blocks_are_given_out_once_and_the_last_byte_is_usable(void)
{
    guarded g;
    askr_slab *s = slab_new(&g, 100);
    uint32_t block, hint = 95;
    uint8_t seen[100] = {0};
    for (uint32_t i = 0; i < 100; i++) {
        CHECK_EQUAL(askr_slab_take(s, i + 1, &hint, &block), ASKR_OK);
        CHECK(block < 100 && !seen[block]++);
        CHECK_EQUAL(askr_slab_owner(s, block), i + 1);
        memset(askr_slab_data(s, block), 0xff, 64);
    }
    CHECK_EQUAL(askr_slab_used(s), 100);
    CHECK_EQUAL(askr_slab_take(s, 1, &hint, &block), ASKR_EFULL);
    for (uint32_t i = 0; i < 100; i++)
        askr_slab_free(s, i);
    CHECK_EQUAL(askr_slab_used(s), 0);
    CHECK_EQUAL(askr_slab_take(s, 0, NULL, &block), ASKR_EINVAL);
    guarded_free(g);
}

static void test_a_limit_leaves_the_rest_to_others(void)
{
    guarded g;
    askr_slab *s = slab_new(&g, 8);
    uint32_t block, hint = 7;
    for (int i = 0; i < 6; i++) {
        CHECK_EQUAL(askr_slab_take_below(s, 6, 1, &hint, &block), ASKR_OK);
        CHECK(block < 6);
    }
    CHECK_EQUAL(askr_slab_take_below(s, 6, 1, &hint, &block), ASKR_EFULL);
    CHECK_EQUAL(askr_slab_take(s, 2, &hint, &block), ASKR_OK);
    CHECK(block >= 6);
    guarded_free(g);
}

static void test_a_sweep_finds_all_blocks_of_an_owner_and_no_others(void)
{
    guarded g;
    askr_slab *s = slab_new(&g, 30);
    uint32_t block;
    for (uint32_t i = 0; i < 30; i++)
        CHECK_EQUAL(askr_slab_take(s, 1 + i % 3, NULL, &block), ASKR_OK);
    CHECK_EQUAL(askr_slab_sweep(s, 2), 10);
    CHECK_EQUAL(askr_slab_sweep(s, 2), 0);
    CHECK_EQUAL(askr_slab_sweep(s, 0), 0);
    CHECK_EQUAL(askr_slab_used(s), 20);
    guarded_free(g);
}

static void test_what_does_not_exist_is_not_touched(void)
{
    guarded g;
    askr_slab *s = slab_new(&g, 4);
    uint32_t block;
    CHECK(askr_slab_data(s, 4) == NULL);
    CHECK_EQUAL(askr_slab_link(s, ASKR_BLOCK_NONE), ASKR_BLOCK_NONE);
    CHECK_EQUAL(askr_slab_owner(s, 4), 0);
    askr_slab_free(s, 4);
    askr_slab_link_set(s, 4, 1);
    for (size_t at = 0; at < 16; at += 4) { /* a header that something wrote over is a slab without blocks */
        uint32_t before, wild = 0x7fffffff;
        memcpy(&before, g.mem + at, 4);
        memcpy(g.mem + at, &wild, 4);
        CHECK_EQUAL(askr_slab_count(s), 0);
        CHECK_EQUAL(askr_slab_take(s, 1, NULL, &block), ASKR_EFULL);
        CHECK(askr_slab_data(s, 0) == NULL);
        CHECK_EQUAL(askr_slab_sweep(s, 1), 0);
        memcpy(g.mem + at, &before, 4);
    }
    CHECK_EQUAL(askr_slab_count(s), 4);
    guarded_free(g);
}

static askr_slab *crowded;

/* Who has a block is alone in it: plain writes that Thread Sanitizer would see racing. */
static void *use(void *argument)
{
    uint32_t owner = *(uint32_t *)argument, hint = 0, block;
    for (int i = 0; i < ROUNDS; i++) {
        if (askr_slab_take(crowded, owner, &hint, &block) != ASKR_OK)
            continue;
        uint8_t *data = askr_slab_data(crowded, block);
        memset(data, (int)owner, 64);
        for (int k = 0; k < 64; k++)
            CHECK_EQUAL(data[k], owner);
        if (i % 7 == 0)
            CHECK(askr_slab_sweep(crowded, owner) >= 1);
        else
            askr_slab_free(crowded, block);
    }
    return NULL;
}

static void test_a_block_has_one_owner_at_a_time(void)
{
    guarded g;
    pthread_t threads[THREADS];
    uint32_t owners[THREADS];
    crowded = slab_new(&g, 3);
    for (uint32_t i = 0; i < THREADS; i++) {
        owners[i] = i + 1;
        CHECK_EQUAL(pthread_create(&threads[i], NULL, use, &owners[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK_EQUAL(pthread_join(threads[i], NULL), 0);
    CHECK_EQUAL(askr_slab_used(crowded), 0);
    guarded_free(g);
}

int main(void)
{
    test_sizes_are_checked();
    test_all_blocks_are_given_out_once_and_the_last_byte_is_usable();
    test_a_limit_leaves_the_rest_to_others();
    test_a_sweep_finds_all_blocks_of_an_owner_and_no_others();
    test_what_does_not_exist_is_not_touched();
    test_a_block_has_one_owner_at_a_time();
    printf("ok\n");
    return 0;
}
