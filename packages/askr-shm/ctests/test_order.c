#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "askr_pool_layout.h"
#include "testing.h"

/*
 * ctest-skip: tsan (one thread, and processes, which it cannot see)
 *
 * The interleavings that the [order-*] paragraphs argue about, each made to happen: when the party under test passes a
 * labelled step, the other parties' work is done in the hook.  A wrong order shows as a wait without
 * end, which the alarm turns into a failure.
 */

static askr_pool *pool, *other; /* the party under test, and the one in the hook */
static int eventfds[2];
static const char *awaited; /* the step at which `interfere` runs once */
static void (*interfere)(void);
static int interfered;

static void hook(const char *label)
{
    if (awaited != NULL && strcmp(label, awaited) == 0) {
        awaited = NULL;
        interfered++;
        interfere();
    }
}

static void at_step(const char *label, void (*action)(void))
{
    awaited = label;
    interfere = action;
    interfered = 0;
}

static askr_xid submitted;

static void submit_as(uint32_t front)
{
    const uint8_t head[] = "head";
    CHECK_EQUAL(askr_front_open(other, front, &submitted), ASKR_OK);
    CHECK_EQUAL(askr_front_write(other, submitted, head, sizeof head), ASKR_OK);
    CHECK_EQUAL(askr_front_submit(other, submitted, sizeof head, 0, 0, 0), ASKR_OK);
}

static void submit_one(void)
{
    submit_as(0);
}

static void check_empty(void)
{
    askr_pool_audit_view audit;
    CHECK_EQUAL(askr_pool_audit(pool, &audit), ASKR_OK);
    CHECK_EQUAL(audit.exchanges[ASKR_EXCHANGE_FREE], 4);
    CHECK_EQUAL(audit.blocks_used, 0);
}

/* [order-wake-1] a request that arrives between a worker's look and its announcement */
static void test_a_request_before_the_announcement_is_found_by_the_second_look(void)
{
    askr_xid x;
    at_step("take: nothing found, not announced", submit_one);
    CHECK_EQUAL(askr_worker_take(pool, 0, -1, &x), ASKR_OK);
    CHECK(interfered == 1 && x == submitted);
    CHECK_EQUAL(askr_worker_finish(pool, 0, x, 0), ASKR_OK);
    CHECK_EQUAL(askr_front_release(other, x), ASKR_OK);
}

/* [order-wake-2] and one that arrives after the announcement */
static void test_a_request_after_the_announcement_keeps_the_worker_awake(void)
{
    const char *steps[] = {"take: announced", "take: nothing found again, not asleep"};
    for (int i = 0; i < 2; i++) {
        askr_xid x;
        at_step(steps[i], submit_one);
        CHECK_EQUAL(askr_worker_take(pool, 0, -1, &x), ASKR_OK);
        CHECK(interfered == 1 && x == submitted);
        CHECK_EQUAL(askr_worker_finish(pool, 0, x, 0), ASKR_OK);
        CHECK_EQUAL(askr_front_release(other, x), ASKR_OK);
    }
}

static pid_t start_sleeping_worker(uint32_t worker, int how_many)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        askr_xid x;
        awaited = NULL;
        for (int i = 0; i < how_many; i++) {
            CHECK_EQUAL(askr_worker_take(pool, worker, -1, &x), ASKR_OK);
            CHECK_EQUAL(askr_worker_finish(pool, worker, x, 0), ASKR_OK);
        }
        _exit(0);
    }
    while ((atomic_load(&pool->control->sleepers[0]) >> worker & 1) == 0) {
    }
    return pid;
}

static void drain_and_submit(void)
{
    CHECK_EQUAL(askr_worker_command(other, 0, ASKR_COMMAND_DRAIN), ASKR_OK);
    submit_one(); /* takes worker 0's announcement, the lowest */
}

/* [order-take-1] a worker that was woken and leaves passes the wake-up on */
static void test_a_worker_that_leaves_passes_its_wake_up_on(void)
{
    askr_xid x;
    pid_t pid = start_sleeping_worker(1, 1);
    at_step("take: announced", drain_and_submit);
    CHECK_EQUAL(askr_worker_take(pool, 0, -1, &x), ASKR_ECANCELED);
    CHECK_EQUAL(interfered, 1);
    CHECK_EQUAL(wait_is_dead(pid), 0);
    CHECK_EQUAL(askr_front_release(other, submitted), ASKR_OK);
    CHECK_EQUAL(askr_worker_clear(pool, 0), ASKR_OK);
}

/* A front that is killed with a worker's announcement in its hand leaves a sleeper that nobody knows. */
static void test_repair_wakes_a_worker_whose_waker_was_killed(void)
{
    pid_t worker = start_sleeping_worker(1, 1);
    pid_t front = fork();
    CHECK(front >= 0);
    if (front == 0) {
        at_step("wake: sleeper taken, doorbell not rung", NULL);
        interfere = abort;
        (void)signal(SIGABRT, SIG_DFL);
        (void)freopen("/dev/null", "w", stderr);
        submit_as(1);
        _exit(0);
    }
    CHECK_EQUAL(wait_is_dead(front), 1);
    CHECK_EQUAL(atomic_load(&pool->control->sleepers[0]), 0);
    CHECK_EQUAL(askr_pool_repair_front(pool, 1), 1);
    submit_one();
    CHECK_EQUAL(wait_is_dead(worker), 0);
    CHECK_EQUAL(askr_front_release(other, submitted), ASKR_OK);
}

