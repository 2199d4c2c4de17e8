#include "askr_ascii.h"
#include "askr_cgi.h"
#include "askr_head.h"
#include "fence.h"

/* ctest-skip: tsan (one thread) */

/* What the rules say is held against askr_http.cgi in tests/test_native_cgi.py; here: bounds, and heads that nobody should have written. */

#define SLICE(text) ((askr_slice){.at = (const uint8_t *)("" text), .len = sizeof(text) - 1})

static const askr_slice date = {.at = (const uint8_t *)"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
                                .len = ASKR_DATE_LINE_BYTES};
static const askr_cgi_policy policy = {.document_root = SLICE("/srv"), .scheme = SLICE("http")};
static const askr_script script = {.name = SLICE("/index.php"), .filename = SLICE("/srv/index.php")};
static const askr_cgi_peer peer = {.remote_addr = SLICE("192.0.2.9"),
                                   .remote_port = SLICE("5555"),
                                   .server_addr = SLICE("192.0.2.1"),
                                   .server_port = SLICE("80")};

static askr_request request_of(const char *wire)
{
    const askr_codec_limits limits = {.head_bytes = 65536, .target_bytes = 8192};
    uint32_t scanned = 0;
    askr_request rq;
    CHECK_EQUAL(askr_codec_read((const uint8_t *)wire, strlen(wire), &limits, &scanned, &rq), ASKR_CODEC_REQUEST);
    return rq;
}

static void test_a_request_is_written_whole_or_not_at_all(void)
{
    const askr_request rq =
        request_of("POST /a?b HTTP/1.1\r\nHost: [::1]:80\r\nCookie: a=1\r\nX: 1\r\nCookie: b=2\r\nx: \r\n"
                   "Proxy: evil\r\nX_Y: 1\r\nContent-Length: 3\r\n\r\n");
    fence f = fence_new(4096);
    int64_t n = askr_cgi_request(&rq, &script, &policy, &peer, 3, 1234567, f.body, f.size);
    CHECK(n > 0);
    for (size_t cap = 0; cap <= (size_t)n; cap++) {
        uint8_t *end = f.body + f.size - cap;
        int64_t got = askr_cgi_request(&rq, &script, &policy, &peer, 3, 1234567, end, cap);
        CHECK_EQUAL(got, cap < (size_t)n ? ASKR_E2BIG : n);
    }
    fence_free(f);
}

static const askr_record *record_named(const uint8_t *buf, size_t n, uint16_t tag, const char *name)
{
    static askr_record r;
    size_t at = 0, found = 0;
    askr_record each;
    while (askr_record_next(buf, n, &at, &each) == ASKR_OK) {
        if (each.tag == tag &&
            (name == NULL || (each.name_len == strlen(name) && memcmp(each.name, name, each.name_len) == 0))) {
            r = each;
            found++;
        }
    }
    CHECK_EQUAL(found, 1);
    return &r;
}

static void test_as_many_fields_of_one_name_as_there_may_be(void)
{
    static char wire[8192];
    static uint8_t out[16384];
    size_t at = (size_t)sprintf(wire, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 1; i < ASKR_REQUEST_FIELDS; i++)
        at += (size_t)sprintf(wire + at, "%s: %d\r\n", i % 2 ? "X-a" : "x-A", i);
    (void)sprintf(wire + at, "\r\n");
    const askr_request rq = request_of(wire);
    int64_t n = askr_cgi_request(&rq, &script, &policy, &peer, 0, 1, out, sizeof out);
    CHECK(n > 0);
    const askr_record *r = record_named(out, (size_t)n, ASKR_FIELD_HEADER, "X-a");
    CHECK(r->value_len > 400 && memcmp(r->value, "1, 2, 3, 4, ", 12) == 0);
    CHECK(memcmp(r->value + r->value_len - 8, "126, 127", 8) == 0);
}

/* A client that knows the hash: all names differ, none is joined. */
static void test_names_of_one_hash_stay_apart(void)
{
    static char wire[8192];
    static uint8_t out[16384];
    size_t at = (size_t)sprintf(wire, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 1; i < ASKR_REQUEST_FIELDS; i++)
        at += (size_t)sprintf(wire + at, "X-%d: %d\r\n", i, i);
    (void)sprintf(wire + at, "\r\n");
    askr_request rq = request_of(wire);
    for (uint32_t i = 0; i < rq.field_count; i++)
        rq.fields[i].hash = 1;
    int64_t n = askr_cgi_request(&rq, &script, &policy, &peer, 0, 1, out, sizeof out);
    CHECK(n > 0);
    CHECK(memcmp(record_named(out, (size_t)n, ASKR_FIELD_HEADER, "X-1")->value, "1", 1) == 0);
    CHECK(memcmp(record_named(out, (size_t)n, ASKR_FIELD_HEADER, "X-127")->value, "127", 3) == 0);
}

/* ---- responses ---- */

