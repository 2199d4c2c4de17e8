#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "askr_pool_layout.h"
#include "testing.h"

/* ctest-skip: tsan (one thread, and processes, which it cannot see) */

enum { BLOCK = 64, SPOOL_STRIDE = 8192 };

static askr_pool *pool;
static int eventfds[2], master, spool;

static void set_up(void)
{
    const askr_pool_spec spec = {.exchanges = 8,
                                 .blocks = 128,
                                 .block_bytes = BLOCK,
                                 .fronts = 2,
                                 .workers = 3,
                                 .spool_stride_bytes = SPOOL_STRIDE};
    CHECK_EQUAL(askr_pool_create(&spec, &pool), ASKR_OK);
    for (uint32_t i = 0; i < 2; i++)
        CHECK_EQUAL(askr_pool_bind_front(pool, i, eventfds[i] = eventfd(0, EFD_NONBLOCK)), ASKR_OK);
    CHECK_EQUAL(askr_pool_bind_master(pool, master = eventfd(0, EFD_NONBLOCK)), ASKR_OK);
    CHECK_EQUAL(askr_pool_bind_spool(pool, spool = memfd_create("spool", 0)), ASKR_OK);
}

static void tear_down(void)
{
    askr_pool_audit_view audit;
    struct stat st;
    CHECK_EQUAL(askr_pool_audit(pool, &audit), ASKR_OK);
    CHECK_EQUAL(audit.blocks_used, 0);
    CHECK_EQUAL(audit.blocks_lost, 0);
    CHECK_EQUAL(audit.blocks_free, 128);
    CHECK_EQUAL(audit.exchanges[ASKR_EXCHANGE_FREE], 8);
    CHECK_EQUAL(fstat(spool, &st), 0);
    CHECK_EQUAL(st.st_blocks, 0);
    askr_pool_detach(pool);
    for (int i = 0; i < 2; i++)
        (void)close(eventfds[i]);
    (void)close(master);
    (void)close(spool);
}

static askr_xid submitted(uint32_t front, const char *head, const char *body)
{
    askr_xid x;
    CHECK_EQUAL(askr_front_open(pool, front, &x), ASKR_OK);
    CHECK_EQUAL(askr_front_write(pool, x, (const uint8_t *)head, strlen(head)), ASKR_OK);
    CHECK_EQUAL(askr_front_write(pool, x, (const uint8_t *)body, strlen(body)), ASKR_OK);
    CHECK_EQUAL(askr_front_submit(pool, x, (uint32_t)strlen(head), strlen(body), 0, 0), ASKR_OK);
    return x;
}

static askr_exchange_view observed(askr_xid x)
{
    askr_exchange_view view;
    CHECK_EQUAL(askr_front_observe(pool, x, &view), ASKR_OK);
    return view;
}

static void test_one_request_and_its_response(void)
{
    askr_xid x, taken;
    uint8_t buf[100];
    set_up();
    x = submitted(0, "head", "and body");
    CHECK_EQUAL(observed(x).state, ASKR_EXCHANGE_QUEUED);
    CHECK_EQUAL(askr_worker_take(pool, 2, -1, &taken), ASKR_OK);
    CHECK(taken == x && x != 0);
    CHECK_EQUAL(askr_request_head_bytes(pool, x), 4);
    CHECK_EQUAL(askr_request_body_bytes(pool, x), 8);
    CHECK_EQUAL(askr_request_read(pool, x, buf, sizeof buf), 12);
    CHECK(memcmp(buf, "headand body", 12) == 0);
    CHECK_EQUAL(askr_request_read(pool, x, buf, sizeof buf), 0);
    CHECK_EQUAL(askr_response_head(pool, x, (const uint8_t *)"200", 3), ASKR_OK);
    CHECK_EQUAL(askr_response_head(pool, x, (const uint8_t *)"200", 3), ASKR_EINVAL);
    CHECK_EQUAL(askr_response_write(pool, x, (const uint8_t *)"hello", 5), ASKR_OK);
    CHECK_EQUAL(observed(x).head_bytes, 0); /* not published */
    CHECK_EQUAL(askr_front_next(pool, 0, &taken), ASKR_EAGAIN);
    CHECK_EQUAL(askr_response_flush(pool, x), ASKR_OK);
    CHECK_EQUAL(observed(x).head_bytes, 3);
    CHECK_EQUAL(observed(x).readable_bytes, 8);
    CHECK_EQUAL(observed(x).state, ASKR_EXCHANGE_RUNNING);
    CHECK_EQUAL(askr_front_release(pool, x), ASKR_EAGAIN);
    CHECK_EQUAL(askr_worker_finish(pool, 1, x, 0), ASKR_ESTALE); /* another worker's */
    CHECK_EQUAL(askr_worker_finish(pool, 2, x, 0), ASKR_OK);
    CHECK_EQUAL(askr_worker_finish(pool, 2, x, 0), ASKR_ESTALE);
    CHECK_EQUAL(askr_front_next(pool, 0, &taken), ASKR_OK);
    CHECK_EQUAL(askr_front_next(pool, 0, &taken), ASKR_EAGAIN); /* one notice for both */
    CHECK_EQUAL(observed(x).state, ASKR_EXCHANGE_DONE);
    CHECK_EQUAL(askr_front_read(pool, x, buf, 3), 3);
    CHECK_EQUAL(askr_front_read(pool, x, buf, sizeof buf), 5);
    CHECK(memcmp(buf, "hello", 5) == 0);
    CHECK_EQUAL(askr_front_read(pool, x, buf, sizeof buf), 0);
    CHECK_EQUAL(askr_front_release(pool, x), ASKR_OK);
    CHECK_EQUAL(askr_front_release(pool, x), ASKR_ESTALE);
    tear_down();
}

