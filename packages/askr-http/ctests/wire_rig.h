#ifndef ASKR_WIRE_RIG_H
#define ASKR_WIRE_RIG_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "../../askr-shm/ctests/testing.h"
#include "askr_head.h"
#include "askr_pool_layout.h"
#include "askr_wire.h"

/*
 * A whole wire in this process: real sockets, a real pool, a worker that is a thread, clients that are the test, which plays Python's part
 * too.
 *
 * The worker does what the query of the target says:
 *
 *     (none)      a small response               echo        the request's body
 *     stream=N    N pieces of 1000 bytes, each published by itself
 *     large=N     N bytes in one response        die         fails without a response
 *     diehalf     fails in the middle            hold        waits for rig.gate, then as (none)
 *     untilgone   writes until it is told that nobody reads
 *     ends        SERVER_ADDR and REMOTE_ADDR
 *     twice=N     N bytes, published; waits for rig.gate; N bytes
 *
 * Whatever a test does, in the end everything has to be given back: connections, memory, exchanges, blocks, descriptors.
 */
typedef struct {
    askr_wire_config config;
    askr_wire *wire;
    askr_pool *pool;
    char root[64];
    int listener, port, front_eventfd, gate, cancelled;
    _Atomic uint32_t served;
    pthread_t worker;
    int descriptors; /* open before the rig was made */
} rig;

enum { BIG_BYTES = 3 * 1024 * 1024, WORKER = 1 }; /* of the two workers of the pool; the other one never runs */

static inline uint8_t big_byte(uint32_t i)
{
    return (uint8_t)(i * 31 + (i >> 8) * 7);
}

