#include "wire_rig.h"

#include <sys/resource.h>

/*
 * A whole wire: what clients can observe in each phase of a connection, and that nothing is left behind, however they leave.
 * Timeouts that a test waits for are short, all others practically endless: tests wait for events only.
 */

#define GET(path)  "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define SHORT      (20 * 1000000ull)
#define SMALL      GET("/small.txt")
#define SMALL_BODY "small content\n"
#define PHP        GET("/app")

enum { FLOOD = 12000 };

static void a_connection_is_kept_for_static_fixed_and_php_answers(void)
{
    rig *r = rig_new();
    rig_start(r);
    int fd = client_open(r);
    for (int i = 0; i < 3; i++) {
        client_send(fd, SMALL);
        client_expect(fd, 200, SMALL_BODY);
        client_send(fd, PHP);
        client_expect(fd, 200, "hello");
        client_send(fd, "POST /small.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
        client_expect(fd, 405, "method not allowed");
        client_send(fd, GET("/empty.txt"));
        client_expect(fd, 200, "");
    }
    askr_wire_counters seen = counters(r);
    CHECK_EQUAL(seen.accepted, 1);
    client_send(fd, "GET /app HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    client_expect(fd, 200, "hello");
    client_expect_end(fd, END_CLEAN);
    AWAIT_COUNTER(r, open, 0);
    seen = counters(r);
    CHECK_EQUAL(seen.requests, 13);
    CHECK_EQUAL(seen.responses[2], 10);
    CHECK_EQUAL(seen.responses[4], 3);
    rig_free(r);
}

static void head_is_answered_without_a_body(void)
{
    rig *r = rig_new();
    response got;
    rig_start(r);
    int fd = client_open(r);
    client_send(fd, "HEAD /middle.bin HTTP/1.1\r\nHost: a\r\n\r\nHEAD /app HTTP/1.1\r\nHost: a\r\n\r\n" SMALL);
    CHECK(client_read(fd, 1, &got));
    CHECK(strstr(got.head, "Content-Length: 65000\r\n") != NULL);
    CHECK(client_read(fd, 1, &got));
    CHECK_EQUAL(got.status, 200);
    client_expect(fd, 200, SMALL_BODY);
    (void)close(fd);
    rig_free(r);
}

static void pipelined_requests_are_answered_in_order(void)
{
    enum { ROUNDS = 40 };
    static const char block[] = SMALL PHP GET("/empty.txt")
        GET("/big.bin") "POST /app?echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody" GET("/middle.bin");
    rig *r = rig_new();
    rig_start(r);
    int fd = client_open(r);
    for (int i = 0; i < ROUNDS; i++)
        client_send(fd, block);
    for (int i = 0; i < ROUNDS; i++) {
        response big;
        client_expect(fd, 200, SMALL_BODY);
        client_expect(fd, 200, "hello");
        client_expect(fd, 200, "");
        CHECK(client_read(fd, 0, &big));
        CHECK(big.is_whole);
        CHECK_EQUAL(big.body_bytes, BIG_BYTES);
        for (uint32_t at = 0; at < BIG_BYTES; at++)
            CHECK(big.body[at] == big_byte(at));
        response_free(&big);
        client_expect(fd, 200, "body");
        CHECK(client_read(fd, 0, &big));
        CHECK(big.is_whole && big.body_bytes == 65000 && big.body[64999] == big_byte(64999));
        response_free(&big);
    }
    (void)close(fd);
    rig_free(r);
}

static void *send_flood(void *argument)
{
    for (int i = 0; i < FLOOD; i++)
        client_send(*(const int *)argument, SMALL);
    return NULL;
}

/* More than a turn's share, more than the sockets hold, more lines than the log's ring: nothing is lost but lines. */
static void a_flood_of_requests_is_answered_in_turns(void)
{
    rig *r = rig_new();
    pthread_t sender;
    rig_start(r);
    int fd = client_open_with(r, 4096), other = client_open(r);
    CHECK_EQUAL(pthread_create(&sender, NULL, send_flood, &fd), 0);
    client_send(other, PHP);
    client_expect(other, 200, "hello");
    static char sink[1 << 16];
    uint64_t answers = 0;
    for (size_t matched = 0; answers < FLOOD;) {
        ssize_t n = recv(fd, sink, sizeof sink, 0);
        CHECK(n > 0);
        for (ssize_t at = 0; at < n; at++) { /* no byte of the content but the first is an `s` */
            matched = sink[at] == SMALL_BODY[matched] ? matched + 1 : sink[at] == 's';
            answers += matched == strlen(SMALL_BODY);
            matched %= strlen(SMALL_BODY);
        }
    }
    CHECK_EQUAL(pthread_join(sender, NULL), 0);
    client_send(fd, PHP);
    client_expect(fd, 200, "hello");
    AWAIT_COUNTER(r, requests, FLOOD + 2);
    askr_wire_counters seen = counters(r);
    char *log = take_log(r);
    uint64_t lines = 0;
    for (const char *at = log; *at != '\0'; at++)
        lines += *at == '\n';
    CHECK_EQUAL(lines + seen.log_dropped, FLOOD + 2);
    CHECK(seen.log_dropped > 0);
    free(log);
    (void)close(fd);
    (void)close(other);
    rig_free(r);
}

/* The content of files that are not new is kept in memory: up to the batch's size it goes out with its head, larger content behind it. */
static void contents_in_memory_are_the_files(void)
{
    static const char *const names[] = {"stdio.h", "linux/nl80211.h"}; /* of the C library: 30 KB and 300 KB */
    rig *r = rig_new();
    r->config.site.root = "/usr/include";
    r->config.site.small_bytes = 1 << 20;
    rig_start(r);
    int fd = client_open(r), slow = client_open_with(r, 4096);
    for (int i = 0; i < 8; i++) {
        char request[100], path[100];
        response got;
        (void)snprintf(request, sizeof request, "GET /%s HTTP/1.1\r\nHost: a\r\n\r\n", names[i % 2]);
        (void)snprintf(path, sizeof path, "/usr/include/%s", names[i % 2]);
        client_send(i < 4 ? fd : slow, request);
        CHECK(client_read(i < 4 ? fd : slow, 0, &got));
        CHECK_EQUAL(got.status, 200);
        FILE *file = fopen(path, "rb");
        uint8_t *bytes = malloc(got.body_bytes + 1);
        CHECK_EQUAL(fread(bytes, 1, got.body_bytes + 1, file), got.body_bytes);
        CHECK(got.is_whole && memcmp(bytes, got.body, got.body_bytes) == 0);
        (void)fclose(file);
        free(bytes);
        response_free(&got);
    }
    for (int i = 0; i < 100; i++) /* more than the socket takes, and nobody reads yet */
        client_send(slow, GET("/stdio.h"));
    while (counters(r).held_bytes == 0)
        pass_time();
    for (int i = 0; i < 100; i++)
        client_expect(slow, 200, NULL);
    (void)close(fd);
    (void)close(slow);
    rig_free(r);
}

static void a_request_may_come_byte_by_byte(void)
{
    static const char text[] = SMALL "POST /app?echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789" SMALL;
    rig *r = rig_new();
    rig_start(r);
    int fd = client_open(r);
    const int one = 1;
    CHECK_EQUAL(setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof one), 0);
    for (const char *at = text; *at != '\0'; at++)
        client_send_bytes(fd, at, 1);
    client_expect(fd, 200, SMALL_BODY);
    client_expect(fd, 200, "0123456789");
    client_expect(fd, 200, SMALL_BODY);
    (void)close(fd);
    rig_free(r);
}

static void bodies_of_any_size_up_to_the_limit_reach_php(void)
{
    static const uint32_t sizes[] = {1, 4095, 65536, 199999, 200000};
    uint8_t *body = malloc(200000);
    rig *r = rig_new();
    rig_start(r);
    int fd = client_open(r);
    for (uint32_t i = 0; i < 200000; i++)
        body[i] = big_byte(i);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char head[100];
        response got;
        (void)snprintf(head, sizeof head, "POST /app?echo HTTP/1.1\r\nHost: a\r\nContent-Length: %u\r\n\r\n", sizes[i]);
        client_send(fd, head);
        client_send_bytes(fd, body, sizes[i]);
        CHECK(client_read(fd, 0, &got));
        CHECK(got.is_whole && got.body_bytes == sizes[i]);
        CHECK(memcmp(got.body, body, sizes[i]) == 0);
        response_free(&got);
    }
    (void)close(fd);
    free(body);
    rig_free(r);
}

