#include "calls_stage.h"

/*
 * Many calls at once, with everything that may happen to them.
 *
 * ctest-skip: tsan (processes, which it cannot see)
 */

/* ---- everything at once ---- */

static uint64_t query_number(askr_pool *p, askr_xid x)
{
    uint8_t head[4096];
    uint32_t head_bytes = askr_request_head_bytes(p, x);
    size_t at = 0;
    askr_record r;
    CHECK_EQUAL(askr_request_read(p, x, head, head_bytes), head_bytes);
    while (askr_record_next(head, head_bytes, &at, &r) == ASKR_OK)
        if (r.tag == ASKR_FIELD_QUERY)
            return strtoull((const char *)r.value, NULL, 10); /* the next record's tag ends it */
    return 0;
}

/* Serves what it is asked for, in pieces, until it is told to drain. */
static void serve_many(askr_pool *p, uint32_t worker, askr_xid x)
{
    uint64_t random = worker + 1;
    do {
        size_t left = (size_t)query_number(p, x), sent = 0;
        uint8_t head[256];
        char length[32];
        int announces = random_next(&random) % 2 != 0;
        (void)snprintf(length, sizeof length, "%zu", left);
        size_t n = encode_head(head, sizeof head, 200,
                               announces ? (const char *[]){"Content-Length", length, NULL} : NO_FIELDS);
        int rc = askr_response_head(p, x, head, (uint32_t)n);
        while (rc == ASKR_OK && left > 0) {
            size_t part = 1 + random_next(&random) % 30000;
            part = part < left ? part : left;
            rc = askr_response_write(p, x, bytes + sent, part);
            if (rc == ASKR_OK && random_next(&random) % 3 == 0)
                rc = askr_response_flush(p, x);
            left -= part;
            sent += part;
        }
        CHECK(rc == ASKR_OK || rc == ASKR_ECANCELED);
        CHECK_EQUAL(askr_worker_finish(p, worker, x, rc != ASKR_OK), ASKR_OK);
    } while (askr_worker_take(p, worker, -1, &x) == ASKR_OK);
}

static void start_random(client *c, uint64_t *random, size_t *size)
{
    char wire[100];
    *size = random_next(random) % 8 == 0 ? random_next(random) % 400000 : random_next(random) % 5000;
    (void)snprintf(wire, sizeof wire, "GET /?%zu HTTP/1.1\r\nHost: a\r\n\r\n", *size);
    CHECK_EQUAL(submit_at(c, wire, random_next(random) % 3000, askr_mono_ns()), ASKR_OK);
    c->t.piece = 1 + random_next(random) % 40000;
    c->t.room = random_next(random) % 4 ? SIZE_MAX : 0;
}

static void check_whole(const client *c, size_t size)
{
    const char *end = strstr((const char *)c->t.got, "\r\n\r\n");
    CHECK(end != NULL);
    if (strstr((const char *)c->t.got, "chunked") != NULL) {
        CHECK_EQUAL(check_chunked_body(c), size);
        return;
    }
    CHECK_EQUAL(c->t.len, (size_t)(end + 4 - (const char *)c->t.got) + size);
    check_stream((const uint8_t *)end + 4, 0, size);
}

enum { CLIENTS = EXCHANGES - 2 };

/* Many requests at once; what went how.  What becomes of each is decided when it starts, so that it does not depend on who is fast. */
typedef struct {
    client c[CLIENTS];
    size_t sizes[CLIENTS];
    int pumps_left[CLIENTS]; /* then the client leaves */
    int has_more[CLIENTS];   /* to be pumped without news */
    pid_t pids[WORKERS];
    uint64_t random;
    uint32_t started, ended, dropped, late, refused, broken;
} crowd;

static uint32_t crowd_over(const crowd *all)
{
    return all->ended + all->dropped + all->late + all->refused + all->broken;
}

static void crowd_drop(crowd *all, int i)
{
    askr_call_drop(calls, &all->c[i].call);
    leave(&all->c[i]);
    all->dropped++;
}

static void crowd_late(crowd *all, int i)
{
    client *c = &all->c[i];
    if (askr_call_late(calls, &c->call, &c->answer) != ASKR_CALL_REFUSED)
        return; /* a worker has it already */
    CHECK_EQUAL(c->answer, ASKR_ANSWER_QUEUE_TIMEOUT);
    check_untouched(c);
    leave(c);
    all->late++;
}