static inline int count_descriptors(void)
{
    int n = 0;
    for (int fd = 0; fd < 4096; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* ---- the worker ---- */

typedef struct {
    rig *r;
    askr_pool *pool;
    askr_xid x;
    uint8_t request[300000];
    size_t head_bytes, bytes;
    char query[200], server[50], remote[50];
} worker_request;

static inline int respond_head(worker_request *q)
{
    uint8_t head[200];
    const uint16_t status = 200, none = 0;
    size_t n = 4;
    memcpy(head, &status, 2);
    memcpy(head + 2, &none, 2);
    CHECK_EQUAL(askr_record_put(head, sizeof head, &n, ASKR_FIELD_HEADER, (const uint8_t *)"Content-Type", 12,
                                (const uint8_t *)"text/plain", 10),
                ASKR_OK);
    return askr_response_head(q->pool, q->x, head, (uint32_t)n);
}

static inline int write_many(worker_request *q, int n)
{
    static const uint8_t piece[65536];
    int rc = ASKR_OK;
    for (; n > 0 && rc == ASKR_OK; n -= (int)sizeof piece)
        rc = askr_response_write(q->pool, q->x, piece, n < (int)sizeof piece ? (size_t)n : sizeof piece);
    return rc;
}

static inline void pass_gate(const worker_request *q)
{
    uint64_t token;
    CHECK_EQUAL(read(q->r->gate, &token, sizeof token), sizeof token);
}

static inline int respond(worker_request *q)
{
    const char *query = q->query;
    static const uint8_t piece[65536];
    if (strcmp(query, "die") == 0)
        return -1;
    if (strcmp(query, "hold") == 0)
        pass_gate(q);
    int rc = respond_head(q);
    if (strcmp(query, "ends") == 0) {
        char text[120];
        int n = snprintf(text, sizeof text, "%s %s", q->server, q->remote);
        return askr_response_write(q->pool, q->x, (const uint8_t *)text, (size_t)n);
    }
    if (strcmp(query, "echo") == 0)
        return askr_response_write(q->pool, q->x, q->request + q->head_bytes, q->bytes - q->head_bytes);
    if (strncmp(query, "stream=", 7) == 0) {
        for (int i = 0; i < atoi(query + 7) && rc == ASKR_OK; i++) {
            rc = askr_response_write(q->pool, q->x, piece, 1000);
            if (rc == ASKR_OK)
                rc = askr_response_flush(q->pool, q->x);
        }
        return rc;
    }
    if (strncmp(query, "large=", 6) == 0)
        return write_many(q, atoi(query + 6));
    if (strncmp(query, "twice=", 6) == 0) {
        rc = write_many(q, atoi(query + 6));
        if (rc == ASKR_OK)
            rc = askr_response_flush(q->pool, q->x);
        pass_gate(q);
        return rc == ASKR_OK ? write_many(q, atoi(query + 6)) : rc;
    }
    if (strcmp(query, "diehalf") == 0) {
        rc = askr_response_write(q->pool, q->x, piece, 100);
        CHECK_EQUAL(askr_response_flush(q->pool, q->x), ASKR_OK);
        return -1;
    }
    if (strcmp(query, "untilgone") == 0) {
        while (rc == ASKR_OK)
            rc = askr_response_write(q->pool, q->x, piece, sizeof piece);
        CHECK_EQUAL(rc, ASKR_ECANCELED);
        CHECK_EQUAL(eventfd_write(q->r->cancelled, 1), 0);
        return rc;
    }
    return askr_response_write(q->pool, q->x, (const uint8_t *)"hello", 5);
}

static inline void copy_value(const askr_record *record, char *out, size_t cap)
{
    CHECK(record->value_len < cap);
    memcpy(out, record->value, record->value_len);
    out[record->value_len] = '\0';
}

static inline void *work(void *argument)
{
    worker_request *q = calloc(1, sizeof *q);
    int rc;
    q->r = argument;
    CHECK_EQUAL(askr_pool_attach(askr_pool_fd(q->r->pool), &q->pool), ASKR_OK);
    CHECK_EQUAL(askr_pool_bind_front(q->pool, 1, q->r->front_eventfd), ASKR_OK);
    while ((rc = askr_worker_take(q->pool, WORKER, -1, &q->x)) != ASKR_ECANCELED) {
        int64_t n;
        askr_record record;
        if (rc != ASKR_OK)
            continue;
        for (q->bytes = 0;
             (n = askr_request_read(q->pool, q->x, q->request + q->bytes, sizeof q->request - q->bytes)) > 0;)
            q->bytes += (size_t)n;
        q->head_bytes = askr_request_head_bytes(q->pool, q->x);
        CHECK_EQUAL(q->bytes, q->head_bytes + askr_request_body_bytes(q->pool, q->x));
        q->query[0] = q->server[0] = q->remote[0] = '\0';
        for (size_t at = 0; askr_record_next(q->request, q->head_bytes, &at, &record) == ASKR_OK;) {
            if (record.tag == ASKR_FIELD_QUERY)
                copy_value(&record, q->query, sizeof q->query);
            else if (record.tag == ASKR_FIELD_SERVER_ADDR)
                copy_value(&record, q->server, sizeof q->server);
            else if (record.tag == ASKR_FIELD_REMOTE_ADDR)
                copy_value(&record, q->remote, sizeof q->remote);
        }
        rc = respond(q);
        CHECK_EQUAL(askr_worker_finish(q->pool, WORKER, q->x, rc != ASKR_OK), ASKR_OK);
        atomic_fetch_add(&q->r->served, 1);
    }
    askr_pool_detach(q->pool);
    free(q);
    return NULL;
}

/* ---- making and unmaking ---- */

static inline void put_file(const rig *r, const char *name, const uint8_t *bytes, size_t n)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", r->root, name);
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    CHECK_EQUAL(fwrite(bytes, 1, n, file), n);
    CHECK_EQUAL(fclose(file), 0);
}

static inline void make_root(rig *r)
{
    uint8_t *big = malloc(BIG_BYTES);
    (void)snprintf(r->root, sizeof r->root, "/tmp/askr-wire-XXXXXX");
    CHECK(mkdtemp(r->root) != NULL);
    for (uint32_t i = 0; i < BIG_BYTES; i++)
        big[i] = big_byte(i);
    put_file(r, "small.txt", (const uint8_t *)"small content\n", 14);
    put_file(r, "middle.bin", big, 65000);
    put_file(r, "big.bin", big, BIG_BYTES);
    put_file(r, "empty.txt", big, 0);
    put_file(r, "index.php", (const uint8_t *)"<?php", 5);
    free(big);
}

static inline void remove_root(const rig *r)
{
    static const char *const names[] = {"small.txt", "middle.bin", "big.bin", "empty.txt", "index.php"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", r->root, names[i]);
        (void)unlink(path);
    }
    CHECK_EQUAL(rmdir(r->root), 0);
}

static inline void open_listener(rig *r, uint32_t host)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(host)};
    socklen_t size = sizeof address;
    r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQUAL(bind(r->listener, (struct sockaddr *)&address, sizeof address), 0);
    CHECK_EQUAL(listen(r->listener, 2048), 0);
    CHECK_EQUAL(getsockname(r->listener, (struct sockaddr *)&address, &size), 0);
    r->port = ntohs(address.sin_port);
}

