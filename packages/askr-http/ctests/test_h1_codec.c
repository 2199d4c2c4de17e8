#include "askr_h1_codec.h"
#include "askr_h1_scan.h"
#include "fence.h"

/* The codec alone; that it agrees with the pure wire is tests/test_native_codec.py's and the fuzzer's. */

#define H "Host: a\r\n"

static const askr_codec_limits limits = {16384, 8192};

static const struct {
    const char *wire;
    askr_codec_verdict verdict; /* of all of it */
} cases[] = {
    {"GET / HTTP/1.1\r\n" H "\r\n", ASKR_CODEC_REQUEST},
    {"GET /a/b%20c%2F?x=%zz&y[]=1 HTTP/1.1\r\n" H "\r\n", ASKR_CODEC_REQUEST},
    {"PROPFIND //x HTTP/1.1\r\n" H "\r\nGET / HTTP/1.1\r\n", ASKR_CODEC_REQUEST},
    {"POST / HTTP/1.1\r\nhOST: a\r\ncontent-LENGTH:  \t007\t \r\n\r\nhello", ASKR_CODEC_REQUEST},
    {"GET / HTTP/1.0\r\n\r\n", ASKR_CODEC_REQUEST},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", ASKR_CODEC_REQUEST},
    {"GET / HTTP/1.1\r\nHost: [::1]:8000\r\nX: \xe9\xff\tb \r\nY:\r\n\r\n", ASKR_CODEC_REQUEST},
    {"GET / HTTP/1.1\r\nHost: [::1]:\r\nConnection: ,, a , close,\r\n\r\n", ASKR_CODEC_REQUEST},
    {"", ASKR_CODEC_MORE},
    {"GET /\xe9 no grammar is applied before the end", ASKR_CODEC_MORE},
    {"GET / HTTP/1.1\r\nHost: a\r\n\r", ASKR_CODEC_MORE},
    {"\r\nGET / HTTP/1.1\r\n" H "\r\n", ASKR_CODEC_DEFER},
    {"GET / HTTP/1.1\n" H "\r\n", ASKR_CODEC_DEFER},
    {"GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n", ASKR_CODEC_DEFER},
    {"GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", ASKR_CODEC_DEFER},
    {"GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n", ASKR_CODEC_DEFER},
    {"GET / HTTP/1.1\r\n" H "X : a\r\n\r\n", ASKR_CODEC_DEFER},
    {"GET / HTTP/1.1\r\n" H ": a\r\n\r\n", ASKR_CODEC_DEFER},
    {"GET / HTTP/1.1\r\n" H "X\r\n\r\n", ASKR_CODEC_DEFER},
    {"GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", ASKR_CODEC_DEFER},
    {"GET / HTTP/1.1\r\n" H "EXPECT: 100-continue\r\n\r\n", ASKR_CODEC_DEFER},
    {"GET / HTTP/1.1\r\n" H "Upgrade: websocket\r\n\r\n", ASKR_CODEC_DEFER},
    {"GET / HTTP/1.1\r\n" H H "\r\n", ASKR_CODEC_DEFER},
    {"GET / HTTP/1.1\r\n\r\n", ASKR_CODEC_DEFER},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", ASKR_CODEC_DEFER},
    {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", ASKR_CODEC_DEFER},
    {"GET / HTTP/1.1\r\nHost: [:]\r\n\r\n", ASKR_CODEC_DEFER},
    {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", ASKR_CODEC_DEFER},
    {"GET / HTTP/1.1\r\nHost: a:123456\r\n\r\n", ASKR_CODEC_DEFER},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", ASKR_CODEC_DEFER},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 1234567890123456789\r\n\r\n", ASKR_CODEC_DEFER},
    {"POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\n", ASKR_CODEC_DEFER},
    {"POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", ASKR_CODEC_DEFER},
    {"GET http://a/ HTTP/1.1\r\n" H "\r\n", ASKR_CODEC_DEFER},
    {"OPTIONS * HTTP/1.1\r\n" H "\r\n", ASKR_CODEC_DEFER},
    {"CONNECT / HTTP/1.1\r\n" H "\r\n", ASKR_CODEC_DEFER},
    {"GET /% HTTP/1.1\r\n" H "\r\n", ASKR_CODEC_DEFER},
    {"GET /%4 HTTP/1.1\r\n" H "\r\n", ASKR_CODEC_DEFER},
    {"GET /%00 HTTP/1.1\r\n" H "\r\n", ASKR_CODEC_DEFER},
    {"GET /#a HTTP/1.1\r\n" H "\r\n", ASKR_CODEC_DEFER},
    {"GET /?#a HTTP/1.1\r\n" H "\r\n", ASKR_CODEC_DEFER},
    {"GET /\xe9 HTTP/1.1\r\n" H "\r\n", ASKR_CODEC_DEFER},
    {"GET  / HTTP/1.1\r\n" H "\r\n", ASKR_CODEC_DEFER},
    {"GET / HTTP/1.1 \r\n" H "\r\n", ASKR_CODEC_DEFER},
    {"GET / HTTP/1.2\r\n" H "\r\n", ASKR_CODEC_DEFER},
    {"GET / HTTP/2.0\r\n" H "\r\n", ASKR_CODEC_DEFER},
    {"GET / http/1.1\r\n" H "\r\n", ASKR_CODEC_DEFER},
    {"GET /\r\n\r\n", ASKR_CODEC_DEFER},
    {" GET / HTTP/1.1\r\n" H "\r\n", ASKR_CODEC_DEFER},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ASKR_CODEC_DEFER},
};
#define CASES (sizeof cases / sizeof *cases)

