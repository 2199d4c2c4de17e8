#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "../../askr-shm/ctests/testing.h"
#include "askr_mailbox.h"

/* Nothing is lost, doubled or out of order, and a reader that sleeps whenever it is allowed to is always woken (else the alarm rings). */

enum { MANY = 200000, CAPACITY = 64, ROUNDS = 20000 };

typedef struct {
    uint64_t number, check;
    uint8_t rest[24];
} item;

static askr_mailbox *box;

static void *put_many(void *argument)
{
    uint64_t random = 7;
    (void)argument;
    for (uint64_t i = 0; i < MANY;) {
        uint32_t batch = random_next(&random) % 5 + 1;
        while (batch-- > 0 && i < MANY) {
            item it = {.number = i, .check = ~i};
            memset(it.rest, (int)(i & 0xff), sizeof it.rest);
            if (askr_mailbox_put(box, &it) != ASKR_OK)
                break; /* full: the reader has been told of all of them, it will make room */
            i++;
        }
        askr_mailbox_ring(box);
    }
    return NULL;
}

static void a_sleeping_reader_gets_everything_in_order(void)
{
    pthread_t writer;
    uint64_t random = 11, next = 0;
    CHECK_EQUAL(askr_mailbox_create(CAPACITY, sizeof(item), &box), ASKR_OK);
    CHECK_EQUAL(pthread_create(&writer, NULL, put_many, NULL), 0);
    while (next < MANY) {
        item items[9];
        uint32_t cap = random_next(&random) % 9 + 1, n = askr_mailbox_take(box, items, cap);
        for (uint32_t i = 0; i < n; i++, next++) {
            CHECK_EQUAL(items[i].number, next);
            CHECK(items[i].check == ~next);
            CHECK(items[i].rest[0] == (next & 0xff) && items[i].rest[23] == (next & 0xff));
        }
        if (n < cap && next < MANY) {
            struct pollfd bell = {.fd = askr_mailbox_fd(box), .events = POLLIN};
            CHECK_EQUAL(poll(&bell, 1, -1), 1);
        }
    }
    CHECK_EQUAL(pthread_join(writer, NULL), 0);
    item left;
    CHECK_EQUAL(askr_mailbox_take(box, &left, 1), 0);
    askr_mailbox_destroy(box);
}

static int is_ringing(void)
{
    struct pollfd bell = {.fd = askr_mailbox_fd(box), .events = POLLIN};
    return poll(&bell, 1, 0);
}

static _Atomic uint64_t rung, taken;

static void *ring_in_rounds(void *argument)
{
    (void)argument;
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        const item it = {.number = i};
        CHECK_EQUAL(askr_mailbox_put(box, &it), ASKR_OK);
        askr_mailbox_ring(box);
        atomic_store(&rung, i);
        while (atomic_load(&taken) != i)
            (void)sched_yield();
    }
    return NULL;
}

/* A reader that looks without being told may come in the middle of a ring; afterwards the bell must not be left ringing for ever. */
static void a_reader_that_looks_too_early_leaves_no_bell_ringing(void)
{
    pthread_t writer;
    CHECK_EQUAL(askr_mailbox_create(4, sizeof(item), &box), ASKR_OK);
    CHECK_EQUAL(pthread_create(&writer, NULL, ring_in_rounds, NULL), 0);
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        item out;
        while (askr_mailbox_take(box, &out, 1) == 0) {
        }
        CHECK_EQUAL(out.number, i);
        while (atomic_load(&rung) != i)
            CHECK_EQUAL(askr_mailbox_take(box, &out, 1), 0);
        CHECK_EQUAL(askr_mailbox_take(box, &out, 1), 0);
        CHECK(!is_ringing());
        atomic_store(&taken, i);
    }
    CHECK_EQUAL(pthread_join(writer, NULL), 0);
    askr_mailbox_destroy(box);
}

static void a_full_box_refuses_and_keeps_what_it_has(void)
{
    item it = {0}, out[8];
    CHECK_EQUAL(askr_mailbox_create(5, sizeof(item), &box), ASKR_OK); /* rounded up to 8 */
    for (uint64_t i = 0; i < 8; i++) {
        CHECK(!askr_mailbox_is_full(box));
        it.number = i;
        CHECK_EQUAL(askr_mailbox_put(box, &it), ASKR_OK);
    }
    CHECK(askr_mailbox_is_full(box));
    CHECK_EQUAL(askr_mailbox_put(box, &it), ASKR_EFULL);
    CHECK_EQUAL(askr_mailbox_take(box, out, 3), 3);
    CHECK_EQUAL(out[2].number, 2);
    CHECK(!askr_mailbox_is_full(box));
    CHECK_EQUAL(askr_mailbox_take(box, out, 8), 5);
    CHECK_EQUAL(out[4].number, 7);
    askr_mailbox_destroy(box);
}

static void the_bell_rings_once_until_the_reader_looks(void)
{
    item out;
    CHECK_EQUAL(askr_mailbox_create(4, sizeof(item), &box), ASKR_OK);
    CHECK(!is_ringing());
    askr_mailbox_ring(box); /* also without anything in it */
    askr_mailbox_ring(box);
    uint64_t rings;
    CHECK_EQUAL(read(askr_mailbox_fd(box), &rings, sizeof rings), sizeof rings);
    CHECK_EQUAL(rings, 1);
    CHECK_EQUAL(write(askr_mailbox_fd(box), &rings, sizeof rings), sizeof rings);
    CHECK_EQUAL(askr_mailbox_take(box, &out, 1), 0);
    askr_mailbox_ring(box);
    CHECK(is_ringing());
    CHECK_EQUAL(askr_mailbox_take(box, &out, 1), 0);
    CHECK(!is_ringing());
    askr_mailbox_destroy(box);
}

int main(void)
{
    (void)alarm(100);
    a_full_box_refuses_and_keeps_what_it_has();
    the_bell_rings_once_until_the_reader_looks();
    a_sleeping_reader_gets_everything_in_order();
    a_reader_that_looks_too_early_leaves_no_bell_ringing();
    askr_mailbox *none;
    CHECK_EQUAL(askr_mailbox_create(0, 8, &none), ASKR_EINVAL);
    CHECK_EQUAL(askr_mailbox_create(8, 0, &none), ASKR_EINVAL);
    askr_mailbox_destroy(NULL);
    printf("ok\n");
    return 0;
}