#define SECONDS 1000000000ull

static inline rig *rig_new(void)
{
    const askr_pool_spec spec = {.exchanges = 64, .blocks = 256, .block_bytes = 4096, .fronts = 2, .workers = 2};
    rig *r = calloc(1, sizeof *r);
    r->descriptors = count_descriptors();
    make_root(r);
    open_listener(r, INADDR_LOOPBACK);
    r->front_eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    r->gate = eventfd(0, EFD_SEMAPHORE | EFD_CLOEXEC);
    r->cancelled = eventfd(0, EFD_CLOEXEC);
    CHECK_EQUAL(askr_pool_create(&spec, &r->pool), ASKR_OK);
    r->config = (askr_wire_config){
        .site =
            {.root = r->root, .front_controller = "index.php", .runs_scripts = 1, .files = 16, .small_bytes = 65536},
        .listener_fds = &r->listener,
        .listener_count = 1,
        .pool_fd = askr_pool_fd(r->pool),
        .front = 1,
        .front_eventfd = r->front_eventfd,
        .spool_dir = "/tmp",
        .spool_fd = -1,
        .wants_access_log = 1,
        .head_bytes = 16384,
        .target_bytes = 8192,
        .body_bytes = 1000000,
        .body_memory_bytes = 200000,
        .response_memory_bytes = 100000,
        .buffer_bytes = 64 << 20,
        .connections = 64,
        .header_read_timeout_ns = 1000 * SECONDS,
        .keepalive_timeout_ns = 1000 * SECONDS,
        .body_read_timeout_ns = 1000 * SECONDS,
        .write_timeout_ns = 1000 * SECONDS,
        .linger_timeout_ns = 1000 * SECONDS,
        .queue_timeout_ns = 1000 * SECONDS,
    };
    return r;
}

static inline askr_slice text_slice(const char *text)
{
    return (askr_slice){(const uint8_t *)text, strlen(text)};
}

static inline void rig_start(rig *r)
{
    static const struct {
        uint32_t status;
        const char *phrase, *content;
    } rows[ASKR_ANSWER_COUNT] = {
        [ASKR_ANSWER_BAD_REQUEST] = {400, "Bad Request", "bad request"},
        [ASKR_ANSWER_FORBIDDEN] = {403, "Forbidden", "forbidden"},
        [ASKR_ANSWER_NOT_FOUND] = {404, "Not Found", "not found"},
        [ASKR_ANSWER_METHOD_NOT_ALLOWED] = {405, "Method Not Allowed", "method not allowed"},
        [ASKR_ANSWER_REQUEST_TIMEOUT] = {408, "Request Timeout", "request timeout"},
        [ASKR_ANSWER_BODY_TOO_LARGE] = {413, "Content Too Large", "body too large"},
        [ASKR_ANSWER_RANGE_NOT_SATISFIABLE] = {416, "Range Not Satisfiable", "range"},
        [ASKR_ANSWER_WORKER_DIED] = {502, "Bad Gateway", "worker died"},
        [ASKR_ANSWER_BAD_RESPONSE] = {502, "Bad Gateway", "no response"},
        [ASKR_ANSWER_BUSY] = {503, "Service Unavailable", "busy"},
        [ASKR_ANSWER_QUEUE_TIMEOUT] = {503, "Service Unavailable", "no worker"},
        [ASKR_ANSWER_DRAINING] = {503, "Service Unavailable", "stopping"},
    };
    const char *what = NULL;
    int rc = askr_wire_create(&r->config, &r->wire, &what);
    if (rc != ASKR_OK)
        fprintf(stderr, "%s: %s\n", what, strerror(errno));
    CHECK_EQUAL(rc, ASKR_OK);
    CHECK_EQUAL(askr_wire_start(r->wire), ASKR_EINVAL); /* no row is there */
    for (uint32_t i = 0; i < ASKR_ANSWER_COUNT; i++) {
        const askr_answer row = {.status = rows[i].status,
                                 .phrase = text_slice(rows[i].phrase),
                                 .headers = text_slice("Content-Type: text/plain\r\n"),
                                 .content = text_slice(rows[i].content)};
        CHECK_EQUAL(askr_wire_set_answer(r->wire, i, &row), ASKR_OK);
    }
    CHECK_EQUAL(askr_wire_add_type(r->wire, text_slice("txt"), text_slice("text/plain"), 1), ASKR_OK);
    CHECK_EQUAL(askr_wire_set_default_type(r->wire, text_slice("application/octet-stream")), ASKR_OK);
    CHECK_EQUAL(pthread_create(&r->worker, NULL, work, r), 0);
    CHECK_EQUAL(askr_wire_start(r->wire), ASKR_OK);
}