static int is_inside(askr_slice s, const uint8_t *buf, size_t len)
{
    return s.at >= buf && s.at <= buf + len && s.len <= (size_t)(buf + len - s.at);
}

static void check_slices(const askr_request *rq, const uint8_t *buf)
{
    size_t len = rq->head_bytes;
    CHECK(is_inside(rq->method, buf, len) && is_inside(rq->target, buf, len) && is_inside(rq->raw_path, buf, len));
    CHECK(is_inside(rq->query, buf, len) && is_inside(rq->authority, buf, len) && is_inside(rq->host, buf, len));
    CHECK(rq->field_count <= ASKR_REQUEST_FIELDS);
    for (uint32_t i = 0; i < rq->field_count; i++)
        CHECK(is_inside(rq->fields[i].name, buf, len) && is_inside(rq->fields[i].value, buf, len));
}

static askr_codec_verdict read_at(fence f, int side, const void *wire, size_t len, uint32_t *scanned, askr_request *rq)
{
    const uint8_t *buf = fence_copy(f, side, wire, len);
    askr_codec_verdict verdict = askr_codec_read(buf, len, &limits, scanned, rq);
    if (verdict == ASKR_CODEC_REQUEST) {
        CHECK(rq->head_bytes <= len);
        check_slices(rq, buf);
    }
    CHECK_EQUAL(*scanned, verdict == ASKR_CODEC_MORE ? len : *scanned);
    return verdict;
}

/* At either page, whole and byte by byte: every prefix has one verdict. */
static askr_codec_verdict verdict_of_all_prefixes(fence f, const uint8_t *wire, size_t len, size_t step)
{
    static askr_request rq;
    askr_codec_verdict verdict = ASKR_CODEC_MORE;
    uint32_t dripped = 0;
    for (size_t cut = 0; cut <= len && verdict == ASKR_CODEC_MORE;
         cut = cut + step <= len || cut == len ? cut + step : len) {
        uint32_t at_start = 0, at_end = 0;
        verdict = read_at(f, 0, wire, cut, &at_start, &rq);
        CHECK_EQUAL(read_at(f, 1, wire, cut, &at_end, &rq), verdict);
        CHECK_EQUAL(read_at(f, 1, wire, cut, &dripped, &rq), verdict);
    }
    return verdict;
}

static void test_every_case_has_its_verdict_at_the_page_and_however_it_is_cut(void)
{
    fence f = fence_new(4096);
    for (size_t i = 0; i < CASES; i++)
        for (size_t step = 1; step < 8; step++) {
            askr_codec_verdict got =
                verdict_of_all_prefixes(f, (const uint8_t *)cases[i].wire, strlen(cases[i].wire), step);
            if (got != cases[i].verdict)
                fprintf(stderr, "case %zu: %s\n", i, cases[i].wire);
            CHECK_EQUAL(got, cases[i].verdict);
        }
    fence_free(f);
}