static void test_a_handle_of_a_former_life_is_refused_everywhere(void)
{
    askr_exchange_view view;
    askr_xid x, y;
    uint8_t buf[4];
    set_up();
    CHECK_EQUAL(askr_front_open(pool, 0, &x), ASKR_OK);
    CHECK_EQUAL(askr_front_cancel(pool, x), 1);
    CHECK_EQUAL(askr_front_open(pool, 0, &y), ASKR_OK);
    CHECK(askr_xid_index(x) == askr_xid_index(y) && x != y);
    const askr_xid stale[] = {x, 0, y + 100, UINT64_MAX, y + ((uint64_t)1 << 32)};
    for (size_t i = 0; i < sizeof stale / sizeof stale[0]; i++) {
        askr_xid z = stale[i];
        CHECK_EQUAL(askr_front_write(pool, z, buf, 1), ASKR_ESTALE);
        CHECK_EQUAL(askr_front_spool(pool, z, buf, 1, 0), ASKR_ESTALE);
        CHECK_EQUAL(askr_front_submit(pool, z, 0, 0, 0, 0), ASKR_ESTALE);
        CHECK_EQUAL(askr_front_observe(pool, z, &view), ASKR_ESTALE);
        CHECK_EQUAL(askr_front_read(pool, z, buf, 1), ASKR_ESTALE);
        CHECK_EQUAL(askr_front_cancel(pool, z), ASKR_ESTALE);
        CHECK_EQUAL(askr_front_release(pool, z), ASKR_ESTALE);
        CHECK_EQUAL(askr_request_read(pool, z, buf, 1), ASKR_ESTALE);
        CHECK_EQUAL(askr_request_head_bytes(pool, z), 0);
        CHECK_EQUAL(askr_response_head(pool, z, buf, 1), ASKR_ESTALE);
        CHECK_EQUAL(askr_response_write(pool, z, buf, 1), ASKR_ESTALE);
        CHECK_EQUAL(askr_response_flush(pool, z), ASKR_ESTALE);
        CHECK_EQUAL(askr_worker_finish(pool, 0, z, 0), ASKR_ESTALE);
        CHECK_EQUAL(askr_exchange_is_cancelled(pool, z), 1);
    }
    CHECK_EQUAL(askr_front_release(pool, y), ASKR_OK);
    tear_down();
}