static void crowd_start(crowd *all, uint32_t requests)
{
    for (int i = 0; i < CLIENTS; i++) {
        if (all->c[i].call.xid != 0 || askr_calls_count(calls) == EXCHANGES || all->started == requests)
            continue;
        start_random(&all->c[i], &all->random, &all->sizes[i]);
        all->started++;
        uint32_t fate = random_next(&all->random) % 32;
        all->has_more[i] = 0;
        all->pumps_left[i] = fate < 4 ? (int)fate : INT32_MAX;
        if (fate == 0)
            crowd_drop(all, i);
        else if (fate < 8 && fate >= 4)
            crowd_late(all, i);
    }
}

static void crowd_pump(crowd *all, int i)
{
    client *c = &all->c[i];
    if (all->pumps_left[i]-- == 0) {
        crowd_drop(all, i);
        return;
    }
    askr_call_verdict verdict = pump(c);
    all->has_more[i] = verdict == ASKR_CALL_AGAIN;
    switch (verdict) {
    case ASKR_CALL_ENDED:
        c->t.room = SIZE_MAX;
        while (askr_output_pending(&c->o) > 0)
            CHECK(flush_output(c) != ASKR_ESYS);
        check_whole(c, all->sizes[i]);
        all->ended++;
        break;
    case ASKR_CALL_REFUSED:
        CHECK_EQUAL(c->answer, ASKR_ANSWER_WORKER_DIED);
        check_untouched(c);
        all->refused++;
        break;
    case ASKR_CALL_BROKEN: all->broken++; break;
    default: return;
    }
    CHECK_EQUAL(c->call.xid, 0);
    leave(c);
}

/* Whoever has more, and whoever has news; waits for news when there is nobody. */
static void crowd_turn(crowd *all)
{
    int has_done = 0;
    for (int i = 0; i < CLIENTS; i++)
        if (all->c[i].call.xid != 0 && all->has_more[i]) {
            crowd_pump(all, i);
            has_done = 1;
        }
    client *c;
    while ((c = askr_calls_next(calls)) != NULL) {
        crowd_pump(all, (int)(c - all->c));
        has_done = 1;
    }
    int is_open = 0;
    for (int i = 0; i < CLIENTS; i++)
        is_open |= all->c[i].call.xid != 0;
    if (!has_done && is_open) {
        struct pollfd p = {.fd = eventfds[FRONT], .events = POLLIN};
        CHECK_EQUAL(poll(&p, 1, -1), 1);
    }
}

static void crowd_end(crowd *all)
{
    for (uint32_t w = 0; w < WORKERS; w++) {
        CHECK_EQUAL(askr_worker_command(pool, w, ASKR_COMMAND_DRAIN), ASKR_OK);
        CHECK_EQUAL(wait_is_dead(all->pids[w]), 0);
    }
    CHECK(askr_calls_next(calls) == NULL);
}

static crowd *crowd_of_this_test(void)
{
    static crowd all;
    all = (crowd){.random = 11};
    for (uint32_t w = 0; w < WORKERS; w++)
        all.pids[w] = start_worker(w, serve_many);
    return &all;
}

static void test_many_requests_of_many_clients(void)
{
    enum { REQUESTS = 600 };
    set_up();
    crowd *all = crowd_of_this_test();
    while (crowd_over(all) < REQUESTS) {
        crowd_start(all, REQUESTS);
        crowd_turn(all);
    }
    CHECK(all->ended > REQUESTS / 2 && all->dropped > 0);
    CHECK_EQUAL(all->refused + all->broken, 0);
    crowd_end(all);
    stage_strike();
}

static void test_workers_are_killed_among_many_requests(void)
{
    enum { REQUESTS = 600, KILLS = 30 };
    uint32_t kills = 0;
    set_up();
    crowd *all = crowd_of_this_test();
    while (crowd_over(all) < REQUESTS) {
        crowd_start(all, REQUESTS);
        crowd_turn(all);
        if (crowd_over(all) >= (kills + 1) * REQUESTS / (KILLS + 1)) {
            uint32_t w = kills++ % WORKERS;
            kill_and_repair(all->pids[w], w);
            all->pids[w] = start_worker(w, serve_many);
        }
    }
    CHECK(kills >= KILLS && all->ended > 0);
    crowd_end(all);
    stage_strike();
}

int main(void)
{
    stage_open();
    test_many_requests_of_many_clients();
    test_workers_are_killed_among_many_requests();
    stage_close();
    return 0;
}