static inline askr_wire_counters counters(const rig *r)
{
    askr_wire_counters out;
    askr_wire_counters_get(r->wire, &out);
    return out;
}

/* Between two looks at something that will happen: the processor is the others'. */
static inline void pass_time(void)
{
    CHECK_EQUAL(poll(NULL, 0, 1), 0);
}

/* Waits until a counter is what it should be; the alarm is the bound. */
#define AWAIT_COUNTER(r, name, value)                                                                                  \
    while (counters(r).name != (uint64_t)(value))                                                                      \
    pass_time()

/* Ends everything, and everything must have been given back. */
static inline void rig_free(rig *r)
{
    askr_pool_audit_view audit;
    (void)askr_wire_stop(r->wire);
    askr_wire_counters last = counters(r);
    CHECK_EQUAL(last.open, 0);
    CHECK_EQUAL(last.away, 0);
    CHECK_EQUAL(last.held_bytes, 0);
    askr_wire_destroy(r->wire);
    CHECK_EQUAL(askr_worker_command(r->pool, WORKER, ASKR_COMMAND_DRAIN), ASKR_OK);
    CHECK_EQUAL(pthread_join(r->worker, NULL), 0);
    CHECK(askr_pool_repair_front(r->pool, 1) >= 0); /* what a worker still had when its front was destroyed */
    CHECK_EQUAL(askr_pool_audit(r->pool, &audit), ASKR_OK);
    CHECK_EQUAL(audit.exchanges[ASKR_EXCHANGE_FREE], 64);
    CHECK_EQUAL(audit.blocks_used, 0);
    askr_pool_detach(r->pool);
    (void)close(r->listener);
    (void)close(r->front_eventfd);
    (void)close(r->gate);
    (void)close(r->cancelled);
    remove_root(r);
    CHECK_EQUAL(count_descriptors(), r->descriptors);
    free(r);
}

/* ---- clients ---- */

static inline int client_open_with(const rig *r, int receive_bytes)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)r->port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_bytes > 0)
        CHECK_EQUAL(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes), 0);
    CHECK_EQUAL(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static inline int client_open(const rig *r)
{
    return client_open_with(r, 0);
}

static inline void client_send_bytes(int fd, const void *bytes, size_t n)
{
    const uint8_t *at = bytes;
    while (n > 0) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
        CHECK(sent > 0);
        at += sent;
        n -= (size_t)sent;
    }
}

static inline void client_send(int fd, const char *text)
{
    client_send_bytes(fd, text, strlen(text));
}

/* A response: its head, terminated, and its body, decoded. */
typedef struct {
    int status, is_whole;
    char head[4096];
    uint8_t *body;
    size_t body_bytes;
} response;

static inline int read_exactly(int fd, void *buf, size_t n)
{
    size_t got = 0;
    while (got < n) {
        ssize_t more = recv(fd, (uint8_t *)buf + got, n - got, 0);
        if (more <= 0)
            return 0;
        got += (size_t)more;
    }
    return 1;
}