static void test_what_is_bounded_is_refused_when_full(void)
{
    static uint8_t bytes[128 * BLOCK];
    askr_xid x[9], taken;
    set_up();
    for (int i = 0; i < 8; i++)
        CHECK_EQUAL(askr_front_open(pool, i % 2 ? 1 : 0, &x[i]), ASKR_OK);
    CHECK_EQUAL(askr_front_open(pool, 0, &x[8]), ASKR_EFULL);
    CHECK_EQUAL(askr_front_write(pool, x[0], bytes, 97 * BLOCK), ASKR_EFULL); /* three quarters of the slab */
    CHECK_EQUAL(askr_front_write(pool, x[0], bytes, 96 * BLOCK), ASKR_OK);
    CHECK_EQUAL(askr_front_write(pool, x[1], bytes, 1), ASKR_EFULL);
    CHECK_EQUAL(askr_front_submit(pool, x[0], 1, 96 * BLOCK - 2, 0, 0), ASKR_EINVAL); /* not what was written */
    CHECK_EQUAL(askr_front_submit(pool, x[0], 1, 96 * BLOCK - 1, 0, 0), ASKR_OK);
    CHECK_EQUAL(askr_worker_take(pool, 0, 0, &taken), ASKR_OK);
    CHECK_EQUAL(askr_response_head(pool, x[0], bytes, 16 * BLOCK + 1), ASKR_E2BIG);
    CHECK_EQUAL(askr_response_head(pool, x[0], bytes, 16 * BLOCK), ASKR_OK); /* requests left room for responses */
    CHECK_EQUAL(askr_worker_finish(pool, 0, x[0], 0), ASKR_OK);
    for (int i = 0; i < 8; i++)
        CHECK_EQUAL(askr_front_release(pool, x[i]), ASKR_OK);
    tear_down();
}

static void test_a_late_request_comes_back_failed_and_unread(void)
{
    askr_xid x, taken;
    set_up();
    CHECK_EQUAL(askr_front_open(pool, 1, &x), ASKR_OK);
    CHECK_EQUAL(askr_front_submit(pool, x, 0, 0, 0, 1), ASKR_OK);
    CHECK_EQUAL(askr_worker_take(pool, 0, 0, &taken), ASKR_EAGAIN);
    CHECK_EQUAL(askr_front_next(pool, 0, &taken), ASKR_EAGAIN);
    CHECK_EQUAL(askr_front_next(pool, 1, &taken), ASKR_OK);
    CHECK_EQUAL(observed(x).state, ASKR_EXCHANGE_FAILED);
    CHECK_EQUAL(askr_front_release(pool, x), ASKR_OK);
    CHECK_EQUAL(askr_front_open(pool, 1, &x), ASKR_OK);
    CHECK_EQUAL(askr_front_submit(pool, x, 0, 0, 0, askr_mono_ns() + 3600000000000u), ASKR_OK);
    CHECK_EQUAL(askr_worker_take(pool, 0, 0, &taken), ASKR_OK);
    CHECK_EQUAL(askr_worker_finish(pool, 0, x, 1), ASKR_OK);
    CHECK_EQUAL(observed(x).state, ASKR_EXCHANGE_FAILED);
    CHECK_EQUAL(askr_front_release(pool, x), ASKR_OK);
    tear_down();
}

static void test_cancelling_and_opening_again_does_not_fill_the_queue(void)
{
    askr_xid x, taken;
    set_up();
    for (int i = 0; i < 1000; i++) {
        x = submitted(0, "h", "b");
        CHECK_EQUAL(askr_front_cancel(pool, x), 1);
    }
    x = submitted(0, "h", "b");
    CHECK_EQUAL(askr_ring_depth(pool->queue), 1);
    CHECK_EQUAL(askr_worker_take(pool, 0, 0, &taken), ASKR_OK);
    CHECK(taken == x);
    CHECK_EQUAL(askr_exchange_is_cancelled(pool, x), 0);
    CHECK_EQUAL(askr_front_cancel(pool, x), 0);
    CHECK_EQUAL(askr_exchange_is_cancelled(pool, x), 1);
    CHECK_EQUAL(observed(x).is_cancelled, 1);
    CHECK_EQUAL(askr_response_write(pool, x, (const uint8_t *)"x", 1), ASKR_ECANCELED);
    CHECK_EQUAL(askr_worker_finish(pool, 0, x, 0), ASKR_OK);
    CHECK_EQUAL(askr_front_cancel(pool, x), 0);
    CHECK_EQUAL(askr_front_release(pool, x), ASKR_OK);
    tear_down();
}

