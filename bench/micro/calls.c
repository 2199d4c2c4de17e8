/*
 * How long the native wire takes to hand a request to a worker and to relay its response, without sockets and without sleeping: a worker is
 * played in between, and the transport takes everything.  The median of single calls, less the clock, in nanoseconds.  From the checkout:
 *
 *   H=packages/askr-http/csrc S=packages/askr-shm/csrc; cc -O2 -std=c11 -D_GNU_SOURCE -pthread -I$H -I$S bench/micro/calls.c $S/askr_*.c \
 *     $H/askr_{calls,call_pump,cgi,cgi_response,output,unnamed_file,h1_codec,h1_chars,h1_writer,date}.c -o /tmp/calls && /tmp/calls
 */
#include "askr_calls.h"
#include "askr_head.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        (const uint8_t *)(literal), sizeof(literal) - 1                                                                \
    }

enum { ROUNDS = 20001, SCRATCH = 256 * 1024 };

static const char wrk[] = "GET /hello.php HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n";
static const char browser[] =
    "GET /hello.php?v=3 HTTP/1.1\r\nHost: shop.example.com\r\nConnection: keep-alive\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 "
    "Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
    "Referer: https://shop.example.com/\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB,en;q=0.9\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\r\n";

static askr_pool *pool, *worker;
static askr_calls *calls;
static askr_request rq;
static uint8_t scratch[SCRATCH], bytes[65536];
static uint64_t submits[ROUNDS], news[ROUNDS], pumps[ROUNDS], held;

static void must(int is_true)
{
    if (!is_true)
        abort();
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int64_t take_all(askr_transport *t, const struct iovec *parts, int count, int is_more)
{
    size_t n = 0;
    (void)t, (void)is_more;
    for (int i = 0; i < count; i++)
        n += parts[i].iov_len;
    return (int64_t)n;
}

static void put(uint8_t *head, size_t cap, size_t *at, const char *name, const char *value)
{
    must(askr_record_put(head, cap, at, ASKR_FIELD_HEADER, (const uint8_t *)name, (uint16_t)strlen(name),
                         (const uint8_t *)value, (uint32_t)strlen(value)) == ASKR_OK);
}

static void answer(size_t body_bytes)
{
    uint8_t head[256] = {200, 0, 0, 0}, request[4096];
    size_t at = 4;
    askr_xid x;
    must(askr_worker_take(worker, 0, -1, &x) == ASKR_OK);
    must(askr_request_read(worker, x, request, sizeof request) > 0);
    put(head, sizeof head, &at, "X-Powered-By", "PHP/8.4.1");
    put(head, sizeof head, &at, "Content-type", "text/html; charset=UTF-8");
    must(askr_response_head(worker, x, head, (uint32_t)at) == ASKR_OK);
    must(askr_response_write(worker, x, bytes, body_bytes) == ASKR_OK);
    must(askr_worker_finish(worker, 0, x, 0) == ASKR_OK);
}

/* One request and its response.  News are never asked for in vain, so the eventfd is not armed: as on a busy wire. */
static void serve(int round, size_t body_bytes)
{
    static const askr_transport_ops ops = {.send = take_all};
    static const askr_script script = {TEXT("/hello.php"), TEXT("/srv/public/hello.php"), {NULL, 0}};
    static const askr_cgi_peer peer = {TEXT("127.0.0.1"), TEXT("45678"), TEXT("127.0.0.1"), TEXT("8000")};
    static const askr_slice date = TEXT("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    static askr_call call;
    askr_transport t = {.ops = &ops, .fd = -1};
    askr_writer w;
    askr_output o;
    askr_answer_id refused;
    askr_writer_init(&w, 0, 1, 1);
    askr_output_init(&o);
    uint64_t a = now_ns();
    must(askr_call_submit(calls, &call, &call, &rq, &script, &peer, NULL, 0, a, a / 1000) == ASKR_OK);
    uint64_t b = now_ns();
    answer(body_bytes);
    uint64_t c = now_ns();
    must(askr_calls_next(calls) == &call);
    uint64_t d = now_ns();
    must(askr_call_pump(calls, &call, &w, date, &o, &t, &refused) == ASKR_CALL_ENDED);
    uint64_t e = now_ns();
    submits[round] = b - a;
    news[round] = d - c;
    pumps[round] = e - d;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t median(uint64_t *times, uint64_t clock)
{
    qsort(times, ROUNDS, sizeof *times, by_size);
    return times[ROUNDS / 2] > clock ? times[ROUNDS / 2] - clock : 0;
}

static void measure(const char *name, const char *wire, size_t body_bytes)
{
    const askr_codec_limits limits = {16384, 8192};
    uint32_t scanned = 0;
    static uint64_t clocks[ROUNDS];
    must(askr_codec_read((const uint8_t *)wire, strlen(wire), &limits, &scanned, &rq) == ASKR_CODEC_REQUEST);
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t before = now_ns();
        clocks[i] = now_ns() - before;
        serve(i, body_bytes);
    }
    uint64_t clock = median(clocks, 0);
    printf("%-8s %6zu bytes: submit %4llu ns, news %4llu ns, pump %5llu ns\n", name, body_bytes,
           (unsigned long long)median(submits, clock), (unsigned long long)median(news, clock),
           (unsigned long long)median(pumps, clock));
}

int main(void)
{
    const askr_pool_spec spec = {.exchanges = 1024,
                                 .blocks = 4096,
                                 .block_bytes = 16384,
                                 .fronts = 1,
                                 .workers = 1,
                                 .spool_stride_bytes = 1024 * 1024};
    int fd = eventfd(0, EFD_NONBLOCK);
    must(askr_pool_create(&spec, &pool) == ASKR_OK && askr_pool_attach(askr_pool_fd(pool), &worker) == ASKR_OK);
    must(askr_pool_bind_front(pool, 0, fd) == ASKR_OK && askr_pool_bind_front(worker, 0, fd) == ASKR_OK);
    const askr_calls_config config = {.pool = pool,
                                      .cgi = {TEXT("/srv/public"), TEXT("http")},
                                      .queue_timeout_ns = 1000000000,
                                      .output = {.memory_bytes = 1024 * 1024, .directory = "/tmp", .held_bytes = &held},
                                      .scratch = scratch,
                                      .scratch_bytes = sizeof scratch};
    must(askr_calls_create(&config, &calls) == ASKR_OK);
    measure("wrk", wrk, 5);
    measure("browser", browser, 5);
    measure("browser", browser, 1024);
    measure("browser", browser, 16384);
    measure("browser", browser, 65536);
    return 0;
}
