#include "wire_rig.h"

/* A whole wire: connections that leave, to Python or for good, at any moment; drain and stop.  Nothing is left behind, however they leave. */

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

int main(void)
{
    (void)alarm(110);
    RUN(who_leaves_stops_the_worker);
    RUN(who_leaves_before_the_response_is_logged_as_499);
    RUN(a_half_closed_client_gets_static_answers);
    RUN(clients_may_leave_at_any_moment);
    RUN(what_needs_policy_goes_to_python_and_comes_back);
    RUN(each_kind_of_deferred_request_goes_to_python);
    RUN(a_connection_that_python_closes_is_gone);
    RUN(hand_overs_that_nobody_took_are_let_go);
    RUN(a_drain_finishes_what_is_under_way_and_closes_the_rest);
    RUN(a_stop_cuts_what_is_left);
    RUN(a_wire_that_cannot_be_made_says_at_which_step);
    printf("ok\n");
    return 0;
}