static void test_a_spooled_body_is_read_behind_the_head_and_given_back(void)
{
    static uint8_t body[SPOOL_STRIDE], got[SPOOL_STRIDE + 10];
    askr_xid other, x, taken;
    struct stat st;
    set_up();
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (uint8_t)(i * 7);
    CHECK_EQUAL(askr_front_open(pool, 0, &other), ASKR_OK); /* so that the range does not begin at 0 */
    CHECK_EQUAL(askr_front_open(pool, 0, &x), ASKR_OK);
    CHECK_EQUAL(askr_front_write(pool, x, (const uint8_t *)"head", 4), ASKR_OK);
    CHECK_EQUAL(askr_front_spool(pool, x, body, 1, SPOOL_STRIDE), ASKR_E2BIG);
    CHECK_EQUAL(askr_front_spool(pool, x, body, SPOOL_STRIDE + 1, 0), ASKR_E2BIG);
    CHECK_EQUAL(askr_front_spool(pool, x, body, 1, UINT64_MAX), ASKR_E2BIG);
    CHECK_EQUAL(askr_front_spool(pool, x, body, 5000, 0), ASKR_OK);
    CHECK_EQUAL(askr_front_spool(pool, x, body + 5000, SPOOL_STRIDE - 5000, 5000), ASKR_OK);
    CHECK_EQUAL(askr_front_submit(pool, x, 4, SPOOL_STRIDE + 1, 1, 0), ASKR_EINVAL);
    CHECK_EQUAL(askr_front_submit(pool, x, 4, SPOOL_STRIDE, 1, 0), ASKR_OK);
    CHECK_EQUAL(askr_worker_take(pool, 0, 0, &taken), ASKR_OK);
    CHECK_EQUAL(askr_request_read(pool, x, got, sizeof got), 4);
    CHECK_EQUAL(askr_request_read(pool, x, got, 100), 100);
    CHECK_EQUAL(askr_request_read(pool, x, got + 100, sizeof got - 100), SPOOL_STRIDE - 100);
    CHECK_EQUAL(askr_request_read(pool, x, got, sizeof got), 0);
    CHECK(memcmp(got, body, SPOOL_STRIDE) == 0);
    CHECK_EQUAL(askr_worker_finish(pool, 0, x, 0), ASKR_OK);
    CHECK(fstat(spool, &st) == 0 && st.st_blocks > 0);
    CHECK_EQUAL(askr_front_release(pool, x), ASKR_OK);
    CHECK_EQUAL(askr_front_release(pool, other), ASKR_OK);
    tear_down();
}

static void test_a_spool_that_is_shorter_than_declared_is_an_error_not_an_end(void)
{
    askr_xid x, taken;
    uint8_t buf[10];
    set_up();
    CHECK_EQUAL(askr_front_open(pool, 0, &x), ASKR_OK);
    CHECK_EQUAL(askr_front_spool(pool, x, (const uint8_t *)"abc", 3, 0), ASKR_OK);
    CHECK_EQUAL(askr_front_submit(pool, x, 0, 4, 1, 0), ASKR_OK);
    CHECK_EQUAL(askr_worker_take(pool, 0, 0, &taken), ASKR_OK);
    CHECK_EQUAL(askr_request_read(pool, x, buf, sizeof buf), 3);
    CHECK_EQUAL(askr_request_read(pool, x, buf, sizeof buf), ASKR_ESYS);
    CHECK_EQUAL(errno, EIO);
    CHECK_EQUAL(askr_worker_finish(pool, 0, x, 1), ASKR_OK);
    CHECK_EQUAL(askr_front_release(pool, x), ASKR_OK);
    tear_down();
}