static void a_body_over_the_limit_is_refused_and_the_refusal_arrives(void)
{
    enum { SIZE = 1000001 };
    uint8_t *body = calloc(1, SIZE);
    rig *r = rig_new();
    rig_start(r);
    int fd = client_open(r);
    client_send(fd, "POST /app HTTP/1.1\r\nHost: a\r\nContent-Length: 1000001\r\n\r\n");
    client_send_bytes(fd, body, SIZE); /* all of it, although nobody reads it: no reset takes the answer away */
    client_expect(fd, 413, "body too large");
    client_expect_end(fd, END_CLEAN);
    AWAIT_COUNTER(r, open, 0);
    free(body);
    rig_free(r);
}

static void a_stream_arrives_whole_and_a_broken_one_does_not(void)
{
    rig *r = rig_new();
    response got;
    rig_start(r);
    int fd = client_open(r);
    client_send(fd, GET("/app?stream=200") GET("/app?large=1000000"));
    CHECK(client_read(fd, 0, &got));
    CHECK(got.is_whole && got.body_bytes == 200000);
    response_free(&got);
    CHECK(client_read(fd, 0, &got));
    CHECK(got.is_whole && got.body_bytes == 1000000);
    response_free(&got);
    client_send(fd, GET("/app?die"));
    client_expect(fd, 502, "worker died");
    client_send(fd, GET("/app?diehalf"));
    CHECK(client_read(fd, 0, &got) == 0 || !got.is_whole || got.status == 502);
    response_free(&got);
    (void)close(fd);
    rig_free(r);
}

static void a_slow_reader_gets_everything_and_holds_no_worker(void)
{
    rig *r = rig_new();
    response got;
    rig_start(r);
    int slow = client_open_with(r, 4096), other = client_open(r);
    client_send(slow, GET("/app?large=5000000"));
    while (atomic_load(&r->served) == 0) /* the worker is done with it although nobody reads */
        pass_time();
    client_send(other, PHP);
    client_expect(other, 200, "hello");
    CHECK(client_read(slow, 0, &got));
    CHECK(got.is_whole && got.body_bytes == 5000000);
    response_free(&got);
    (void)close(slow);
    (void)close(other);
    rig_free(r);
}

