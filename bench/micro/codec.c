/*
 * How long the native wire's pure parts take, without any I/O: reading a head, writing an answer's head and a line of the access log.
 * The best of 40 rounds, in nanoseconds of CPU time.  From the checkout:
 *
 *   H=packages/askr-http/csrc; cc -O2 -std=c11 -D_GNU_SOURCE -I$H -Ipackages/askr-shm/csrc bench/micro/codec.c \
 *     $H/askr_h1_codec.c $H/askr_h1_chars.c $H/askr_h1_writer.c $H/askr_access_line.c $H/askr_date.c -o /tmp/codec && /tmp/codec
 *
 * -DASKR_SCAN_PORTABLE measures the portable way to find the end of a value instead of SSE2's.
 */
#include "askr_access_line.h"
#include "askr_h1_codec.h"
#include "askr_h1_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT(literal) ((askr_slice){(const uint8_t *)(literal), sizeof(literal) - 1})

static const char wrk[] = "GET /hello.php HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n";
static const char browser[] =
    "GET /assets/app.css?v=3 HTTP/1.1\r\nHost: shop.example.com\r\nConnection: keep-alive\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 "
    "Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
    "Referer: https://shop.example.com/\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB,en;q=0.9\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\r\n";

static const askr_codec_limits limits = {16384, 8192};
static askr_request rq;
static uint8_t out[4096];

static void read_wrk(void)
{
    uint32_t scanned = 0;
    if (askr_codec_read((const uint8_t *)wrk, sizeof wrk - 1, &limits, &scanned, &rq) != ASKR_CODEC_REQUEST)
        abort();
}

static void read_browser(void)
{
    uint32_t scanned = 0;
    if (askr_codec_read((const uint8_t *)browser, sizeof browser - 1, &limits, &scanned, &rq) != ASKR_CODEC_REQUEST)
        abort();
}

static void read_browser_in_two(void)
{
    uint32_t scanned = 0;
    if (askr_codec_read((const uint8_t *)browser, 300, &limits, &scanned, &rq) != ASKR_CODEC_MORE)
        abort();
    if (askr_codec_read((const uint8_t *)browser, sizeof browser - 1, &limits, &scanned, &rq) != ASKR_CODEC_REQUEST)
        abort();
}

static void write_answer(void)
{
    const askr_answer answer = {404, TEXT("Not Found"),
                                TEXT("Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n"),
                                TEXT("askr: not found")};
    askr_writer w;
    askr_writer_init(&w, 0, 1, 1);
    if (askr_writer_answer(&w, &answer, (askr_slice){NULL, 0}, TEXT("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), out,
                           sizeof out) < 0)
        abort();
}

static void write_five_fields(void)
{
    askr_writer w;
    int64_t n;
    askr_writer_init(&w, 0, 1, 1);
    n = askr_writer_status(&w, 200, (askr_slice){NULL, 0}, out, sizeof out);
    for (int i = 0; i < 5; i++)
        n +=
            askr_writer_field(TEXT("X-Powered-By"), TEXT("PHP/8.4.15, and some more"), out + n, sizeof out - (size_t)n);
    if (askr_writer_start(&w, 200, 1234, TEXT("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), 0, out + n,
                          sizeof out - (size_t)n) < 0)
        abort();
}

static void write_line(void)
{
    const askr_access_record r = {1700000000, TEXT("127.0.0.1"), TEXT("GET"), TEXT("/hello.php"), 12, 345678, 200};
    if (askr_access_line_write(&r, out, sizeof out) < 0)
        abort();
}

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void measure(const char *name, void (*work)(void))
{
    enum { ROUNDS = 40, CALLS = 20000 };
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        double ns = cpu_ns();
        for (int i = 0; i < CALLS; i++) {
            work();
            __asm__ volatile("" ::: "memory");
        }
        ns = (cpu_ns() - ns) / CALLS;
        best = ns < best ? ns : best;
    }
    printf("%-36s %4.0f ns\n", name, best);
}

int main(void)
{
    printf("wrk %zu bytes, browser %zu bytes\n", sizeof wrk - 1, sizeof browser - 1);
    measure("read wrk's head", read_wrk);
    measure("read a browser's head", read_browser);
    measure("read a browser's head in two pieces", read_browser_in_two);
    measure("write a fixed answer", write_answer);
    measure("write a head with five fields", write_five_fields);
    measure("write a line of the access log", write_line);
    return 0;
}