/* A response of many windows, to a reader in another process that sleeps on its eventfd. */
/* Two workers sleep; a front that defers its wakes rings one doorbell for all that it submitted, and none when others took it all. */
static void test_deferred_wakes_are_one_for_several_requests(void)
{
    askr_xid taken;
    set_up();
    _Atomic uint64_t *sleepers = &pool->control->sleepers[0];
    atomic_store(sleepers, 6);
    askr_front_defer_wakes(pool);
    CHECK_EQUAL(askr_front_wake(pool), 0);
    askr_xid first = submitted(0, "a", ""), second = submitted(0, "b", "");
    CHECK_EQUAL(atomic_load(sleepers), 6);
    CHECK_EQUAL(askr_front_wake(pool), 1);
    CHECK_EQUAL(atomic_load(sleepers), 4);
    CHECK_EQUAL(atomic_load(&pool->workers[1].doorbell), 1);
    CHECK_EQUAL(askr_front_wake(pool), 1); /* still queued, but nothing is owed */
    CHECK_EQUAL(atomic_load(sleepers), 4);
    askr_front_wake_another(pool); /* the first one seems to sleep on */
    CHECK_EQUAL(atomic_load(sleepers), 0);
    CHECK_EQUAL(atomic_load(&pool->workers[2].doorbell), 1);
    CHECK_EQUAL(askr_worker_take(pool, 0, 0, &taken), ASKR_OK);
    CHECK(taken == first);
    CHECK_EQUAL(askr_worker_take(pool, 1, 0, &taken), ASKR_OK);
    CHECK(taken == second);
    askr_xid third = submitted(0, "c", "");
    CHECK_EQUAL(askr_front_cancel(pool, third), 1);
    CHECK_EQUAL(askr_worker_take(pool, 2, 0, &taken), ASKR_EAGAIN); /* pops what is left of it */
    atomic_store(sleepers, 4);
    CHECK_EQUAL(askr_front_wake(pool), 0);
    askr_front_wake_another(pool);
    CHECK_EQUAL(atomic_load(sleepers), 4);
    CHECK_EQUAL(askr_worker_finish(pool, 0, first, 0), ASKR_OK);
    CHECK_EQUAL(askr_worker_finish(pool, 1, second, 0), ASKR_OK);
    CHECK_EQUAL(askr_front_release(pool, first), ASKR_OK);
    CHECK_EQUAL(askr_front_release(pool, second), ASKR_OK);
    tear_down();
}

static void test_a_long_response_waits_for_its_reader(void)
{
    enum { TOTAL = 300 * 1000 };
    static uint8_t bytes[1000];
    askr_xid x, taken;
    set_up();
    x = submitted(1, "h", "");
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_EQUAL(askr_worker_take(pool, 0, -1, &taken), ASKR_OK);
        for (uint32_t at = 0; at < TOTAL; at += sizeof bytes) {
            for (uint32_t i = 0; i < sizeof bytes; i++)
                bytes[i] = (uint8_t)((at + i) * 11 / 3);
            CHECK_EQUAL(askr_response_write(pool, taken, bytes, sizeof bytes), ASKR_OK);
        }
        CHECK_EQUAL(askr_worker_finish(pool, 0, taken, 0), ASKR_OK);
        _exit(0);
    }
    uint32_t got = 0;
    for (int is_final = 0; !is_final;) {
        struct pollfd bell = {.fd = eventfds[1], .events = POLLIN};
        int64_t n;
        while (askr_front_next(pool, 1, &taken) == ASKR_OK)
            CHECK(taken == x);
        askr_exchange_view view = observed(x);
        CHECK(view.readable_bytes <= 33 * BLOCK);
        is_final = view.state == ASKR_EXCHANGE_DONE;
        while ((n = askr_front_read(pool, x, bytes, 777)) > 0) {
            for (int64_t i = 0; i < n; i++)
                CHECK_EQUAL(bytes[i], (uint8_t)((got + (uint32_t)i) * 11 / 3));
            got += (uint32_t)n;
        }
        CHECK_EQUAL(n, 0);
        if (!is_final)
            CHECK_EQUAL(poll(&bell, 1, -1), 1);
    }
    CHECK_EQUAL(got, TOTAL);
    CHECK_EQUAL(wait_is_dead(pid), 0);
    CHECK_EQUAL(askr_front_release(pool, x), ASKR_OK);
    tear_down();
}

/* All of the slab in the hands of one exchange: another worker waits until some of it is given back. */
static void test_a_worker_waits_for_a_block_when_the_slab_is_exhausted(void)
{
    askr_xid x, taken;
    uint32_t block, owner = 8; /* of an exchange that is open */
    set_up();
    x = submitted(0, "h", "");
    while (askr_slab_take(pool->slab, owner, NULL, &block) == ASKR_OK) {
    }
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_EQUAL(askr_worker_take(pool, 0, -1, &taken), ASKR_OK);
        CHECK_EQUAL(askr_response_write(pool, taken, (const uint8_t *)"x", 1), ASKR_OK);
        CHECK_EQUAL(askr_worker_finish(pool, 0, taken, 0), ASKR_OK);
        _exit(0);
    }
    while (atomic_load(&pool->control->slab_waiting) == 0) {
    }
    CHECK_EQUAL(askr_slab_sweep(pool->slab, owner), 127);
    askr_slab_room_made(pool);
    CHECK_EQUAL(wait_is_dead(pid), 0);
    CHECK_EQUAL(askr_front_release(pool, x), ASKR_OK);
    tear_down();
}