/* Bytes of the cases, cut, repeated and spoilt. */
static void test_spoilt_cases_have_one_verdict_however_they_are_cut(void)
{
    fence f = fence_new(4096);
    uint64_t random = 7;
    for (int round = 0; round < 3000; round++) {
        uint8_t wire[400];
        const char *from = cases[random_next(&random) % CASES].wire;
        size_t len = strlen(from);
        memcpy(wire, from, len);
        for (uint32_t n = random_next(&random) % 3; n > 0 && len > 0; n--) {
            size_t at = random_next(&random) % len;
            if (random_next(&random) % 2)
                wire[at] = (uint8_t) "\r\n\t \0:%\x7f\x80"[random_next(&random) % 9];
            else
                memmove(wire + at, wire + at + 1, --len - at);
        }
        (void)verdict_of_all_prefixes(f, wire, len, 1 + random_next(&random) % 40);
    }
    fence_free(f);
}

static askr_request *read_request(const char *wire)
{
    static askr_request rq;
    uint32_t scanned = 0;
    CHECK_EQUAL(askr_codec_read((const uint8_t *)wire, strlen(wire), &limits, &scanned, &rq), ASKR_CODEC_REQUEST);
    return &rq;
}

#define CHECK_TEXT(slice, text) CHECK((slice).len == strlen(text) && memcmp((slice).at, text, (slice).len) == 0)

static void test_a_request_is_read_in_its_parts(void)
{
    const askr_request *rq =
        read_request("POST /a%20b/c?x=1?y HTTP/1.1\r\nX-Foo: 1\r\nHOST:example.org:80 \r\nx-fOO:\t2 3\r\n"
                     "Content-Length: 12\r\nCookie: a\r\nCookie: b\r\n\r\nrest");
    CHECK_TEXT(rq->method, "POST");
    CHECK_TEXT(rq->target, "/a%20b/c?x=1?y");
    CHECK_TEXT(rq->raw_path, "/a%20b/c");
    CHECK_TEXT(rq->query, "x=1?y");
    CHECK_TEXT(rq->authority, "example.org:80");
    CHECK_TEXT(rq->host, "example.org");
    CHECK(rq->method_id == ASKR_METHOD_POST && rq->is_1_1 && rq->keeps_alive && rq->has_escapes);
    CHECK_EQUAL(rq->content_length, 12);
    CHECK_EQUAL(rq->field_count, 6);
    CHECK_TEXT(rq->fields[2].name, "x-fOO");
    CHECK_TEXT(rq->fields[2].value, "2 3");
    CHECK_EQUAL(rq->fields[0].hash, rq->fields[2].hash);
    CHECK(rq->fields[0].known == ASKR_KNOWN_NONE && rq->fields[3].known == ASKR_KNOWN_CONTENT_LENGTH);
    CHECK(rq->known_count[ASKR_KNOWN_COOKIE] == 2 && rq->known[ASKR_KNOWN_COOKIE] == 4);
    CHECK_EQUAL(rq->known_count[ASKR_KNOWN_RANGE], 0);
}

static void test_every_known_field_is_known_in_any_case_and_nothing_like_it(void)
{
    static const char *const known[ASKR_KNOWN_COUNT] = {
        [ASKR_KNOWN_ACCEPT_ENCODING] = "Accept-Encoding",
        [ASKR_KNOWN_CONNECTION] = "Connection",
        [ASKR_KNOWN_COOKIE] = "Cookie",
        [ASKR_KNOWN_RANGE] = "Range",
        [ASKR_KNOWN_IF_RANGE] = "If-Range",
        [ASKR_KNOWN_IF_MATCH] = "If-Match",
        [ASKR_KNOWN_IF_NONE_MATCH] = "If-None-Match",
        [ASKR_KNOWN_IF_MODIFIED_SINCE] = "If-Modified-Since",
        [ASKR_KNOWN_IF_UNMODIFIED_SINCE] = "If-Unmodified-Since",
        [ASKR_KNOWN_PROXY] = "Proxy",
        [ASKR_KNOWN_TE] = "TE",
        [ASKR_KNOWN_TRAILER] = "Trailer",
    };
    for (uint32_t id = 1; id < ASKR_KNOWN_COUNT; id++) {
        char wire[200];
        if (known[id] == NULL) /* Host and Content-Length are in the test above */
            continue;
        for (size_t i = 0; i <= strlen(known[id]); i++) {
            snprintf(wire, sizeof wire, "GET / HTTP/1.1\r\nHost: a\r\n%s: 1\r\n\r\n", known[id]);
            wire[25 + i] = (char)(wire[25 + i] ^ (i < strlen(known[id]) && wire[25 + i] != '-' ? 0x20 : 0));
            CHECK_EQUAL(read_request(wire)->fields[1].known, id);
            if (i == strlen(known[id]))
                continue;
            wire[25 + i] = '_';
            CHECK_EQUAL(read_request(wire)->fields[1].known, ASKR_KNOWN_NONE);
        }
    }
}