/* Reads up to and with `end`. */
static inline int read_until(int fd, char *buf, size_t cap, const char *end)
{
    size_t n = 0, size = strlen(end);
    while (n + 1 < cap) {
        if (!read_exactly(fd, buf + n, 1))
            return 0;
        buf[++n] = '\0';
        if (n >= size && strcmp(buf + n - size, end) == 0)
            return 1;
    }
    return 0;
}

static inline int read_chunks(int fd, response *out)
{
    char line[64];
    for (;;) {
        if (!read_until(fd, line, sizeof line, "\r\n"))
            return 0;
        size_t size = strtoul(line, NULL, 16);
        out->body = realloc(out->body, out->body_bytes + size + 2);
        if (!read_exactly(fd, out->body + out->body_bytes, size + 2))
            return 0;
        out->body_bytes += size;
        if (size == 0)
            return 1;
    }
}

/* 1: a response came, whole or not; 0: the connection ended without one. */
static inline int client_read(int fd, int is_head, response *out)
{
    const char *length;
    memset(out, 0, sizeof *out);
    if (!read_until(fd, out->head, sizeof out->head, "\r\n\r\n"))
        return 0;
    out->status = atoi(out->head + 9);
    length = strcasestr(out->head, "\r\nContent-Length: ");
    if (is_head || out->status == 304) {
        out->is_whole = 1;
    } else if (strcasestr(out->head, "\r\nTransfer-Encoding: chunked") != NULL) {
        out->is_whole = read_chunks(fd, out);
    } else if (length != NULL) {
        out->body_bytes = strtoul(length + 18, NULL, 10);
        out->body = malloc(out->body_bytes + 1);
        out->is_whole = read_exactly(fd, out->body, out->body_bytes);
    }
    return 1;
}

static inline void response_free(response *r)
{
    free(r->body);
}

/* The next response has this status and body, and is whole. */
static inline void client_expect(int fd, int status, const char *body)
{
    response got;
    CHECK(client_read(fd, 0, &got));
    CHECK_EQUAL(got.status, status);
    CHECK(got.is_whole);
    if (body != NULL) {
        CHECK_EQUAL(got.body_bytes, strlen(body));
        CHECK(memcmp(got.body, body, got.body_bytes) == 0);
    }
    response_free(&got);
}

typedef enum { END_CLEAN, END_RESET } end_kind;

/* Nothing more comes, and this is how the connection ends. */
static inline void client_expect_end(int fd, end_kind wanted)
{
    uint8_t byte;
    ssize_t n = recv(fd, &byte, 1, 0);
    if (wanted == END_CLEAN)
        CHECK_EQUAL(n, 0);
    else
        CHECK(n < 0 && errno == ECONNRESET);
    (void)close(fd);
}

static inline void client_reset(int fd)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    CHECK_EQUAL(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    (void)close(fd);
}

/* ---- Python's part ---- */

static inline askr_event await_event(const rig *r)
{
    askr_event event;
    struct pollfd bell = {.fd = askr_wire_eventfd(r->wire), .events = POLLIN};
    while (askr_wire_events(r->wire, &event, 1) == 0)
        CHECK_EQUAL(poll(&bell, 1, -1), 1);
    return event;
}

/* The log up to now; the caller frees it. */
enum { LOG_TEXT = 2 << 20 }; /* more than the ring */

static inline char *take_log(const rig *r)
{
    char *text = malloc(LOG_TEXT);
    size_t n = 0;
    int64_t got;
    while ((got = askr_wire_log(r->wire, (uint8_t *)text + n, LOG_TEXT - 1 - n)) > 0)
        n += (size_t)got;
    CHECK_EQUAL(got, 0);
    text[n] = '\0';
    return text;
}

/* ---- what is asked for ---- */

#define GET(path)  "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define SMALL      GET("/small.txt")
#define SMALL_BODY "small content\n"
#define PHP        GET("/app")
#define CHUNKED    "POST /app HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"

/* A deadline that a test waits for; all others are practically endless. */
#define SHORT (20 * 1000000ull)

#define RUN(test) (printf("%s\n", #test), (void)fflush(stdout), test())

#endif