static void test_a_worker_record_tells_what_the_worker_does(void)
{
    askr_worker_view view;
    struct pollfd bell;
    askr_xid x, taken;
    set_up();
    bell = (struct pollfd){.fd = master, .events = POLLIN};
    CHECK_EQUAL(askr_worker_view_get(pool, 3, &view), ASKR_EINVAL);
    CHECK_EQUAL(askr_worker_assign(pool, 0, 0), ASKR_EINVAL);
    CHECK_EQUAL(askr_worker_assign(pool, 0, 77), ASKR_OK);
    CHECK_EQUAL(askr_worker_assign(pool, 0, 78), ASKR_EINVAL);
    CHECK_EQUAL(askr_worker_view_get(pool, 0, &view), ASKR_OK);
    CHECK(view.pid == 77 && view.state == ASKR_WORKER_STARTING && view.since_mono_ns != 0);
    CHECK_EQUAL(poll(&bell, 1, 0), 0);
    CHECK_EQUAL(askr_worker_ready(pool, 0), ASKR_OK);
    CHECK_EQUAL(poll(&bell, 1, 0), 1);
    CHECK_EQUAL(askr_worker_ready(pool, 1), ASKR_OK); /* before the master has noted it */
    CHECK_EQUAL(askr_worker_assign(pool, 1, 79), ASKR_OK);
    CHECK_EQUAL(askr_worker_view_get(pool, 1, &view), ASKR_OK);
    CHECK(view.pid == 79 && view.state == ASKR_WORKER_IDLE);
    x = submitted(0, "h", "");
    CHECK_EQUAL(askr_worker_take(pool, 0, 0, &taken), ASKR_OK);
    CHECK_EQUAL(askr_worker_view_get(pool, 0, &view), ASKR_OK);
    CHECK(view.state == ASKR_WORKER_BUSY && view.exchange == x && view.requests == 0);
    CHECK_EQUAL(askr_worker_finish(pool, 0, x, 0), ASKR_OK);
    CHECK_EQUAL(askr_worker_command(pool, 0, ASKR_COMMAND_DRAIN), ASKR_OK);
    CHECK_EQUAL(askr_worker_take(pool, 0, -1, &taken), ASKR_ECANCELED);
    CHECK_EQUAL(askr_worker_leave(pool, 0), ASKR_OK);
    CHECK_EQUAL(askr_worker_view_get(pool, 0, &view), ASKR_OK);
    CHECK(view.state == ASKR_WORKER_LEAVING && view.exchange == 0 && view.requests == 1);
    CHECK_EQUAL(askr_worker_clear(pool, 0), ASKR_OK);
    CHECK_EQUAL(askr_worker_view_get(pool, 0, &view), ASKR_OK);
    CHECK(view.state == ASKR_WORKER_EMPTY && view.pid == 0 && view.requests == 0 && view.command == ASKR_COMMAND_RUN);
    CHECK_EQUAL(askr_worker_command(pool, 0, 2), ASKR_EINVAL);
    CHECK_EQUAL(askr_front_release(pool, x), ASKR_OK);
    tear_down();
}

static void test_bad_sizes_and_other_layouts_are_refused(void)
{
    const askr_pool_spec good = {.exchanges = 2, .blocks = 8, .block_bytes = 64, .fronts = 1, .workers = 1};
    askr_pool_spec bad[12];
    askr_pool *p;
    for (int i = 0; i < 12; i++)
        bad[i] = good;
    bad[0].exchanges = 0;
    bad[1].exchanges = 3;
    bad[2].exchanges = 65536;
    bad[3].blocks = 7;
    bad[4].blocks = 1048577;
    bad[5].block_bytes = 63;
    bad[6].block_bytes = 0;
    bad[7].fronts = 0;
    bad[8].fronts = 129;
    bad[9].workers = 0;
    bad[10].workers = 513;
    bad[11].spool_stride_bytes = UINT64_MAX;
    for (int i = 0; i < 12; i++)
        CHECK_EQUAL(askr_pool_create(&bad[i], &p), ASKR_EINVAL);
    for (uint32_t exchanges = 2; exchanges <= 32768; exchanges *= 2) {
        for (uint32_t fronts = 1; fronts <= 128; fronts += 127) {
            askr_pool_spec spec = good;
            spec.exchanges = exchanges;
            spec.fronts = fronts;
            CHECK_EQUAL(askr_pool_create(&spec, &p), ASKR_OK);
            askr_pool_detach(p);
        }
    }
    askr_arena *a;
    const askr_segment_spec other = {.name = "control", .version = 2, .size_bytes = 100};
    CHECK_EQUAL(askr_arena_create(&other, 1, &a), ASKR_OK);
    CHECK_EQUAL(askr_pool_attach(askr_arena_fd(a), &p), ASKR_EVERSION);
    askr_arena_detach(a);
}

