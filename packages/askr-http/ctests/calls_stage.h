#ifndef ASKR_CALLS_STAGE_H
#define ASKR_CALLS_STAGE_H

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "askr_calls.h"
#include "askr_head.h"
#include "askr_pool_layout.h"
#include "fake_transport.h"

/*
 * A real pool with its front's side in this process, and workers that are played here (by a handle of their own) or in children.
 * Every test begins with raise and ends with strike, which looks at the books.
 */
enum { FRONT = 1, WORKERS = 2, EXCHANGES = 8, MEMORY = 16384, SCRATCH = 65536, SPOOL_STRIDE = 74 * 4096 };

static askr_pool *pool, *played; /* the front's handle, and the one of the worker that this process plays */
static askr_calls *calls;
static int eventfds[2], master_fd, spool_fd, descriptors;
static uint64_t held;
static char directory[] = "/tmp/askr-test-calls-XXXXXX";
static uint8_t scratch[SCRATCH], bytes[3 * 1024 * 1024];
static uint64_t queue_timeout_ns;

#define SLICE(text) ((askr_slice){.at = (const uint8_t *)("" text), .len = sizeof(text) - 1})
#define DATE        "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

static inline askr_calls_config stage_config(void)
{
    return (askr_calls_config){
        .pool = pool,
        .front = FRONT,
        .cgi = {.document_root = SLICE("/srv"), .scheme = SLICE("http")},
        .queue_timeout_ns = queue_timeout_ns,
        .output = {.memory_bytes = MEMORY, .directory = directory, .held_bytes = &held},
        .scratch = scratch,
        .scratch_bytes = sizeof scratch,
    };
}

static inline void bind(askr_pool *p)
{
    CHECK_EQUAL(askr_pool_bind_front(p, 0, eventfds[0]), ASKR_OK);
    CHECK_EQUAL(askr_pool_bind_front(p, 1, eventfds[1]), ASKR_OK);
    CHECK_EQUAL(askr_pool_bind_master(p, master_fd), ASKR_OK);
    CHECK_EQUAL(askr_pool_bind_spool(p, spool_fd), ASKR_OK);
}

static inline void stage_raise(uint32_t blocks, uint32_t block_bytes)
{
    const askr_pool_spec spec = {.exchanges = EXCHANGES,
                                 .blocks = blocks,
                                 .block_bytes = block_bytes,
                                 .fronts = 2,
                                 .workers = WORKERS,
                                 .spool_stride_bytes = SPOOL_STRIDE};
    descriptors = open_descriptors();
    queue_timeout_ns = 3600u * UINT64_C(1000000000);
    CHECK_EQUAL(held, 0);
    CHECK_EQUAL(askr_pool_create(&spec, &pool), ASKR_OK);
    CHECK_EQUAL(askr_pool_attach(askr_pool_fd(pool), &played), ASKR_OK);
    for (int i = 0; i < 2; i++)
        eventfds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    master_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    spool_fd = memfd_create("spool", MFD_CLOEXEC);
    bind(pool);
    bind(played);
    const askr_calls_config config = stage_config();
    CHECK_EQUAL(askr_calls_create(&config, &calls), ASKR_OK);
    CHECK(askr_calls_next(calls) == NULL); /* from now on the eventfd tells */
}

/* The pool's books: every exchange is free and every block in its place. */
static inline void check_books(void)
{
    askr_pool_audit_view audit;
    askr_pool_spec spec;
    struct stat st;
    askr_pool_spec_get(pool, &spec);
    CHECK_EQUAL(askr_pool_audit(pool, &audit), ASKR_OK);
    CHECK_EQUAL(audit.exchanges[ASKR_EXCHANGE_FREE], EXCHANGES);
    CHECK_EQUAL(audit.blocks_used, 0);
    CHECK_EQUAL(audit.blocks_lost, 0);
    CHECK_EQUAL(audit.blocks_free, spec.blocks);
    CHECK_EQUAL(fstat(spool_fd, &st), 0);
    CHECK_EQUAL(st.st_blocks, 0);
}

