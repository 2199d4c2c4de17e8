#include "askr_access_line.h"
#include "fence.h"

/* Bounds, at unreadable pages; that the bytes are Python's is tests/test_native_access_line.py's. */

static void test_a_line_is_read_and_written_up_to_the_page(void)
{
    static const char path[] = "/a\"\\\x7f\xff\n";
    static const char wanted[] =
        "{\"ts\":-9223372036854775808,\"ip\":\"::1\",\"method\":\"\",\"path\":\"/a\\\"\\\\\\u007f\\u00ff\\n\","
        "\"status\":200,\"bytes\":18446744073709551615,\"dur_ms\":18446744073709.55}\n";
    fence in = fence_new(1), out = fence_new(sizeof wanted);
    for (size_t cap = 0; cap < sizeof wanted; cap++)
        for (int side = 0; side < 2; side++) {
            askr_access_record r = {
                .ts_wall_s = INT64_MIN,
                .ip = {(const uint8_t *)"::1", 3},
                .method = {NULL, 0},
                .path = {fence_copy(in, side, path, sizeof path - 1), sizeof path - 1},
                .body_bytes = UINT64_MAX,
                .duration_ns = UINT64_MAX,
                .status = 200,
            };
            uint8_t *buf = out.body + out.size - cap;
            int64_t n = askr_access_line_write(&r, buf, cap);
            CHECK_EQUAL(n, cap < sizeof wanted - 1 ? ASKR_E2BIG : (int64_t)sizeof wanted - 1);
            if (n > 0)
                CHECK(memcmp(buf, wanted, sizeof wanted - 1) == 0);
        }
    fence_free(in);
    fence_free(out);
}

static void test_a_half_is_rounded_up_and_nothing_overflows(void)
{
    static const struct {
        uint64_t ns;
        const char *wanted;
    } rows[] = {{0, "0.00"},
                {4999, "0.00"},
                {5000, "0.01"},
                {14999, "0.01"},
                {994999, "0.99"},
                {995000, "1.00"},
                {1234567, "1.23"},
                {60000000000, "60000.00"},
                {UINT64_MAX - 4, "18446744073709.55"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        askr_access_record r = {.duration_ns = rows[i].ns};
        uint8_t buf[200];
        int64_t n = askr_access_line_write(&r, buf, sizeof buf - 1);
        size_t digits = strlen(rows[i].wanted);
        CHECK(n > 0 && buf[n - 1] == '\n');
        CHECK(memcmp(buf + n - 2 - digits, rows[i].wanted, digits) == 0 && buf[n - 3 - (int64_t)digits] == ':');
    }
}

int main(void)
{
    test_a_line_is_read_and_written_up_to_the_page();
    test_a_half_is_rounded_up_and_nothing_overflows();
    return 0;
}
