#include "wire_rig.h"

/* A whole wire: what it answers, in which order, and that nothing is left behind. */

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

static void a_file_follows_its_head_however_little_memory_responses_may_have(void)
{
    rig *r = rig_new();
    r->config.response_memory_bytes = 64; /* less than a head */
    rig_start(r);
    int fd = client_open(r);
    client_send(fd, SMALL GET("/big.bin") SMALL GET("/big.bin") PHP);
    for (int i = 0; i < 2; i++) {
        response big;
        client_expect(fd, 200, SMALL_BODY);
        CHECK(client_read(fd, 0, &big));
        CHECK(big.is_whole && big.body_bytes == BIG_BYTES && big.body[12345] == big_byte(12345));
        response_free(&big);
    }
    client_expect(fd, 200, "hello");
    (void)close(fd);
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
    enum { ROUNDS = 8 };
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
    r->config.response_memory_bytes =
        16 << 20; /* none of it goes to the file, so memory is held for as long as it waits */
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

int main(void)
{
    (void)alarm(110);
    RUN(a_connection_is_kept_for_static_fixed_and_php_answers);
    RUN(a_file_follows_its_head_however_little_memory_responses_may_have);
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
    RUN(php_is_told_both_ends_of_the_connection);
    RUN(every_answer_has_a_line_in_the_log);
    printf("ok\n");
    return 0;
}