static inline void stage_strike(void)
{
    CHECK(askr_calls_next(calls) == NULL); /* what was dropped is settled here */
    CHECK_EQUAL(askr_calls_count(calls), 0);
    askr_calls_destroy(calls);
    check_books();
    CHECK_EQUAL(held, 0);
    askr_pool_detach(played);
    askr_pool_detach(pool);
    for (int i = 0; i < 2; i++)
        CHECK_EQUAL(close(eventfds[i]), 0);
    CHECK_EQUAL(close(master_fd), 0);
    CHECK_EQUAL(close(spool_fd), 0);
    CHECK_EQUAL(open_descriptors(), descriptors);
    CHECK_EQUAL(entries_of(directory), 0);
}

/* ---- clients ---- */

typedef struct {
    askr_call call;
    askr_writer w;
    askr_output o;
    fake_transport t;
    askr_answer_id answer;
} client;

static inline askr_request request_of(const char *wire)
{
    const askr_codec_limits limits = {.head_bytes = 65536, .target_bytes = 8192};
    uint32_t scanned = 0;
    askr_request rq;
    CHECK_EQUAL(askr_codec_read((const uint8_t *)wire, strlen(wire), &limits, &scanned, &rq), ASKR_CODEC_REQUEST);
    return rq;
}

#define GET  "GET /?q HTTP/1.1\r\nHost: a\r\n\r\n"
#define HEAD "HEAD /?q HTTP/1.1\r\nHost: a\r\n\r\n"
#define OLD  "GET /?q HTTP/1.0\r\nHost: a\r\n\r\n"

static inline int submit_at(client *c, const char *wire, size_t body_bytes, uint64_t now_mono_ns)
{
    const askr_request rq = request_of(wire);
    const askr_script script = {.name = SLICE("/index.php"), .filename = SLICE("/srv/index.php")};
    const askr_cgi_peer peer = {.remote_addr = SLICE("192.0.2.9"),
                                .remote_port = SLICE("5555"),
                                .server_addr = SLICE("192.0.2.1"),
                                .server_port = SLICE("80")};
    *c = (client){.t = fake_new(), .answer = ASKR_ANSWER_COUNT};
    askr_writer_init(&c->w, rq.method_id == ASKR_METHOD_HEAD, (int)rq.is_1_1, (int)rq.keeps_alive);
    askr_output_init(&c->o);
    return askr_call_submit(calls, &c->call, c, &rq, &script, &peer, bytes, body_bytes, now_mono_ns, 1);
}

static inline void submit(client *c, const char *wire)
{
    CHECK_EQUAL(submit_at(c, wire, 0, askr_mono_ns()), ASKR_OK);
    CHECK(c->call.xid != 0);
}

static inline askr_call_verdict pump(client *c)
{
    const askr_slice date = SLICE(DATE);
    return askr_call_pump(calls, &c->call, &c->w, date, &c->o, &c->t.base, &c->answer);
}

static inline int flush_output(client *c)
{
    const askr_calls_config config = stage_config();
    return askr_output_send(&c->o, &config.output, &c->t.base, SIZE_MAX);
}

static inline void leave(client *c)
{
    const askr_calls_config config = stage_config();
    askr_output_drop(&c->o, &config.output);
    fake_free(&c->t);
}

static inline void check_got(const client *c, const char *wanted)
{
    if (c->t.len != strlen(wanted) || memcmp(c->t.got, wanted, c->t.len) != 0) {
        fprintf(stderr, "got: %.*s\nwanted: %s\n", (int)c->t.len, (const char *)c->t.got, wanted);
        CHECK(0);
    }
}

/* The next news are this client's. */
static inline void wait_for_news(client *c)
{
    void *owner;
    while ((owner = askr_calls_next(calls)) == NULL) {
        struct pollfd p = {.fd = eventfds[FRONT], .events = POLLIN};
        CHECK_EQUAL(poll(&p, 1, -1), 1);
    }
    CHECK(owner == c);
}