static void *read_all(void *argument)
{
    response got;
    CHECK(client_read(*(const int *)argument, 0, &got));
    CHECK(got.is_whole && got.body_bytes == 12000000);
    response_free(&got);
    return NULL;
}

static void a_response_that_waits_for_its_reader_goes_on(void)
{
    rig *r = rig_new();
    pthread_t reader;
    rig_start(r);
    int fd = client_open(r);
    client_send(fd, GET("/app?twice=6000000"));
    while (counters(r).held_bytes == 0) /* the reader is behind */
        pass_time();
    CHECK_EQUAL(pthread_create(&reader, NULL, read_all, &fd), 0);
    AWAIT_COUNTER(r, held_bytes, 0); /* and catches up, while the worker has more to say */
    CHECK_EQUAL(eventfd_write(r->gate, 1), 0);
    CHECK_EQUAL(pthread_join(reader, NULL), 0);
    client_send(fd, PHP);
    client_expect(fd, 200, "hello");
    (void)close(fd);
    rig_free(r);
}

static void a_request_is_routed_again_when_its_body_has_come(void)
{
    rig *r = rig_new();
    char path[100];
    rig_start(r);
    int fd = client_open(r);
    client_send(fd, "POST /late.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    while (counters(r).held_bytes == 0) /* it waits for its body */
        pass_time();
    put_file(r, "late.txt", (const uint8_t *)"late", 4);
    client_send(fd, "cd");
    client_expect(fd, 405, "method not allowed");
    client_send(fd, GET("/late.txt"));
    client_expect(fd, 200, "late");
    (void)snprintf(path, sizeof path, "%s/late.txt", r->root);
    CHECK_EQUAL(unlink(path), 0);
    char *log = take_log(r);
    CHECK(strstr(log, "\"method\":\"POST\",\"path\":\"/late.txt\",\"status\":405") != NULL);
    free(log);
    (void)close(fd);
    rig_free(r);
}

static void a_wire_without_an_access_log_serves_all_the_same(void)
{
    rig *r = rig_new();
    r->config.wants_access_log = 0;
    rig_start(r);
    int fd = client_open(r);
    client_send(fd, SMALL PHP GET("/big.bin"));
    client_expect(fd, 200, SMALL_BODY);
    client_expect(fd, 200, "hello");
    client_expect(fd, 200, NULL);
    char *log = take_log(r);
    CHECK_EQUAL(strlen(log), 0);
    free(log);
    (void)close(fd);
    rig_free(r);
}

/* ---- deadlines ---- */

static void an_idle_connection_is_closed_without_a_word(void)
{
    rig *r = rig_new();
    r->config.header_read_timeout_ns = r->config.keepalive_timeout_ns = SHORT;
    rig_start(r);
    client_expect_end(client_open(r), END_CLEAN);
    int fd = client_open(r);
    client_send(fd, SMALL);
    client_expect(fd, 200, SMALL_BODY);
    client_expect_end(fd, END_CLEAN);
    AWAIT_COUNTER(r, timeouts, 2);
    rig_free(r);
}

static void a_head_that_does_not_end_is_408(void)
{
    rig *r = rig_new();
    r->config.header_read_timeout_ns = SHORT;
    rig_start(r);
    int fd = client_open(r);
    client_send(fd, SMALL "GET /");
    client_expect(fd, 200, SMALL_BODY);
    client_expect(fd, 408, "request timeout");
    client_expect_end(fd, END_CLEAN);
    AWAIT_COUNTER(r, open, 0);
    char *log = take_log(r);
    CHECK(strstr(log, "\"method\":\"-\",\"path\":\"-\",\"status\":408") != NULL);
    free(log);
    rig_free(r);
}

static void a_body_that_does_not_come_is_408(void)
{
    rig *r = rig_new();
    r->config.body_read_timeout_ns = SHORT;
    rig_start(r);
    int fd = client_open(r);
    client_send(fd, "POST /app/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
    client_expect(fd, 408, "request timeout");
    client_expect_end(fd, END_CLEAN);
    AWAIT_COUNTER(r, open, 0);
    char *log = take_log(r);
    CHECK(strstr(log, "\"method\":\"POST\",\"path\":\"/app/x\",\"status\":408") != NULL);
    free(log);
    rig_free(r);
}

static void who_does_not_read_is_cut(void)
{
    static const char *const requests[] = {GET("/big.bin") GET("/big.bin"), GET("/app?large=8000000"),
                                           GET("/app?twice=8000000")};
    for (int i = 0; i < 3; i++) {
        rig *r = rig_new();
        r->config.write_timeout_ns = SHORT;
        rig_start(r);
        int fd = client_open_with(r, 4096);
        client_send(fd, requests[i]);
        AWAIT_COUNTER(r, timeouts, 1);
        AWAIT_COUNTER(r, open, 0);
        CHECK_EQUAL(eventfd_write(r->gate, 1), 0);
        (void)close(fd);
        rig_free(r);
    }
}

static void who_lingers_too_long_is_closed(void)
{
    rig *r = rig_new();
    r->config.linger_timeout_ns = SHORT;
    rig_start(r);
    int fd = client_open(r);
    client_send(fd, "POST /app HTTP/1.1\r\nHost: a\r\nContent-Length: 1000001\r\n\r\n");
    client_expect(fd, 413, NULL);
    AWAIT_COUNTER(r, open, 0);
    client_expect_end(fd, END_CLEAN);
    rig_free(r);
}

static void a_request_that_no_worker_takes_in_time_is_503(void)
{
    rig *r = rig_new();
    r->config.queue_timeout_ns = SHORT;
    rig_start(r);
    int holder = client_open(r), fd = client_open(r);
    client_send(holder, GET("/app?hold"));
    askr_worker_view view = {0};
    while (view.state != ASKR_WORKER_BUSY)
        CHECK_EQUAL(askr_worker_view_get(r->pool, WORKER, &view), ASKR_OK);
    client_send(fd, PHP);
    client_expect(fd, 503, "no worker");
    CHECK_EQUAL(eventfd_write(r->gate, 1), 0);
    client_expect(holder, 200, "hello"); /* who has a worker has no such deadline */
    client_send(fd, PHP);
    client_expect(fd, 200, "hello");
    (void)close(holder);
    (void)close(fd);
    rig_free(r);
}

static void a_worker_that_was_woken_and_does_not_run_holds_nothing_up(void)
{
    rig *r = rig_new();
    rig_start(r);
    _Atomic uint64_t *sleepers = &r->pool->control->sleepers[0];
    int fd = client_open(r);
    for (int i = 0; i < 5; i++) {
        while (atomic_load(sleepers) != 1u << WORKER)
            pass_time();
        atomic_fetch_or(sleepers, 1); /* the other worker is stopped in its sleep, and is the one that is woken */
        client_send(fd, PHP);
        client_expect(fd, 200, "hello");
    }
    (void)close(fd);
    rig_free(r);
}

/* ---- clients that leave ---- */

static void who_leaves_stops_the_worker(void)
{
    for (int resets = 0; resets < 2; resets++) {
        rig *r = rig_new();
        uint64_t told;
        rig_start(r);
        int fd = client_open(r);
        client_send(fd, GET("/app?untilgone"));
        uint8_t byte;
        CHECK(read_exactly(fd, &byte, 1));
        if (resets)
            client_reset(fd);
        else
            (void)close(fd);
        CHECK_EQUAL(read(r->cancelled, &told, sizeof told), sizeof told);
        AWAIT_COUNTER(r, open, 0);
        rig_free(r);
    }
}

static void who_leaves_before_the_response_is_logged_as_499(void)
{
    rig *r = rig_new();
    rig_start(r);
    int fd = client_open(r);
    client_send(fd, GET("/app/gone?hold"));
    askr_worker_view view = {0};
    while (view.state != ASKR_WORKER_BUSY)
        CHECK_EQUAL(askr_worker_view_get(r->pool, WORKER, &view), ASKR_OK);
    (void)close(fd);
    AWAIT_COUNTER(r, open, 0);
    CHECK_EQUAL(eventfd_write(r->gate, 1), 0);
    while (atomic_load(&r->served) == 0)
        pass_time();
    char *log = take_log(r);
    CHECK(strstr(log, "\"path\":\"/app/gone\",\"status\":499") != NULL);
    free(log);
    CHECK_EQUAL(counters(r).responses[0], 1);
    rig_free(r);
}

static void a_half_closed_client_gets_static_answers(void)
{
    rig *r = rig_new();
    rig_start(r);
    int fd = client_open(r);
    client_send(fd, SMALL GET("/middle.bin") SMALL);
    CHECK_EQUAL(shutdown(fd, SHUT_WR), 0);
    client_expect(fd, 200, SMALL_BODY);
    client_expect(fd, 200, NULL);
    client_expect(fd, 200, SMALL_BODY);
    client_expect_end(fd, END_CLEAN);
    rig_free(r);
}

#define CHUNKED "POST /app HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"

/* Python, as a thread: gives connections back, with and without bytes read ahead, or closes them, at random, until it is told to end. */
static void *be_python(void *argument)
{
    const rig *r = argument;
    uint64_t random = 5;
    for (;;) {
        askr_event event = await_event(r);
        const uint32_t n = (uint32_t)strlen(CHUNKED);
        if (event.kind == ASKR_EVENT_DRAINED)
            return NULL;
        if (random_next(&random) % 2 == 0) {
            (void)send(event.fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 38, MSG_NOSIGNAL);
            uint32_t used = event.len < n ? event.len : n;
            CHECK_EQUAL(askr_wire_give_back(r->wire, event.connection, event.fd, event.bytes + used, event.len - used),
                        ASKR_OK);
        } else {
            (void)close(event.fd);
            CHECK_EQUAL(askr_wire_closed(r->wire, event.connection), ASKR_OK);
        }
        askr_wire_free(event.bytes);
    }
}

static void clients_may_leave_at_any_moment(void)
{
    static const char text[] = SMALL CHUNKED GET("/app?stream=30") GET("/big.bin") GET("/app?large=300000") CHUNKED
        "POST /app?echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n" SMALL
        "POST /app HTTP/1.1\r\nHost: a\r\nContent-Length: 1000001\r\n\r\nxyz";
    enum { CLIENTS = 600 };
    uint64_t random = 99;
    pthread_t python;
    rig *r = rig_new();
    r->config.connections = CLIENTS;
    rig_start(r);
    CHECK_EQUAL(pthread_create(&python, NULL, be_python, r), 0);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        uint32_t from = random_next(&random) % 4 == 0 ? random_next(&random) % 200 : 0;
        uint32_t cut = from + random_next(&random) % (uint32_t)(sizeof text - from);
        uint32_t reads = random_next(&random) % 3 * 40000;
        int fd = client_open_with(r, i % 3 == 0 ? 4096 : 0);
        uint8_t *sink = malloc(reads + 1);
        if (cut > from)
            client_send_bytes(fd, text + from, cut - from);
        if (i % 5 == 0)
            CHECK_EQUAL(shutdown(fd, SHUT_WR), 0);
        if (cut > 200 && from == 0)
            (void)read_exactly(fd, sink, i % 5 == 0 ? 1 : reads);
        free(sink);
        if (random_next(&random) % 2 == 0)
            client_reset(fd);
        else
            (void)close(fd);
    }
    AWAIT_COUNTER(r, accepted, CLIENTS);
    AWAIT_COUNTER(r, open, 0);
    AWAIT_COUNTER(r, away, 0);
    AWAIT_COUNTER(r, held_bytes, 0);
    CHECK(counters(r).handed_over > 0);
    int fd = client_open(r);
    client_send(fd, SMALL PHP);
    client_expect(fd, 200, SMALL_BODY);
    client_expect(fd, 200, "hello");
    (void)close(fd);
    askr_wire_drain(r->wire);
    CHECK_EQUAL(pthread_join(python, NULL), 0);
    rig_free(r);
}

/* ---- Python's part ---- */

static void what_needs_policy_goes_to_python_and_comes_back(void)
{
    rig *r = rig_new();
    rig_start(r);
    int fd = client_open(r);
    client_send(fd, SMALL CHUNKED SMALL);
    askr_event event = await_event(r);
    client_expect(fd, 200, SMALL_BODY); /* answered before it left */
    CHECK_EQUAL(event.kind, ASKR_EVENT_CONNECTION);
    CHECK_EQUAL(event.len, strlen(CHUNKED SMALL));
    CHECK(memcmp(event.bytes, CHUNKED SMALL, event.len) == 0);
    AWAIT_COUNTER(r, away, 1);
    CHECK_EQUAL(counters(r).open, 1);
    client_send_bytes(event.fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 38);
    CHECK_EQUAL(askr_wire_give_back(r->wire, event.connection, event.fd, event.bytes + strlen(CHUNKED), strlen(SMALL)),
                ASKR_OK);
    askr_wire_free(event.bytes);
    client_expect(fd, 200, "");
    client_expect(fd, 200, SMALL_BODY); /* what Python had read ahead */
    AWAIT_COUNTER(r, away, 0);
    client_send(fd, PHP);
    client_expect(fd, 200, "hello");
    (void)close(fd);
    AWAIT_COUNTER(r, open, 0);
    CHECK_EQUAL(counters(r).handed_over, 1);
    rig_free(r);
}

static void each_kind_of_deferred_request_goes_to_python(void)
{
    static const char *const requests[] = {
        CHUNKED,
        "GET http://a/small.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /app HTTP/1.1\r\nHost: a\r\nContent-Length: 200001\r\n\r\nabc", /* more than memory is for */
        "GET /small.txt HTTP/1.1\r\nHost: a\r\nIf-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n\r\n",
        "GET /small.txt HTTP/1.1\r\nHost: a\r\nIf-Match: W/\"x\", \"y\"\r\n\r\n",
        "NONSENSE\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        rig *r = rig_new();
        rig_start(r);
        int fd = client_open(r);
        client_send(fd, requests[i]);
        askr_event event = await_event(r);
        CHECK_EQUAL(event.kind, ASKR_EVENT_CONNECTION);
        CHECK(event.len == strlen(requests[i]) && memcmp(event.bytes, requests[i], event.len) == 0);
        askr_wire_free(event.bytes);
        (void)close(event.fd);
        CHECK_EQUAL(askr_wire_closed(r->wire, event.connection), ASKR_OK);
        client_expect_end(fd, END_CLEAN);
        rig_free(r);
    }
}

static void a_connection_that_python_closes_is_gone(void)
{
    rig *r = rig_new();
    rig_start(r);
    int fd = client_open(r);
    client_send(fd, CHUNKED);
    askr_event event = await_event(r);
    CHECK(event.is_timed && event.since_mono_ns > 0);
    (void)close(event.fd);
    askr_wire_free(event.bytes);
    CHECK_EQUAL(askr_wire_closed(r->wire, event.connection), ASKR_OK);
    AWAIT_COUNTER(r, open, 0);
    client_expect_end(fd, END_CLEAN);
    /* A number that is kept too long finds nothing, also when the slot lives again. */
    fd = client_open(r);
    client_send(fd, SMALL);
    client_expect(fd, 200, SMALL_BODY);
    CHECK_EQUAL(askr_wire_closed(r->wire, event.connection), ASKR_OK);
    CHECK_EQUAL(askr_wire_closed(r->wire, UINT64_MAX), ASKR_OK);
    CHECK_EQUAL(askr_wire_closed(r->wire, 0), ASKR_OK);
    CHECK_EQUAL(askr_wire_give_back(r->wire, event.connection, dup(fd), (const uint8_t *)"GET", 3), ASKR_OK);
    CHECK_EQUAL(askr_wire_give_back(r->wire, event.connection, -1, NULL, 0), ASKR_EINVAL);
    client_send(fd, SMALL);
    client_expect(fd, 200, SMALL_BODY);
    (void)close(fd);
    rig_free(r);
}

static void hand_overs_that_nobody_took_are_let_go(void)
{
    rig *r = rig_new();
    rig_start(r);
    int taken = client_open(r), left = client_open(r), back = client_open(r);
    client_send(taken, CHUNKED);
    askr_event event = await_event(r);
    client_send(back, CHUNKED);
    askr_event other = await_event(r);
    client_send(left, CHUNKED);
    AWAIT_COUNTER(r, away, 3);
    CHECK_EQUAL(askr_wire_stop(r->wire), 0); /* none was the wire's */
    CHECK_EQUAL(askr_wire_give_back(r->wire, other.connection, other.fd, other.bytes, other.len), ASKR_OK);
    (void)close(event.fd);
    askr_wire_free(event.bytes);
    askr_wire_free(other.bytes);
    (void)close(taken);
    (void)close(left);
    (void)close(back);
    rig_free(r);
}

/* ---- limits ---- */

static void more_connections_than_may_be_are_turned_away(void)
{
    int fds[5];
    rig *r = rig_new();
    r->config.connections = 5;
    rig_start(r);
    for (int i = 0; i < 5; i++) {
        fds[i] = client_open(r);
        client_send(fds[i], SMALL);
        client_expect(fds[i], 200, SMALL_BODY);
    }
    int refused = client_open(r);
    client_expect(refused, 503, "busy");
    client_expect_end(refused, END_CLEAN);
    (void)close(fds[0]);
    AWAIT_COUNTER(r, open, 4);
    fds[0] = client_open(r);
    client_send(fds[0], SMALL);
    client_expect(fds[0], 200, SMALL_BODY);
    CHECK_EQUAL(counters(r).turned_away, 1);
    for (int i = 0; i < 5; i++)
        (void)close(fds[i]);
    rig_free(r);
}

static void one_address_has_its_own_limit(void)
{
    rig *r = rig_new();
    r->config.connections_per_address = 2;
    rig_start(r);
    int first = client_open(r), second = client_open(r), refused = client_open(r);
    client_expect(refused, 503, "busy");
    client_expect_end(refused, END_CLEAN);
    (void)close(first);
    AWAIT_COUNTER(r, open, 1);
    first = client_open(r);
    client_send(first, SMALL);
    client_expect(first, 200, SMALL_BODY);
    (void)close(first);
    (void)close(second);
    rig_free(r);
}

static void more_requests_than_the_pool_holds_are_503(void)
{
    enum { EXCHANGES = 64 };
    int fds[EXCHANGES];
    rig *r = rig_new();
    r->config.connections = EXCHANGES + 1;
    rig_start(r);
    for (int i = 0; i < EXCHANGES; i++) {
        fds[i] = client_open(r);
        client_send(fds[i], GET("/app?hold"));
    }
    int fd = client_open(r);
    askr_pool_audit_view audit = {0};
    while (audit.exchanges[ASKR_EXCHANGE_FREE] + audit.exchanges[ASKR_EXCHANGE_FILLING] > 0 || audit.queue_depth == 0)
        CHECK_EQUAL(askr_pool_audit(r->pool, &audit), ASKR_OK);
    client_send(fd, PHP);
    client_expect(fd, 503, "busy");
    CHECK_EQUAL(eventfd_write(r->gate, EXCHANGES), 0);
    for (int i = 0; i < EXCHANGES; i++) {
        client_expect(fds[i], 200, "hello");
        (void)close(fds[i]);
    }
    client_send(fd, PHP); /* and the connection that was refused is still good */
    client_expect(fd, 200, "hello");
    (void)close(fd);
    rig_free(r);
}

static void hand_overs_that_python_does_not_take_are_503_in_the_end(void)
{
    enum { WAITING = 1024 }; /* as many as the mailbox holds */
    struct rlimit before, more;
    int *fds = calloc(WAITING, sizeof *fds), fd;
    CHECK_EQUAL(getrlimit(RLIMIT_NOFILE, &before), 0);
    more = before;
    more.rlim_cur = before.rlim_max < 4096 ? before.rlim_max : 4096;
    CHECK(more.rlim_cur > 2 * WAITING + 50);
    CHECK_EQUAL(setrlimit(RLIMIT_NOFILE, &more), 0);
    rig *r = rig_new();
    r->config.connections = WAITING + 10;
    rig_start(r);
    for (int i = 0; i < WAITING; i++) {
        fds[i] = client_open(r);
        client_send(fds[i], CHUNKED);
    }
    AWAIT_COUNTER(r, away, WAITING);
    fd = client_open(r);
    client_send(fd, SMALL CHUNKED);
    client_expect(fd, 200, SMALL_BODY);
    client_expect(fd, 503, "busy");
    client_expect_end(fd, END_CLEAN);
    fd = client_open(r);
    client_send(fd, PHP); /* what is the wire's own is served */
    client_expect(fd, 200, "hello");
    (void)close(fd);
    for (int i = 0; i < WAITING; i++)
        (void)close(fds[i]);
    rig_free(r);
    free(fds);
    CHECK_EQUAL(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void php_is_told_both_ends_of_the_connection(void)
{
    static const uint32_t hosts[] = {INADDR_LOOPBACK, INADDR_ANY};
    for (int i = 0; i < 2; i++) {
        rig *r = rig_new();
        (void)close(r->listener);
        open_listener(r, hosts[i]);
        rig_start(r);
        int fd = client_open(r);
        for (int again = 0; again < 2; again++) {
            client_send(fd, GET("/app?ends"));
            client_expect(fd, 200, "127.0.0.1 127.0.0.1");
        }
        (void)close(fd);
        rig_free(r);
    }
}

static void without_descriptors_accepting_pauses_and_goes_on(void)
{
    struct rlimit before, none;
    rig *r = rig_new();
    rig_start(r);
    int fd = client_open(r), waiting;
    client_send(fd, SMALL);
    client_expect(fd, 200, SMALL_BODY);
    waiting = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)r->port)};
    CHECK_EQUAL(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)waiting; /* everything above is out of reach, and below everything is in use */
    CHECK_EQUAL(setrlimit(RLIMIT_NOFILE, &none), 0);
    CHECK_EQUAL(connect(waiting, (struct sockaddr *)&address, sizeof address), 0);
    while (counters(r).accept_pauses == 0)
        pass_time();
    client_send(fd, SMALL); /* who is in is served */
    client_expect(fd, 200, SMALL_BODY);
    CHECK_EQUAL(setrlimit(RLIMIT_NOFILE, &before), 0);
    client_send(waiting, SMALL);
    client_expect(waiting, 200, SMALL_BODY);
    (void)close(fd);
    (void)close(waiting);
    rig_free(r);
}

