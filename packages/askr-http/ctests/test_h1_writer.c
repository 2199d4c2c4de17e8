#include "askr_h1_writer.h"
#include "fence.h"

/* Bounds, at unreadable pages; that the bytes are the pure wire's is tests/test_native_writer.py's. */

#define TEXT(literal) ((askr_slice){(const uint8_t *)(literal), sizeof(literal) - 1})

static const char date_line[] = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

static fence in, out;

/* The text, with a page that cannot be read right behind or before it. */
static askr_slice fenced(int side, const char *text)
{
    return (askr_slice){fence_copy(in, side, text, strlen(text)), strlen(text)};
}

static void check_written(const uint8_t *buf, int64_t n, const char *wanted)
{
    CHECK_EQUAL(n, strlen(wanted));
    CHECK(memcmp(buf, wanted, strlen(wanted)) == 0);
}

static void test_a_field_is_read_and_written_up_to_the_page(void)
{
    static const char *const values[] = {"", "a", "0123456789abcdef", "a\tb\x01\xe9 0123456789abcdef 0123456789"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        for (int side = 0; side < 2; side++) {
            char wanted[100];
            size_t n = (size_t)snprintf(wanted, sizeof wanted, "X-Name: %s\r\n", values[i]);
            for (size_t cap = 0; cap <= n; cap++) {
                uint8_t *buf = out.body + out.size - cap;
                int64_t got = askr_writer_field(TEXT("X-Name"), fenced(side, values[i]), buf, cap);
                if (cap < n)
                    CHECK_EQUAL(got, ASKR_E2BIG);
                else
                    check_written(buf, got, wanted);
            }
        }
}

static void test_names_are_read_up_to_the_page(void)
{
    static const struct {
        const char *name;
        int is_sent;
    } rows[] = {
        {"A", 1},
        {"Content-Type", 1},
        {"Content-Lengt", 1},
        {"Content-Lengthy", 1},
        {"", 0},
        {"Content-Length", 0},
        {"upgrade", 0},
        {"CONNECTION", 0},
        {"keep-Alive", 0},
        {"Transfer-Encoding", 0},
        {"Proxy-Connection", 0},
        {"a b", 0},
        {"a:", 0},
        {"\xe9", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int side = 0; side < 2; side++) {
            int64_t got = askr_writer_field(fenced(side, rows[i].name), TEXT("1"), out.body, out.size);
            CHECK_EQUAL(got, rows[i].is_sent ? (int64_t)strlen(rows[i].name) + 5 : ASKR_EINVAL);
        }
}

static void test_what_would_end_a_field_is_refused_at_any_place(void)
{
    askr_writer w;
    askr_writer_init(&w, 0, 1, 1);
    for (size_t len = 1; len < 40; len++)
        for (size_t at = 0; at < len; at++)
            for (int c = 0; c < 256; c++) {
                uint8_t text[40];
                askr_slice s = {in.body + in.size - len, len};
                int is_bad = c == '\r' || c == '\n' || c == 0;
                memset(text, at % 2 ? 'a' : 1, len);
                text[at] = (uint8_t)c;
                fence_copy(in, 1, text, len);
                CHECK_EQUAL(askr_writer_field(TEXT("X"), s, out.body, out.size),
                            is_bad ? ASKR_EINVAL : (int64_t)len + 5);
                CHECK_EQUAL(askr_writer_status(&w, 200, s, out.body, out.size) == ASKR_EINVAL, is_bad);
            }
}

static void test_a_head_that_does_not_fit_changes_nothing(void)
{
    static const char wanted[] =
        "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 18446744073709551614\r\nConnection: close\r\n\r\n";
    size_t n = sizeof wanted - 1;
    for (size_t cap = 0; cap <= n; cap++) {
        askr_writer w, before;
        uint8_t *buf = out.body + out.size - cap;
        int64_t got;
        askr_writer_init(&w, 0, 1, 0);
        before = w;
        got = askr_writer_start(&w, 200, UINT64_MAX - 1, fenced(1, date_line), 0, buf, cap);
        if (cap == n) {
            check_written(buf, got, wanted);
            CHECK(w.is_started && w.left == UINT64_MAX - 1);
        } else {
            CHECK_EQUAL(got, ASKR_E2BIG);
            CHECK(memcmp(&w, &before, sizeof w) == 0);
        }
    }
}

static void test_a_frame_and_the_end_are_written_up_to_the_page(void)
{
    static const struct {
        uint64_t n;
        const char *wanted;
    } rows[] = {{1, "1\r\n"}, {255, "ff\r\n"}, {UINT64_MAX, "ffffffffffffffff\r\n"}};
    askr_writer w;
    askr_writer_init(&w, 0, 1, 1);
    CHECK_EQUAL(askr_writer_finish(&w, out.body, out.size), ASKR_EINVAL);
    CHECK_EQUAL(askr_writer_take(&w, 5), 0);
    CHECK(askr_writer_start(&w, 200, ASKR_NO_LENGTH, (askr_slice){NULL, 0}, 1, out.body, out.size) > 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t cap = 0; cap <= strlen(rows[i].wanted); cap++) {
            uint8_t *buf = out.body + out.size - cap;
            int64_t got = askr_writer_frame(&w, rows[i].n, buf, cap);
            CHECK(got <= ASKR_FRAME_BYTES - 2);
            if (cap < strlen(rows[i].wanted))
                CHECK_EQUAL(got, ASKR_E2BIG);
            else
                check_written(buf, got, rows[i].wanted);
        }
    for (size_t cap = 0; cap <= 5; cap++) {
        int64_t got = askr_writer_finish(&w, out.body + out.size - cap, cap);
        CHECK_EQUAL(got, cap < 5 ? ASKR_E2BIG : 5);
        CHECK_EQUAL(w.is_finished, cap == 5);
    }
    CHECK_EQUAL(askr_writer_finish(&w, out.body, out.size), ASKR_EINVAL);
}

static void test_a_short_body_has_no_end(void)
{
    askr_writer w;
    askr_writer_init(&w, 0, 1, 1);
    CHECK(askr_writer_start(&w, 200, 10, ((askr_slice){(const uint8_t *)date_line, sizeof date_line - 1}), 0, out.body,
                            out.size) > 0);
    CHECK_EQUAL(askr_writer_take(&w, 7), 7);
    CHECK_EQUAL(askr_writer_finish(&w, out.body, out.size), ASKR_EAGAIN);
    CHECK_EQUAL(askr_writer_take(&w, 7), 3);
    CHECK_EQUAL(askr_writer_finish(&w, out.body, out.size), 0);
    CHECK_EQUAL(askr_writer_take(&w, 7), 0);
    CHECK_EQUAL(w.body_bytes, 10);
}

static void test_an_answer_is_written_up_to_the_page(void)
{
    static const char wanted[] = "HTTP/1.1 405 Method Not Allowed\r\nX: y\r\nAllow: GET\r\n"
                                 "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 4\r\n\r\ntext";
    const askr_answer answer = {405, TEXT("Method Not Allowed"), TEXT("X: y\r\n"), TEXT("text")};
    size_t n = sizeof wanted - 1;
    for (size_t cap = 0; cap <= n; cap++) {
        askr_writer w;
        uint8_t *buf = out.body + out.size - cap;
        int64_t got;
        askr_writer_init(&w, 0, 1, 1);
        got = askr_writer_answer(&w, &answer, TEXT("GET"), fenced(1, date_line), buf, cap);
        CHECK_EQUAL(w.is_finished, cap == n);
        if (cap < n)
            CHECK_EQUAL(got, ASKR_E2BIG);
        else
            check_written(buf, got, wanted);
    }
}

static void test_dates_are_read_and_written_up_to_the_page(void)
{
    const char *date = "Sun, 06 Nov 1994 08:49:37 GMT";
    uint8_t *buf = out.body + out.size - ASKR_DATE_BYTES;
    CHECK_EQUAL(strlen(date_line), ASKR_DATE_LINE_BYTES);
    askr_date_write(784111777, buf);
    CHECK(memcmp(buf, date, ASKR_DATE_BYTES) == 0);
    for (size_t cut = 0; cut <= ASKR_DATE_BYTES; cut++)
        for (int side = 0; side < 2; side++) {
            askr_slice s = {fence_copy(in, side, date, cut), cut};
            CHECK_EQUAL(askr_date_read(s), cut == ASKR_DATE_BYTES ? 784111777 : -1);
        }
}

int main(void)
{
    in = fence_new(4096);
    out = fence_new(4096);
    test_a_field_is_read_and_written_up_to_the_page();
    test_names_are_read_up_to_the_page();
    test_what_would_end_a_field_is_refused_at_any_place();
    test_a_head_that_does_not_fit_changes_nothing();
    test_a_frame_and_the_end_are_written_up_to_the_page();
    test_a_short_body_has_no_end();
    test_an_answer_is_written_up_to_the_page();
    test_dates_are_read_and_written_up_to_the_page();
    fence_free(in);
    fence_free(out);
    return 0;
}