static void test_the_connection_is_kept_as_its_options_say(void)
{
    static const struct {
        const char *version, *fields;
        int keeps_alive;
    } rows[] = {
        {"1.1", "", 1},
        {"1.1", "Connection: close\r\n", 0},
        {"1.1", "Connection: keep-alive, CLOSE\r\n", 0},
        {"1.1", "Connection: closed\r\n", 1},
        {"1.1", "Connection: x\r\nConnection:\t, Close \r\n", 0},
        {"1.0", "", 0},
        {"1.0", "Connection: Keep-Alive\r\n", 1},
        {"1.0", "Connection: a,keep-alive\t,b\r\n", 1},
        {"1.0", "Connection: keep-alive b\r\n", 0},
        {"1.0", "Connection: keep-alive, close\r\n", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char wire[200];
        snprintf(wire, sizeof wire, "GET / HTTP/%s\r\nHost: a\r\n%s\r\n", rows[i].version, rows[i].fields);
        CHECK_EQUAL(read_request(wire)->keeps_alive, rows[i].keeps_alive);
    }
}

/* A wire of n bytes: `start`, then as many 'a' as fit, then `end`. */
static uint8_t *padded(const char *start, const char *end, size_t n)
{
    uint8_t *wire = malloc(n);
    CHECK(wire != NULL && strlen(start) + strlen(end) <= n);
    memset(wire, 'a', n);
    memcpy(wire, start, strlen(start));
    memcpy(wire + n - strlen(end), end, strlen(end));
    return wire;
}

static askr_codec_verdict verdict_of(const char *start, const char *end, size_t n, size_t len)
{
    static askr_request rq;
    uint8_t *wire = padded(start, end, n);
    fence f = fence_new(len);
    uint32_t scanned = 0;
    askr_codec_verdict verdict = read_at(f, 1, wire, len, &scanned, &rq);
    fence_free(f);
    free(wire);
    return verdict;
}

static void test_a_head_or_a_target_over_its_limit_is_deferred_complete_or_not(void)
{
    const char *start = "GET / HTTP/1.1\r\nHost: a\r\nX: ", *end = "\r\n\r\n";
    CHECK_EQUAL(verdict_of(start, end, 16384, 16384), ASKR_CODEC_REQUEST);
    CHECK_EQUAL(verdict_of(start, end, 16385, 16385), ASKR_CODEC_DEFER);
    CHECK_EQUAL(verdict_of(start, end, 16385, 16384), ASKR_CODEC_MORE);
    CHECK_EQUAL(verdict_of(start, end, 30000, 16385), ASKR_CODEC_DEFER);
    end = " HTTP/1.1\r\nHost: a\r\n\r\n";
    CHECK_EQUAL(verdict_of("GET /", end, 4 + 8192 + strlen(end), 4 + 8192 + strlen(end)), ASKR_CODEC_REQUEST);
    CHECK_EQUAL(verdict_of("GET /", end, 5 + 8192 + strlen(end), 5 + 8192 + strlen(end)), ASKR_CODEC_DEFER);
    CHECK_EQUAL(verdict_of("GET /", end, 10000, 8192 + 64), ASKR_CODEC_MORE);
    CHECK_EQUAL(verdict_of("GET /", end, 10000, 8192 + 65), ASKR_CODEC_DEFER);
    end = " / HTTP/1.1\r\nHost: a\r\n\r\n"; /* a method of many letters */
    CHECK_EQUAL(verdict_of("", end, 8192 + 64 + 11, 8192 + 64 + 11), ASKR_CODEC_REQUEST);
    CHECK_EQUAL(verdict_of("", end, 8192 + 64 + 12, 8192 + 64 + 12), ASKR_CODEC_DEFER);
}

static void test_more_fields_than_there_is_room_for_are_deferred(void)
{
    static askr_request rq;
    for (int fields = ASKR_REQUEST_FIELDS - 1; fields <= ASKR_REQUEST_FIELDS + 1; fields++) {
        char wire[2000] = "GET / HTTP/1.1\r\nHost: a\r\n";
        uint32_t scanned = 0;
        for (int i = 1; i < fields; i++)
            strcat(wire, "TE:\r\n");
        strcat(wire, "\r\n");
        CHECK_EQUAL(askr_codec_read((uint8_t *)wire, strlen(wire), &limits, &scanned, &rq),
                    fields <= ASKR_REQUEST_FIELDS ? ASKR_CODEC_REQUEST : ASKR_CODEC_DEFER);
        if (fields == ASKR_REQUEST_FIELDS)
            CHECK_EQUAL(rq.known_count[ASKR_KNOWN_TE], ASKR_REQUEST_FIELDS - 1);
    }
}

/* What makes a head that drips byte by byte cost linear time: pages that were scanned cannot be touched here until the end has come. */
static void test_what_was_scanned_is_not_looked_at_again_before_the_end(void)
{
    static askr_request rq;
    const askr_codec_limits short_targets = {16384, 1000};
    fence f = fence_new(12000);
    size_t len = f.page + 2; /* the end of the head may have begun in the last three bytes */
    uint32_t scanned = 0;
    uint8_t *head = padded("GET / HTTP/1.1\r\nHost: a\r\nX: ", "\r\n\r\n", 12000);
    memcpy(f.body, head, 12000);
    CHECK_EQUAL(askr_codec_read(f.body, ++len, &short_targets, &scanned, &rq), ASKR_CODEC_MORE);
    CHECK_EQUAL(mprotect(f.body, f.page, PROT_NONE), 0);
    while (++len < 12000)
        CHECK_EQUAL(askr_codec_read(f.body, len, &short_targets, &scanned, &rq), ASKR_CODEC_MORE);
    CHECK_EQUAL(mprotect(f.body, f.page, PROT_READ), 0);
    CHECK_EQUAL(askr_codec_read(f.body, len, &short_targets, &scanned, &rq), ASKR_CODEC_REQUEST);
    free(head);
    fence_free(f);
}

static void test_a_note_beyond_the_bytes_is_that_of_another_head(void)
{
    static askr_request rq;
    const char *wire = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    fence f = fence_new(100);
    for (size_t cut = 1; cut <= strlen(wire); cut++) {
        uint32_t scanned = 1000;
        CHECK_EQUAL(read_at(f, 1, wire, cut, &scanned, &rq),
                    cut == strlen(wire) ? ASKR_CODEC_REQUEST : ASKR_CODEC_MORE);
    }
    fence_free(f);
}

static void test_both_ways_to_find_the_end_of_text_agree_at_the_page(void)
{
    fence f = fence_new(4096);
    uint8_t text[40];
    for (size_t len = 0; len <= sizeof text; len++)
        for (size_t at = 0; at < len; at++)
            for (int c = 0; c < 256; c++)
                for (int side = 0; side < 2; side++) {
                    const uint8_t *buf, *wanted;
                    memset(text, at % 2 ? '\t' : 0xff, sizeof text);
                    text[at] = (uint8_t)c;
                    if (at + 3 < len)
                        text[at + 3] = 0; /* what follows the first one makes no difference */
                    buf = fence_copy(f, side, text, len);
                    wanted = buf + ((c < 0x20 && c != '\t') || c == 0x7f ? at : at + 3 < len ? at + 3 : len);
                    CHECK(askr_scan_text_portable(buf, buf + len) == wanted);
                    CHECK(askr_scan_text(buf, buf + len) == wanted);
                }
    fence_free(f);
}

int main(void)
{
    test_every_case_has_its_verdict_at_the_page_and_however_it_is_cut();
    test_spoilt_cases_have_one_verdict_however_they_are_cut();
    test_a_request_is_read_in_its_parts();
    test_every_known_field_is_known_in_any_case_and_nothing_like_it();
    test_the_connection_is_kept_as_its_options_say();
    test_a_head_or_a_target_over_its_limit_is_deferred_complete_or_not();
    test_more_fields_than_there_is_room_for_are_deferred();
    test_what_was_scanned_is_not_looked_at_again_before_the_end();
    test_a_note_beyond_the_bytes_is_that_of_another_head();
    test_both_ways_to_find_the_end_of_text_agree_at_the_page();
    return 0;
}