/* An application in a worker writes over what it can reach, a few words at a time: the front, repair and audit go on. */
static void test_a_scribbled_pool_faults_and_hangs_nobody(void)
{
    uint64_t random = 99;
    for (int round = 0; round < 150; round++) {
        askr_exchange_view view;
        askr_pool_audit_view audit;
        askr_xid x[6], seen;
        uint8_t buf[500] = {0};
        set_up();
        for (int i = 0; i < 4; i++) {
            x[i] = submitted(0, "head", "body");
            if (i % 2)
                CHECK_EQUAL(askr_worker_take(pool, 0, 0, &seen), ASKR_OK);
        }
        struct {
            uint8_t *mem;
            size_t size;
        } parts[] = {
            {(uint8_t *)pool->control, sizeof *pool->control},
            {(uint8_t *)pool->exchanges, 8 * sizeof *pool->exchanges},
            {(uint8_t *)pool->fronts, 2 * sizeof *pool->fronts},
            {(uint8_t *)pool->workers, 3 * sizeof *pool->workers},
            {(uint8_t *)pool->queue, askr_ring_sizeof(16)},
            {pool->completions, 2 * askr_ring_sizeof(16)},
            {(uint8_t *)pool->slab, 64 + 128 * 8},
        };
        for (int i = 0; i < 40; i++) {
            size_t part = random_next(&random) % 7, at = random_next(&random) % parts[part].size;
            parts[part].mem[at] = random_next(&random) % 2 ? 0xff : (uint8_t)random_next(&random);
        }
        for (int i = 0; i < 4; i++) {
            (void)askr_front_observe(pool, x[i], &view);
            (void)askr_front_read(pool, x[i], buf, sizeof buf);
            (void)askr_front_next_many(pool, 0, &seen, 1);
            (void)askr_front_cancel(pool, x[i]);
            (void)askr_front_release(pool, x[i]);
        }
        if (askr_front_open(pool, 1, &seen) == ASKR_OK) {
            (void)askr_front_write(pool, seen, buf, sizeof buf);
            (void)askr_front_submit(pool, seen, sizeof buf, 0, 0, 0);
        }
        for (uint32_t i = 0; i < 3; i++)
            (void)askr_pool_repair_worker(pool, i);
        for (uint32_t i = 0; i < 2; i++)
            (void)askr_pool_repair_front(pool, i);
        CHECK_EQUAL(askr_pool_audit(pool, &audit), ASKR_OK);
        askr_pool_detach(pool);
        for (int i = 0; i < 2; i++)
            (void)close(eventfds[i]);
        (void)close(master);
        (void)close(spool);
    }
}

int main(void)
{
    (void)alarm(100);
    test_one_request_and_its_response();
    test_a_handle_of_a_former_life_is_refused_everywhere();
    test_what_is_bounded_is_refused_when_full();
    test_a_late_request_comes_back_failed_and_unread();
    test_cancelling_and_opening_again_does_not_fill_the_queue();
    test_a_spooled_body_is_read_behind_the_head_and_given_back();
    test_a_spool_that_is_shorter_than_declared_is_an_error_not_an_end();
    test_deferred_wakes_are_one_for_several_requests();
    test_a_long_response_waits_for_its_reader();
    test_a_worker_waits_for_a_block_when_the_slab_is_exhausted();
    test_a_worker_record_tells_what_the_worker_does();
    test_bad_sizes_and_other_layouts_are_refused();
    test_a_scribbled_pool_faults_and_hangs_nobody();
    printf("ok\n");
    return 0;
}
