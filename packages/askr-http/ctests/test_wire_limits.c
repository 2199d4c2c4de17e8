#include "wire_rig.h"

#include <sys/resource.h>

/*
 * A whole wire: deadlines and limits.  Timeouts that a test waits for are short, all others practically endless: tests wait for events only.
 */

/* ---- deadlines ---- */

static void an_idle_connection_is_closed_without_a_word(void)
{
    rig *r = rig_new();
    r->config.header_read_timeout_ns = SHORT;
    rig_start(r);
    client_expect_end(client_open(r), END_CLEAN); /* it has never asked */
    AWAIT_COUNTER(r, timeouts, 1);
    rig_free(r);
    r = rig_new();
    r->config.keepalive_timeout_ns = SHORT;
    rig_start(r);
    int fd = client_open(r);
    client_send(fd, SMALL);
    client_expect(fd, 200, SMALL_BODY);
    client_expect_end(fd, END_CLEAN);
    AWAIT_COUNTER(r, timeouts, 1);
    rig_free(r);
}

static void a_head_that_does_not_end_is_408(void)
{
    rig *r = rig_new();
    r->config.header_read_timeout_ns = SHORT;
    int fd = client_open(r);
    client_send(fd, SMALL "GET /");
    rig_start(r); /* now, so that the time of the accept is not that of a slow test */
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

/* Asks until a worker took it in time, which on a busy machine may take several attempts; the status of the others is 503. */
static void ask_until_a_worker_has_it(const rig *r, int fd, const char *request)
{
    askr_worker_view view = {0};
    client_send(fd, request);
    while (view.state != ASKR_WORKER_BUSY) {
        struct pollfd answer = {.fd = fd, .events = POLLIN};
        if (poll(&answer, 1, 1) == 1) {
            client_expect(fd, 503, "no worker");
            client_send(fd, request);
        }
        CHECK_EQUAL(askr_worker_view_get(r->pool, WORKER, &view), ASKR_OK);
    }
}

static void a_request_that_no_worker_takes_in_time_is_503(void)
{
    rig *r = rig_new();
    r->config.queue_timeout_ns = SECONDS;
    rig_start(r);
    int holder = client_open(r), fd = client_open(r);
    ask_until_a_worker_has_it(r, holder, GET("/app?hold"));
    client_send(fd, PHP);
    client_expect(fd, 503, "no worker");
    CHECK_EQUAL(eventfd_write(r->gate, 1), 0);
    client_expect(holder, 200, "hello"); /* who has a worker has no such deadline */
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

static void a_body_that_memory_does_not_hold_is_503(void)
{
    static uint8_t body[100000]; /* more than is read at once: the wire has to hold some of it and read again */
    rig *r = rig_new();
    r->config.buffer_bytes = 20000;
    rig_start(r);
    int fd = client_open(r), other = client_open(r);
    client_send(other, SMALL);
    client_expect(other, 200, SMALL_BODY);
    client_send(fd, "POST /app/upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    client_send_bytes(fd, body, sizeof body);
    client_expect(fd, 503, "busy");
    client_expect_end(fd, END_CLEAN);
    AWAIT_COUNTER(r, held_bytes, 0);
    client_send(other, "POST /app?echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    client_expect(other, 200, "abc");
    char *log = take_log(r);
    CHECK(strstr(log, "\"path\":\"/app/upload\",\"status\":503") != NULL);
    free(log);
    (void)close(other);
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

int main(void)
{
    (void)alarm(110);
    RUN(an_idle_connection_is_closed_without_a_word);
    RUN(a_head_that_does_not_end_is_408);
    RUN(a_body_that_does_not_come_is_408);
    RUN(who_does_not_read_is_cut);
    RUN(who_lingers_too_long_is_closed);
    RUN(a_request_that_no_worker_takes_in_time_is_503);
    RUN(a_worker_that_was_woken_and_does_not_run_holds_nothing_up);
    RUN(more_connections_than_may_be_are_turned_away);
    RUN(one_address_has_its_own_limit);
    RUN(more_requests_than_the_pool_holds_are_503);
    RUN(hand_overs_that_python_does_not_take_are_503_in_the_end);
    RUN(without_descriptors_accepting_pauses_and_goes_on);
    RUN(held_memory_pauses_accepting);
    RUN(a_body_that_memory_does_not_hold_is_503);
    RUN(an_idle_wire_does_not_wake_up);
    printf("ok\n");
    return 0;
}