/* Pumps until the call is closed, or waits for its reader. */
static inline askr_call_verdict pump_to_the_end(client *c)
{
    askr_call_verdict verdict;
    while ((verdict = pump(c)) == ASKR_CALL_WAITING || verdict == ASKR_CALL_AGAIN)
        if (verdict == ASKR_CALL_WAITING)
            wait_for_news(c);
    return verdict;
}

/* ---- workers ---- */

static inline size_t encode_head(uint8_t *buf, size_t cap, uint16_t status, const char *const *fields)
{
    const uint16_t reason_len = 0;
    size_t at = 4;
    memcpy(buf, &status, 2);
    memcpy(buf + 2, &reason_len, 2);
    for (; *fields != NULL; fields += 2)
        CHECK_EQUAL(askr_record_put(buf, cap, &at, ASKR_FIELD_HEADER, (const uint8_t *)fields[0],
                                    (uint16_t)strlen(fields[0]), (const uint8_t *)fields[1],
                                    (uint32_t)strlen(fields[1])),
                    ASKR_OK);
    return at;
}

static inline askr_xid take(askr_pool *p, uint32_t worker)
{
    askr_xid x;
    CHECK_EQUAL(askr_worker_take(p, worker, -1, &x), ASKR_OK);
    return x;
}

static inline void write_head(askr_pool *p, askr_xid x, uint16_t status, const char *const *fields)
{
    uint8_t head[4096];
    size_t n = encode_head(head, sizeof head, status, fields);
    CHECK_EQUAL(askr_response_head(p, x, head, (uint32_t)n), ASKR_OK);
}

#define NO_FIELDS ((const char *[]){NULL})

static inline void write_text(askr_pool *p, askr_xid x, const char *text)
{
    CHECK_EQUAL(askr_response_write(p, x, (const uint8_t *)text, strlen(text)), ASKR_OK);
}

static inline void finish(askr_pool *p, uint32_t worker, askr_xid x)
{
    CHECK_EQUAL(askr_worker_finish(p, worker, x, 0), ASKR_OK);
}

/* A child that plays one worker for one request. */
static inline pid_t start_worker(uint32_t worker, void (*serve)(askr_pool *p, uint32_t worker, askr_xid x))
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0)
        return pid;
    askr_pool *mine;
    CHECK_EQUAL(prctl(PR_SET_PDEATHSIG, SIGKILL), 0); /* a test that fails leaves no process */
    CHECK_EQUAL(askr_pool_attach(askr_pool_fd(pool), &mine), ASKR_OK);
    bind(mine);
    CHECK_EQUAL(askr_worker_ready(mine, worker), ASKR_OK);
    askr_xid x;
    int rc = askr_worker_take(mine, worker, -1, &x);
    if (rc == ASKR_OK)
        serve(mine, worker, x);
    CHECK(rc == ASKR_OK || rc == ASKR_ECANCELED); /* told to drain */
    _exit(0);                                     /* the parent's allocations are not this process's leaks */
}

enum { BLOCKS = 256, BLOCK_BYTES = 1024, MOST_HEAD = 16 * BLOCK_BYTES };

#define OK_200 "HTTP/1.1 200 OK\r\n"

static inline void set_up(void)
{
    stage_raise(BLOCKS, BLOCK_BYTES);
}

/* ---- workers in children: what they do, and their end ---- */

static inline void kill_and_repair(pid_t pid, uint32_t worker)
{
    CHECK_EQUAL(kill(pid, SIGKILL), 0);
    CHECK_EQUAL(wait_is_dead(pid), 1);
    while (askr_pool_repair_worker(pool, worker) == ASKR_EFULL)
        ;
    CHECK_EQUAL(askr_worker_clear(pool, worker), ASKR_OK);
}