static void finish_submitted(void)
{
    CHECK_EQUAL(askr_worker_finish(other, 0, submitted, 0), ASKR_OK);
}

/* [order-wake-1] for fronts */
static void test_news_before_the_announcement_are_found_by_the_second_look(void)
{
    askr_xid x;
    submit_one();
    CHECK_EQUAL(askr_worker_take(pool, 0, 0, &x), ASKR_OK);
    at_step("next: nothing found, not announced", finish_submitted);
    CHECK_EQUAL(askr_front_next(pool, 0, &x), ASKR_OK);
    CHECK(interfered == 1 && x == submitted);
    CHECK_EQUAL(askr_front_next(pool, 0, &x), ASKR_EAGAIN);
    CHECK_EQUAL(askr_front_release(pool, submitted), ASKR_OK);
}

static void test_news_after_the_announcement_write_the_eventfd(void)
{
    struct pollfd bell = {.fd = eventfds[0], .events = POLLIN};
    askr_xid x;
    submit_one();
    CHECK_EQUAL(askr_worker_take(pool, 0, 0, &x), ASKR_OK);
    CHECK_EQUAL(askr_front_next(pool, 0, &x), ASKR_EAGAIN);
    CHECK_EQUAL(poll(&bell, 1, 0), 0);
    CHECK_EQUAL(askr_worker_finish(other, 0, submitted, 0), ASKR_OK);
    CHECK_EQUAL(poll(&bell, 1, 0), 1);
    CHECK_EQUAL(askr_front_next(pool, 0, &x), ASKR_OK);
    CHECK_EQUAL(poll(&bell, 1, 0), 0); /* read, so a loop that waits for it does not spin */
    CHECK_EQUAL(askr_front_next(pool, 0, &x), ASKR_EAGAIN);
    CHECK_EQUAL(askr_front_release(pool, submitted), ASKR_OK);
}

/* The front sees DONE by looking, and releases; front 1 opens the same exchange; worker 1 runs it. */
static void live_again(void)
{
    askr_xid former = submitted, x;
    CHECK_EQUAL(askr_front_release(other, former), ASKR_OK);
    submit_as(1);
    CHECK_EQUAL(askr_xid_index(submitted), askr_xid_index(former));
    CHECK_EQUAL(askr_worker_take(other, 1, 0, &x), ASKR_OK);
    CHECK_EQUAL(askr_worker_finish(other, 1, x, 0), ASKR_OK);
}

/* [order-news-1] a worker that is late with the news of a former life */
static void test_a_late_notice_does_not_swallow_the_next_lifes(void)
{
    const char *steps[] = {"notify: begins", "notify: marked, not pushed", "notify: pushed, front not woken"};
    for (int i = 0; i < 3; i++) {
        askr_xid x;
        submit_one();
        CHECK_EQUAL(askr_worker_take(pool, 0, 0, &x), ASKR_OK);
        at_step(steps[i], live_again);
        CHECK_EQUAL(askr_worker_finish(pool, 0, x, 0), ASKR_OK);
        CHECK_EQUAL(interfered, 1);
        CHECK_EQUAL(askr_front_next(pool, 1, &x), ASKR_OK);
        CHECK(x == submitted);
        CHECK_EQUAL(askr_front_next(pool, 1, &x), ASKR_EAGAIN);
        CHECK_EQUAL(askr_front_next(pool, 0, &x), ASKR_EAGAIN); /* another front's: skipped */
        CHECK_EQUAL(askr_front_release(other, submitted), ASKR_OK);
    }
}

static void cancel_and_submit_again(void)
{
    askr_xid former = submitted;
    CHECK_EQUAL(askr_front_cancel(other, former), 1);
    submit_one();
    CHECK_EQUAL(askr_xid_index(submitted), askr_xid_index(former));
}

/* [order-queue-1] a submit that trusts a hint which a worker has just taken out */
static void test_a_request_behind_a_hint_that_is_just_popped_is_not_lost(void)
{
    const char *steps[] = {"ring: before the pop", "ring: popped, head behind", "take: popped, still marked as queued",
                           "take: popped, not looked at"};
    for (int i = 0; i < 4; i++) {
        askr_xid x;
        submit_one();
        at_step(steps[i], cancel_and_submit_again);
        CHECK_EQUAL(askr_worker_take(pool, 0, -1, &x), ASKR_OK);
        CHECK(interfered == 1 && x == submitted);
        CHECK_EQUAL(askr_worker_finish(pool, 0, x, 0), ASKR_OK);
        CHECK_EQUAL(askr_front_release(other, x), ASKR_OK);
    }
}

