#include "askr_head.h"
#include "testing.h"

static size_t put_example(uint8_t *buf, size_t cap)
{
    size_t at = 0;
    CHECK_EQUAL(askr_record_put(buf, cap, &at, ASKR_FIELD_METHOD, NULL, 0, (const uint8_t *)"GET", 3), ASKR_OK);
    CHECK_EQUAL(askr_record_put(buf, cap, &at, ASKR_FIELD_QUERY, NULL, 0, NULL, 0), ASKR_OK);
    CHECK_EQUAL(askr_record_put(buf, cap, &at, ASKR_FIELD_HEADER, (const uint8_t *)"Host", 4, (const uint8_t *)"a", 1),
                ASKR_OK);
    return at;
}

static void test_records_come_back_as_they_were_put(void)
{
    uint8_t buf[100];
    size_t n = put_example(buf, sizeof buf), at = 0;
    askr_record r;
    CHECK_EQUAL(n, 8 + 3 + 8 + 8 + 4 + 1);
    CHECK_EQUAL(askr_record_next(buf, n, &at, &r), ASKR_OK);
    CHECK(r.tag == ASKR_FIELD_METHOD && r.name == NULL && r.value_len == 3 && memcmp(r.value, "GET", 3) == 0);
    CHECK_EQUAL(askr_record_next(buf, n, &at, &r), ASKR_OK);
    CHECK(r.tag == ASKR_FIELD_QUERY && r.value_len == 0);
    CHECK_EQUAL(askr_record_next(buf, n, &at, &r), ASKR_OK);
    CHECK(r.tag == ASKR_FIELD_HEADER && r.name_len == 4 && memcmp(r.name, "Host", 4) == 0 && r.value[0] == 'a');
    CHECK_EQUAL(askr_record_next(buf, n, &at, &r), ASKR_EAGAIN);
    CHECK_EQUAL(at, n);
}

static void test_a_cut_head_is_read_up_to_the_unreadable_page_and_refused(void)
{
    uint8_t buf[100];
    size_t n = put_example(buf, sizeof buf);
    for (size_t cut = 0; cut <= n; cut++) {
        guarded g = guarded_new(cut + 1, 1);
        uint8_t *end = g.mem + 1; /* `cut` bytes that end at the page */
        size_t at = 0;
        askr_record r;
        int rc;
        memcpy(end, buf, cut);
        while ((rc = askr_record_next(end, cut, &at, &r)) == ASKR_OK) {
        }
        CHECK_EQUAL(rc, cut == 0 || cut == 11 || cut == 19 || cut == n ? ASKR_EAGAIN : ASKR_EINVAL);
        guarded_free(g);
    }
}

static void test_what_does_not_fit_is_not_written(void)
{
    for (size_t cap = 0; cap < 16; cap++) {
        uint8_t buf[16] = {0};
        size_t at = 0;
        int rc =
            askr_record_put(buf, cap, &at, ASKR_FIELD_HEADER, (const uint8_t *)"abc", 3, (const uint8_t *)"defg", 4);
        CHECK_EQUAL(rc, cap < 15 ? ASKR_E2BIG : ASKR_OK);
        CHECK_EQUAL(at, cap < 15 ? 0 : 15);
        CHECK_EQUAL(buf[0], cap < 15 ? 0 : ASKR_FIELD_HEADER);
    }
    size_t at = 5;
    CHECK_EQUAL(askr_record_put(NULL, 4, &at, 1, NULL, 0, NULL, UINT32_MAX), ASKR_E2BIG);
}

/* Any bytes give records inside the buffer, or ASKR_EINVAL, and come to an end. */
static void test_any_bytes_are_records_or_refused(void)
{
    uint64_t random = 1;
    for (int round = 0; round < 20000; round++) {
        uint8_t buf[64];
        size_t n = random_next(&random) % sizeof buf, at = 0;
        askr_record r;
        int rc, count = 0;
        for (size_t i = 0; i < n; i++)
            buf[i] = random_next(&random) % 3 ? 0 : (uint8_t)(random_next(&random) % 101);
        while ((rc = askr_record_next(buf, n, &at, &r)) == ASKR_OK) {
            CHECK(r.value >= buf && r.value + r.value_len <= buf + n);
            CHECK(++count <= 8);
        }
        CHECK(rc == ASKR_EAGAIN || rc == ASKR_EINVAL);
    }
}

int main(void)
{
    test_records_come_back_as_they_were_put();
    test_a_cut_head_is_read_up_to_the_unreadable_page_and_refused();
    test_what_does_not_fit_is_not_written();
    test_any_bytes_are_records_or_refused();
    printf("ok\n");
    return 0;
}