static void held_memory_pauses_accepting(void)
{
    rig *r = rig_new();
    r->config.buffer_bytes = 20000;
    rig_start(r);
    char head[16000];
    memset(head, 'a', sizeof head);
    memcpy(head, "GET / HTTP/1.1\r\nHost: ", 22);
    int first = client_open(r), second = client_open(r), third;
    client_send_bytes(first, head, sizeof head);
    client_send_bytes(second, head, sizeof head);
    while (counters(r).held_bytes < 32000)
        pass_time();
    third = client_open(r);
    client_send(third, SMALL);
    while (counters(r).accept_pauses == 0)
        pass_time();
    CHECK_EQUAL(counters(r).accepted, 2);
    (void)close(first);
    (void)close(second);
    client_expect(third, 200, SMALL_BODY);
    (void)close(third);
    rig_free(r);
}

static void an_idle_wire_does_not_wake_up(void)
{
    int fds[50];
    rig *idle = rig_new();
    rig_start(idle);
    for (int i = 0; i < 50; i++) {
        fds[i] = client_open(idle);
        client_send(fds[i], SMALL);
        client_expect(fds[i], 200, SMALL_BODY);
    }
    uint64_t turns = counters(idle).turns;
    rig *busy = rig_new(); /* time passes in here */
    rig_start(busy);
    int fd = client_open(busy);
    for (int i = 0; i < 1000; i++) {
        client_send(fd, PHP);
        client_expect(fd, 200, "hello");
    }
    (void)close(fd);
    rig_free(busy);
    CHECK_EQUAL(counters(idle).turns, turns);
    for (int i = 0; i < 50; i++)
        (void)close(fds[i]);
    rig_free(idle);
}