static void test_a_request_that_trusts_a_stale_hint_is_not_lost(void)
{
    const char *steps[] = {"ring: before the pop", "ring: popped, head behind", "take: popped, still marked as queued",
                           "take: popped, not looked at"};
    for (int i = 0; i < 4; i++) {
        askr_xid x;
        submit_one();
        CHECK_EQUAL(askr_front_cancel(other, submitted), 1); /* its hint stays in the ring */
        at_step(steps[i], submit_one);
        CHECK_EQUAL(askr_worker_take(pool, 0, -1, &x), ASKR_OK);
        CHECK(interfered == 1 && x == submitted);
        CHECK_EQUAL(askr_worker_finish(pool, 0, x, 0), ASKR_OK);
        CHECK_EQUAL(askr_front_release(other, x), ASKR_OK);
    }
}

static void read_everything(void)
{
    static uint8_t bytes[1 << 16];
    while (askr_front_read(other, submitted, bytes, sizeof bytes) > 0) {
    }
}

static void cancel_submitted(void)
{
    CHECK_EQUAL(askr_front_cancel(other, submitted), 0);
}

static void repair_front(void)
{
    CHECK_EQUAL(askr_pool_repair_front(other, 0), 1);
}

/* [order-chain-2] room that is made between the worker's look and its announcement, or after it */
static void test_a_worker_that_waits_for_room_sees_it_come(void)
{
    static const uint8_t bytes[100 * 64];
    const char *steps[] = {"room: none found, not announced", "room: announced"};
    for (int i = 0; i < 2; i++) {
        askr_xid x;
        submit_one();
        CHECK_EQUAL(askr_worker_take(pool, 0, 0, &x), ASKR_OK);
        CHECK_EQUAL(askr_response_write(pool, x, bytes, 32 * 64), ASKR_OK); /* the window */
        at_step(steps[i], read_everything);
        CHECK_EQUAL(askr_response_write(pool, x, bytes, 10), ASKR_OK);
        CHECK_EQUAL(interfered, 1);
        CHECK_EQUAL(askr_worker_finish(pool, 0, x, 0), ASKR_OK);
        CHECK_EQUAL(askr_front_release(other, x), ASKR_OK);
    }
}

static void test_a_worker_that_waits_for_room_learns_that_nobody_reads(void)
{
    static const uint8_t bytes[100 * 64];
    void (*const ends[])(void) = {cancel_submitted, repair_front};
    for (int i = 0; i < 2; i++) {
        askr_xid x;
        submit_one();
        CHECK_EQUAL(askr_worker_take(pool, 0, 0, &x), ASKR_OK);
        at_step("room: announced", ends[i]);
        CHECK_EQUAL(askr_response_write(pool, x, bytes, sizeof bytes), ASKR_ECANCELED);
        CHECK_EQUAL(askr_worker_finish(pool, 0, x, 0), ASKR_OK);
        if (i == 0)
            CHECK_EQUAL(askr_front_release(other, x), ASKR_OK);
        else
            CHECK_EQUAL(askr_front_release(other, x), ASKR_ESTALE); /* the worker has released it */
    }
}

int main(void)
{
    const askr_pool_spec spec = {.exchanges = 4, .blocks = 256, .block_bytes = 64, .fronts = 2, .workers = 2};
    (void)alarm(60);
    CHECK_EQUAL(askr_pool_create(&spec, &pool), ASKR_OK);
    for (uint32_t i = 0; i < 2; i++) {
        eventfds[i] = eventfd(0, EFD_NONBLOCK);
        CHECK_EQUAL(askr_pool_bind_front(pool, i, eventfds[i]), ASKR_OK);
    }
    CHECK_EQUAL(askr_pool_alias(pool, &other), ASKR_OK);
    askr_step_hook = hook;
    void (*const tests[])(void) = {
        test_a_request_before_the_announcement_is_found_by_the_second_look,
        test_a_request_after_the_announcement_keeps_the_worker_awake,
        test_a_worker_that_leaves_passes_its_wake_up_on,
        test_repair_wakes_a_worker_whose_waker_was_killed,
        test_news_before_the_announcement_are_found_by_the_second_look,
        test_news_after_the_announcement_write_the_eventfd,
        test_a_late_notice_does_not_swallow_the_next_lifes,
        test_a_request_behind_a_hint_that_is_just_popped_is_not_lost,
        test_a_request_that_trusts_a_stale_hint_is_not_lost,
        test_a_worker_that_waits_for_room_sees_it_come,
        test_a_worker_that_waits_for_room_learns_that_nobody_reads,
    };
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        askr_xid x;
        tests[i]();
        check_empty();
        /* notices of exchanges that are gone */
        for (uint32_t front = 0; front < 2; front++)
            CHECK_EQUAL(askr_front_next(pool, front, &x), ASKR_EAGAIN);
    }
    askr_pool_detach(other);
    askr_pool_detach(pool);
    printf("ok\n");
    return 0;
}
