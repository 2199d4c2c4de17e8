#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "askr_pool_layout.h"
#include "testing.h"

/*
 * Fronts and workers as threads on one mapping, so that Thread Sanitizer sees what processes do: every field that is not atomic
 * is handed over by the state word, and nobody sleeps while there is work (else the alarm rings).
 */

enum { FRONTS = 2, WORKERS = 3, EACH = 2500, IN_FLIGHT = 4 };

static askr_pool *pool;
static int eventfds[FRONTS];

static void *work(void *argument)
{
    uint32_t worker = *(uint32_t *)argument;
    askr_pool *p;
    askr_xid x;
    int rc;
    CHECK_EQUAL(askr_pool_alias(pool, &p), ASKR_OK);
    while ((rc = askr_worker_take(p, worker, -1, &x)) != ASKR_ECANCELED) {
        uint8_t buf[400];
        int64_t n;
        size_t size = 0;
        if (rc != ASKR_OK)
            continue;
        while ((n = askr_request_read(p, x, buf + size, sizeof buf - size)) > 0)
            size += (size_t)n;
        CHECK_EQUAL(n, 0);
        CHECK_EQUAL(size, askr_request_head_bytes(p, x) + askr_request_body_bytes(p, x));
        rc = askr_response_head(p, x, buf, 4);
        for (int i = 0; i < buf[0] % 9 && rc == ASKR_OK; i++)
            rc = askr_response_write(p, x, buf, size);
        CHECK(rc == ASKR_OK || rc == ASKR_ECANCELED);
        CHECK_EQUAL(askr_worker_finish(p, worker, x, 0), ASKR_OK);
    }
    askr_pool_detach(p);
    return NULL;
}

static void *serve(void *argument)
{
    uint32_t front = *(uint32_t *)argument, done = 0, running = 0;
    uint64_t random = front + 1;
    askr_pool *p;
    CHECK_EQUAL(askr_pool_alias(pool, &p), ASKR_OK);
    if (front == 1) /* one of the fronts wakes once for several requests */
        askr_front_defer_wakes(p);
    while (done < EACH) {
        askr_xid x;
        struct pollfd bell = {.fd = eventfds[front], .events = POLLIN};
        while (running < IN_FLIGHT) {
            uint8_t buf[300];
            uint32_t n = 4 + random_next(&random) % 296;
            memset(buf, (int)(random_next(&random) % 256), sizeof buf);
            CHECK_EQUAL(askr_front_open(p, front, &x), ASKR_OK);
            CHECK_EQUAL(askr_front_write(p, x, buf, n), ASKR_OK);
            CHECK_EQUAL(askr_front_submit(p, x, 4, n - 4, 0, 0), ASKR_OK);
            running++;
            if (random_next(&random) % 8 == 0 && askr_front_cancel(p, x) == 1) {
                running--;
                done++;
            }
        }
        (void)askr_front_wake(p);
        while (askr_front_next(p, front, &x) == ASKR_OK) {
            askr_exchange_view view;
            uint8_t buf[1000];
            int64_t n;
            if (askr_front_observe(p, x, &view) != ASKR_OK)
                continue;
            while ((n = askr_front_read(p, x, buf, sizeof buf)) > 0)
                CHECK(buf[0] == buf[n - 1]);
            CHECK_EQUAL(n, 0);
            if (view.state < ASKR_EXCHANGE_DONE)
                continue;
            CHECK_EQUAL(view.state, ASKR_EXCHANGE_DONE);
            CHECK_EQUAL(askr_front_release(p, x), ASKR_OK);
            running--;
            done++;
        }
        if (running == IN_FLIGHT)
            CHECK_EQUAL(poll(&bell, 1, -1), 1);
    }
    while (running > 0) { /* what is still on its way */
        askr_xid x;
        askr_exchange_view view;
        struct pollfd bell = {.fd = eventfds[front], .events = POLLIN};
        if (askr_front_next(p, front, &x) != ASKR_OK) {
            CHECK_EQUAL(poll(&bell, 1, -1), 1);
            continue;
        }
        if (askr_front_observe(p, x, &view) != ASKR_OK)
            continue;
        uint8_t buf[1000];
        while (askr_front_read(p, x, buf, sizeof buf) > 0) {
        }
        if (view.state >= ASKR_EXCHANGE_DONE && askr_front_release(p, x) == ASKR_OK)
            running--;
    }
    askr_pool_detach(p);
    return NULL;
}

int main(void)
{
    const askr_pool_spec spec = {
        .exchanges = 16, .blocks = 512, .block_bytes = 64, .fronts = FRONTS, .workers = WORKERS};
    pthread_t fronts[FRONTS], workers[WORKERS];
    uint32_t numbers[] = {0, 1, 2};
    askr_pool_audit_view audit;
    (void)alarm(100);
    CHECK_EQUAL(askr_pool_create(&spec, &pool), ASKR_OK);
    for (uint32_t i = 0; i < FRONTS; i++)
        CHECK_EQUAL(askr_pool_bind_front(pool, i, eventfds[i] = eventfd(0, EFD_NONBLOCK)), ASKR_OK);
    for (int i = 0; i < WORKERS; i++)
        CHECK_EQUAL(pthread_create(&workers[i], NULL, work, &numbers[i]), 0);
    for (int i = 0; i < FRONTS; i++)
        CHECK_EQUAL(pthread_create(&fronts[i], NULL, serve, &numbers[i]), 0);
    for (int i = 0; i < FRONTS; i++)
        CHECK_EQUAL(pthread_join(fronts[i], NULL), 0);
    for (uint32_t i = 0; i < WORKERS; i++)
        CHECK_EQUAL(askr_worker_command(pool, i, ASKR_COMMAND_DRAIN), ASKR_OK);
    for (int i = 0; i < WORKERS; i++)
        CHECK_EQUAL(pthread_join(workers[i], NULL), 0);
    CHECK_EQUAL(askr_pool_audit(pool, &audit), ASKR_OK);
    CHECK_EQUAL(audit.blocks_used, 0);
    CHECK_EQUAL(audit.exchanges[ASKR_EXCHANGE_FREE], 16);
    askr_pool_detach(pool);
    printf("ok\n");
    return 0;
}