static size_t put_head(uint8_t *buf, size_t cap, uint16_t status, const char *reason, const char *const *fields)
{
    const uint16_t reason_len = (uint16_t)strlen(reason);
    size_t at = 4u + reason_len;
    memcpy(buf, &status, 2);
    memcpy(buf + 2, &reason_len, 2);
    memcpy(buf + 4, reason, reason_len);
    for (; *fields != NULL; fields += 2)
        CHECK_EQUAL(askr_record_put(buf, cap, &at, ASKR_FIELD_HEADER, (const uint8_t *)fields[0],
                                    (uint16_t)strlen(fields[0]), (const uint8_t *)fields[1],
                                    (uint32_t)strlen(fields[1])),
                    ASKR_OK);
    return at;
}

static const char *const some_fields[] = {"Content-Type",   "text/plain", "Connection", "close, X-Hop", "X-Hop", "1",
                                          "Content-Length", " 12 ",       "Set-Cookie", "a=1",          NULL};

static void test_a_response_is_written_whole_or_not_at_all(void)
{
    fence in = fence_new(4096), out = fence_new(4096);
    uint8_t head[512];
    size_t head_bytes = put_head(head, sizeof head, 200, "", some_fields);
    const askr_slice slice = {.at = fence_copy(in, 1, head, head_bytes), .len = head_bytes};
    const char *wanted = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nSet-Cookie: a=1\r\n"
                         "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 12\r\n\r\n";
    for (size_t cap = 0; cap <= strlen(wanted); cap++) {
        askr_writer w, before;
        uint8_t *buf = out.body + out.size - cap;
        askr_writer_init(&w, 0, 1, 1);
        before = w;
        int64_t n = askr_cgi_response(&w, slice, 5, date, buf, cap);
        CHECK_EQUAL(n, cap < strlen(wanted) ? ASKR_E2BIG : (int64_t)cap);
        if (n < 0)
            CHECK(memcmp(&w, &before, sizeof w) == 0);
        else
            CHECK(memcmp(buf, wanted, cap) == 0 && w.left == 12 && w.is_started);
    }
    fence_free(in);
    fence_free(out);
}

/* The length of a 304 would be that of what it stands for, which PHP may say, and an empty body does not. */
static void test_a_304_has_no_length_but_phps_own(void)
{
    static const char *const rows[][2] = {{NULL, NULL}, {"0", NULL}, {"7", "Content-Length: 7\r\n"}};
    for (size_t i = 0; i < 3; i++) {
        uint8_t head[512], buf[512];
        askr_writer w;
        askr_writer_init(&w, 0, 1, 1);
        const char *const fields[] = {rows[i][0] != NULL ? "Content-Length" : NULL, rows[i][0], NULL};
        const askr_slice slice = {.at = head, .len = put_head(head, sizeof head, 304, "", fields)};
        int64_t n = askr_cgi_response(&w, slice, 0, date, buf, sizeof buf - 1);
        CHECK(n > 0);
        buf[n] = 0;
        CHECK((strstr((const char *)buf, "Content-Length") != NULL) == (rows[i][1] != NULL));
        CHECK(rows[i][1] == NULL || strstr((const char *)buf, rows[i][1]) != NULL);
    }
}

static void test_a_cut_head_is_refused_at_every_byte(void)
{
    fence in = fence_new(4096);
    uint8_t head[512], buf[1024];
    size_t head_bytes = put_head(head, sizeof head, 200, "Fine", some_fields), whole = 0;
    for (size_t cut = 0; cut <= head_bytes; cut++) {
        askr_writer w;
        askr_writer_init(&w, 0, 1, 1);
        const askr_slice slice = {.at = fence_copy(in, 1, head, cut), .len = cut};
        int64_t n = askr_cgi_response(&w, slice, ASKR_NO_LENGTH, date, buf, sizeof buf);
        CHECK(n > 0 || n == ASKR_EINVAL);
        CHECK_EQUAL(w.is_started, n > 0);
        whole += n > 0;
    }
    CHECK_EQUAL(whole, 1 + 5); /* after the status line, and after each record */
    fence_free(in);
}

static int64_t response_of(uint16_t status, const char *reason, const char *const *fields)
{
    static uint8_t head[65536], buf[65536];
    askr_writer w;
    askr_writer_init(&w, 0, 1, 1);
    const askr_slice slice = {.at = head, .len = put_head(head, sizeof head, status, reason, fields)};
    return askr_cgi_response(&w, slice, ASKR_NO_LENGTH, date, buf, sizeof buf);
}