/* ---- the end ---- */

static void a_drain_finishes_what_is_under_way_and_closes_the_rest(void)
{
    rig *r = rig_new();
    response got;
    rig_start(r);
    int idle = client_open(r), busy = client_open(r), away = client_open(r);
    client_send(idle, SMALL);
    client_expect(idle, 200, SMALL_BODY);
    client_send(away, CHUNKED);
    askr_event event = await_event(r);
    client_send(busy, GET("/app?hold"));
    askr_worker_view view = {0};
    while (view.state != ASKR_WORKER_BUSY)
        CHECK_EQUAL(askr_worker_view_get(r->pool, WORKER, &view), ASKR_OK);
    askr_wire_drain(r->wire);
    client_expect_end(idle, END_CLEAN);
    CHECK_EQUAL(eventfd_write(r->gate, 1), 0);
    CHECK(client_read(busy, 0, &got));
    CHECK(got.is_whole && strcasestr(got.head, "\r\nConnection: close\r\n") != NULL);
    response_free(&got);
    client_expect_end(busy, END_CLEAN);
    AWAIT_COUNTER(r, open, 1);
    CHECK_EQUAL(askr_wire_give_back(r->wire, event.connection, event.fd, NULL, 0), ASKR_OK);
    askr_wire_free(event.bytes);
    client_expect_end(away, END_CLEAN);
    event = await_event(r);
    CHECK_EQUAL(event.kind, ASKR_EVENT_DRAINED);
    rig_free(r);
}