static inline void write_nothing(askr_pool *p, uint32_t worker, askr_xid x)
{
    (void)p;
    (void)worker;
    (void)x;
    for (;;)
        pause();
}

static inline void write_a_part(askr_pool *p, uint32_t worker, askr_xid x)
{
    write_head(p, x, 200, NO_FIELDS);
    write_text(p, x, "part");
    CHECK_EQUAL(askr_response_flush(p, x), ASKR_OK);
    write_nothing(p, worker, x);
}

/* More than its window takes, and on: until nobody wants it, or `pieces` are written. */
static inline void write_pieces(askr_pool *p, uint32_t worker, askr_xid x, int pieces)
{
    int rc = ASKR_OK;
    write_head(p, x, 200, NO_FIELDS);
    for (int i = 0; i < pieces && rc == ASKR_OK; i++)
        rc = askr_response_write(p, x, bytes, 64 * BLOCK_BYTES);
    CHECK(rc == ASKR_OK || rc == ASKR_ECANCELED);
    CHECK_EQUAL(askr_worker_finish(p, worker, x, rc != ASKR_OK), ASKR_OK);
}

static inline void write_until_cancelled(askr_pool *p, uint32_t worker, askr_xid x)
{
    write_pieces(p, worker, x, INT32_MAX);
    CHECK_EQUAL(askr_exchange_is_cancelled(p, x), 1);
}

static inline void write_until_cancelled_or_done(askr_pool *p, uint32_t worker, askr_xid x)
{
    write_pieces(p, worker, x, 3);
}

/* A worker that has it is seen in its record; nothing else says so. */
static inline void wait_until_running(uint32_t worker)
{
    askr_worker_view view;
    for (;;) {
        CHECK_EQUAL(askr_worker_view_get(pool, worker, &view), ASKR_OK);
        if (view.exchange != 0)
            return;
        (void)sched_yield();
    }
}

/* ---- what a client got ---- */

/* Nothing was sent, and the writer is as it was: the wire can answer. */
static inline void check_untouched(client *c)
{
    const uint8_t text[] = "x";
    const askr_answer row = {.status = 502, .content = {.at = text, .len = 1}};
    const askr_slice date = SLICE(DATE), allow = {.at = NULL};
    uint8_t out[256];
    CHECK_EQUAL(c->t.calls, 0);
    CHECK_EQUAL(c->call.xid, 0);
    CHECK(askr_writer_answer(&c->w, &row, allow, date, out, sizeof out) > 0);
}

static inline void check_refused(client *c, askr_answer_id answer)
{
    CHECK_EQUAL(pump_to_the_end(c), ASKR_CALL_REFUSED);
    CHECK_EQUAL(c->answer, answer);
    check_untouched(c);
    leave(c);
}

/* Takes the chunks apart; how many bytes the body had, which are those of the stream. */
static inline size_t check_chunked_body(const client *c)
{
    const char *start = strstr((const char *)c->t.got, "\r\n\r\n");
    size_t body = 0;
    CHECK(start != NULL);
    for (const char *at = start + 4;;) {
        char *end;
        size_t n = strtoul(at, &end, 16);
        CHECK(end > at && end[0] == '\r' && end[1] == '\n');
        at = end + 2;
        CHECK((size_t)(at - (const char *)c->t.got) + n + 2 <= c->t.len);
        check_stream((const uint8_t *)at, body, n);
        body += n;
        at += n;
        CHECK(at[0] == '\r' && at[1] == '\n');
        at += 2;
        if (n == 0) {
            CHECK_EQUAL(at - (const char *)c->t.got, c->t.len);
            return body;
        }
    }
}

/* Every program of these tests begins and ends with them. */
static inline void stage_open(void)
{
    CHECK(mkdtemp(directory) != NULL);
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR); /* as in a Python process */
    stream_fill(bytes, 0, sizeof bytes);
}

static inline void stage_close(void)
{
    CHECK_EQUAL(rmdir(directory), 0);
}

#endif