static void test_what_cannot_be_sent_is_refused(void)
{
    CHECK_EQUAL(response_of(199, "", (const char *[]){NULL}), ASKR_ECANCELED);
    CHECK_EQUAL(response_of(101, "", (const char *[]){NULL}), ASKR_ECANCELED);
    CHECK_EQUAL(response_of(0, "", (const char *[]){NULL}), ASKR_ECANCELED);
    CHECK_EQUAL(response_of(1000, "", (const char *[]){NULL}), ASKR_ECANCELED);
    CHECK_EQUAL(response_of(65535, "", (const char *[]){NULL}), ASKR_ECANCELED);
    CHECK(response_of(999, "", (const char *[]){NULL}) > 0);
    CHECK_EQUAL(response_of(0, "", (const char *[]){"X", "a\r", NULL}), ASKR_EINVAL); /* no head at all comes first */
    CHECK_EQUAL(response_of(200, "a\r\nb", (const char *[]){NULL}), ASKR_EINVAL);
    CHECK_EQUAL(response_of(200, "", (const char *[]){"X", "a\r\nSet-Cookie: b", NULL}), ASKR_EINVAL);
    CHECK_EQUAL(response_of(200, "", (const char *[]){"X Y", "a", NULL}), ASKR_ECANCELED);
    CHECK_EQUAL(response_of(200, "", (const char *[]){"X:", "a", NULL}), ASKR_ECANCELED);
    CHECK_EQUAL(response_of(200, "", (const char *[]){"Keep-Alive", "a\nb", NULL}),
                ASKR_EINVAL); /* dropped, and still */
}

static void test_a_connection_field_without_end_is_refused(void)
{
    char value[2048];
    const char *many[2 * 9 + 1];
    memset(value, ',', sizeof value);
    value[1024] = 0;
    CHECK(response_of(200, "", (const char *[]){"Connection", value, NULL}) > 0);
    value[1024] = ',';
    value[1025] = 0;
    CHECK_EQUAL(response_of(200, "", (const char *[]){"Connection", value, NULL}), ASKR_ECANCELED);
    for (int i = 0; i < 18; i += 2) {
        many[i] = "Connection";
        many[i + 1] = "close";
    }
    many[18] = NULL;
    CHECK_EQUAL(response_of(200, "", many), ASKR_ECANCELED);
    many[16] = NULL;
    CHECK(response_of(200, "", many) > 0);
}

/* What a worker's memory holds when something wrote over it: nothing is read outside of it, and what goes out is one head. */
static void test_any_bytes_are_a_head_or_refused(void)
{
    fence in = fence_new(4096);
    uint64_t random = 7;
    int heads = 0;
    for (int round = 0; round < 100000; round++) {
        uint8_t head[512], buf[2048];
        size_t n = put_head(head, sizeof head, 200, "", some_fields);
        for (uint32_t changes = random_next(&random) % 4; changes > 0; changes--)
            head[random_next(&random) % n] =
                (uint8_t)(random_next(&random) % 2 ? random_next(&random) : random_next(&random) % 16);
        if (random_next(&random) % 4 == 0)
            n = random_next(&random) % (n + 1);
        askr_writer w;
        askr_writer_init(&w, 0, (int)(random_next(&random) % 2), 1);
        const askr_slice slice = {.at = fence_copy(in, 1, head, n), .len = n};
        int64_t written = askr_cgi_response(&w, slice, ASKR_NO_LENGTH, date, buf, sizeof buf);
        CHECK(written > 0 || written == ASKR_EINVAL || written == ASKR_ECANCELED);
        if (written <= 0)
            continue;
        heads++;
        CHECK(memcmp(buf, "HTTP/1.1 ", 9) == 0 && memcmp(buf + written - 4, "\r\n\r\n", 4) == 0);
        for (int64_t i = 0; i < written - 4; i++) {
            CHECK(buf[i] != 0);
            CHECK_EQUAL(memcmp(buf + i, "\r\n\r\n", 4) == 0, 0);
        }
    }
    CHECK(heads > 1000);
    fence_free(in);
}

static void check_one_byte(size_t at, uint8_t one, uint8_t other)
{
    uint8_t a[9], b[9];
    memset(a, 'x', sizeof a);
    memset(b, 'X', sizeof b);
    a[at] = one;
    b[at] = other;
    CHECK_EQUAL(askr_ascii_same(a, b, sizeof a), askr_ascii_lower(one) == askr_ascii_lower(other));
}

/* Names are compared by words and then by bytes: each pair of bytes, in the word and behind it. */
static void test_names_are_the_same_when_each_byte_is_but_for_case(void)
{
    for (size_t at = 0; at < 9; at += 4)
        for (int pair = 0; pair < 256 * 256; pair++)
            check_one_byte(at, (uint8_t)pair, (uint8_t)(pair >> 8));
}

int main(void)
{
    test_names_are_the_same_when_each_byte_is_but_for_case();
    test_a_request_is_written_whole_or_not_at_all();
    test_as_many_fields_of_one_name_as_there_may_be();
    test_names_of_one_hash_stay_apart();
    test_a_response_is_written_whole_or_not_at_all();
    test_a_304_has_no_length_but_phps_own();
    test_a_cut_head_is_refused_at_every_byte();
    test_what_cannot_be_sent_is_refused();
    test_a_connection_field_without_end_is_refused();
    test_any_bytes_are_a_head_or_refused();
    return 0;
}