static void a_stop_cuts_what_is_left(void)
{
    rig *r = rig_new();
    rig_start(r);
    int idle = client_open(r), running = client_open(r), sending = client_open_with(r, 4096), half = client_open(r);
    client_send(idle, SMALL);
    client_expect(idle, 200, SMALL_BODY);
    client_send(half, "POST /app HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
    client_send(sending, GET("/big.bin"));
    uint8_t byte;
    CHECK(read_exactly(sending, &byte, 1));
    client_send(running, GET("/app?untilgone"));
    CHECK(read_exactly(running, &byte, 1));
    AWAIT_COUNTER(r, open, 4);
    CHECK_EQUAL(askr_wire_stop(r->wire), 4);
    client_expect_end(idle, END_RESET);
    client_expect_end(half, END_RESET);
    (void)close(running);
    (void)close(sending);
    rig_free(r);
}

static void a_wire_that_cannot_be_made_says_at_which_step(void)
{
    rig *r = rig_new();
    askr_wire *none = NULL;
    const char *what = "";
    askr_wire_config bad = r->config;
    bad.site.root = "/nonexistent/for/sure";
    CHECK_EQUAL(askr_wire_create(&bad, &none, &what), ASKR_ESYS);
    CHECK(strcmp(what, "opening the document root") == 0 && errno == ENOENT);
    bad = r->config;
    bad.pool_fd = r->gate;
    CHECK_EQUAL(askr_wire_create(&bad, &none, &what), ASKR_ESYS);
    CHECK(strcmp(what, "joining the pool") == 0);
    bad = r->config;
    bad.connections = 0;
    CHECK_EQUAL(askr_wire_create(&bad, &none, &what), ASKR_ESYS);
    CHECK(none == NULL);
    rig_start(r);
    rig_free(r);
}

static void every_answer_has_a_line_in_the_log(void)
{
    rig *r = rig_new();
    rig_start(r);
    int fd = client_open(r);
    client_send(fd,
                GET("/big.bin?x=1") PHP GET("/app/with/a/path/that/is/longer/than/what/the/slot/has/room/for?hold"));
    client_expect(fd, 200, NULL);
    client_expect(fd, 200, "hello");
    CHECK_EQUAL(eventfd_write(r->gate, 1), 0);
    client_expect(fd, 200, "hello");
    AWAIT_COUNTER(r, requests, 3);
    char *log = take_log(r);
    CHECK(strstr(log,
                 "\"ip\":\"127.0.0.1\",\"method\":\"GET\",\"path\":\"/big.bin\",\"status\":200,\"bytes\":3145728,") !=
          NULL);
    CHECK(strstr(log, "\"path\":\"/app\",\"status\":200,\"bytes\":5,") != NULL);
    CHECK(strstr(log, "\"path\":\"/app/with/a/path/that/is/longer/than/what/the/slot/has/room/for\",\"status\":200") !=
          NULL);
    free(log);
    (void)close(fd);
    rig_free(r);
}

#define RUN(test) (printf("%s\n", #test), (void)fflush(stdout), test())

int main(void)
{
    (void)alarm(110);
    RUN(a_connection_is_kept_for_static_fixed_and_php_answers);
    RUN(head_is_answered_without_a_body);
    RUN(pipelined_requests_are_answered_in_order);
    RUN(a_flood_of_requests_is_answered_in_turns);
    RUN(contents_in_memory_are_the_files);
    RUN(a_request_may_come_byte_by_byte);
    RUN(bodies_of_any_size_up_to_the_limit_reach_php);
    RUN(a_body_over_the_limit_is_refused_and_the_refusal_arrives);
    RUN(a_stream_arrives_whole_and_a_broken_one_does_not);
    RUN(a_slow_reader_gets_everything_and_holds_no_worker);
    RUN(a_response_that_waits_for_its_reader_goes_on);
    RUN(a_request_is_routed_again_when_its_body_has_come);
    RUN(a_wire_without_an_access_log_serves_all_the_same);
    RUN(an_idle_connection_is_closed_without_a_word);
    RUN(a_head_that_does_not_end_is_408);
    RUN(a_body_that_does_not_come_is_408);
    RUN(who_does_not_read_is_cut);
    RUN(who_lingers_too_long_is_closed);
    RUN(a_request_that_no_worker_takes_in_time_is_503);
    RUN(a_worker_that_was_woken_and_does_not_run_holds_nothing_up);
    RUN(who_leaves_stops_the_worker);
    RUN(who_leaves_before_the_response_is_logged_as_499);
    RUN(a_half_closed_client_gets_static_answers);
    RUN(clients_may_leave_at_any_moment);
    RUN(what_needs_policy_goes_to_python_and_comes_back);
    RUN(each_kind_of_deferred_request_goes_to_python);
    RUN(a_connection_that_python_closes_is_gone);
    RUN(hand_overs_that_nobody_took_are_let_go);
    RUN(more_connections_than_may_be_are_turned_away);
    RUN(one_address_has_its_own_limit);
    RUN(more_requests_than_the_pool_holds_are_503);
    RUN(hand_overs_that_python_does_not_take_are_503_in_the_end);
    RUN(php_is_told_both_ends_of_the_connection);
    RUN(without_descriptors_accepting_pauses_and_goes_on);
    RUN(held_memory_pauses_accepting);
    RUN(an_idle_wire_does_not_wake_up);
    RUN(a_drain_finishes_what_is_under_way_and_closes_the_rest);
    RUN(a_stop_cuts_what_is_left);
    RUN(a_wire_that_cannot_be_made_says_at_which_step);
    RUN(every_answer_has_a_line_in_the_log);
    printf("ok\n");
    return 0;
}
