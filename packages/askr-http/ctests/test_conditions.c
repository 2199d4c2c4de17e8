#include "askr_conditions.h"
#include "fence.h"

/* What the fields mean is compared with Python (tests/test_native_static.py); here every value ends at an unreadable page. */

static fence input;
static askr_request rq;
static const askr_validators validators = {{(const uint8_t *)"\"3e8-5\"", 7}, 1700000000, 1700001000, 1000};

static void put(askr_known_field known, const char *value, size_t len, int side)
{
    rq = (askr_request){.method_id = ASKR_METHOD_GET, .field_count = 2};
    rq.known[known] = 1;
    rq.known_count[known] = 1;
    rq.fields[1].known = known;
    rq.fields[1].value = (askr_slice){fence_copy(input, side, value, len), len};
}

static void judge_all(uint64_t *offset, uint64_t *length)
{
    (void)askr_judge_preconditions(&rq, &validators);
    askr_range range = askr_choose_range(&rq, &validators, offset, length);
    if (range == ASKR_RANGE_PART)
        CHECK(*length > 0 && *offset < validators.size_bytes && *length <= validators.size_bytes - *offset);
    (void)askr_choose_coding(&rq, 1, 1);
}

static void test_any_value_is_read_inside_of_its_bytes(void)
{
    static const char *const words[] = {"bytes", "=",    "-",      "0",  "999", "1000",      "99999999999999999999",
                                        ",",     " ",    "\t",     "W/", "\"",  "\"3e8-5\"", "*",
                                        "br",    "gzip", "x-gzip", ";",  "q",   "0.5",       "1."};
    static const askr_known_field fields[] = {ASKR_KNOWN_RANGE, ASKR_KNOWN_IF_NONE_MATCH, ASKR_KNOWN_IF_MODIFIED_SINCE,
                                              ASKR_KNOWN_ACCEPT_ENCODING, ASKR_KNOWN_IF_RANGE};
    uint64_t seed = 88172645463325252, offset, length;
    for (int round = 0; round < 60000; round++) {
        char text[256] = "";
        size_t count = random_next(&seed) % 8;
        if (round % 2 == 0)
            strcpy(text, "bytes=");
        for (size_t i = 0; i < count; i++)
            strcat(text, words[random_next(&seed) % (sizeof words / sizeof *words)]);
        put(fields[random_next(&seed) % (sizeof fields / sizeof *fields)], text, strlen(text), round & 1);
        judge_all(&offset, &length);
    }
}

static void test_ranges_at_the_limits_of_numbers(void)
{
    static const struct {
        const char *value;
        askr_range range;
        uint64_t offset, length;
    } cases[] = {
        {"bytes=0-0", ASKR_RANGE_PART, 0, 1},
        {"bytes=999-", ASKR_RANGE_PART, 999, 1},
        {"bytes=0-999999999999999999", ASKR_RANGE_PART, 0, 1000},
        {"bytes=-999999999999999999", ASKR_RANGE_PART, 0, 1000},
        {"bytes=0-9999999999999999999", ASKR_RANGE_WHOLE, 0, 0},
        {"bytes=18446744073709551616-", ASKR_RANGE_WHOLE, 0, 0},
        {"bytes=999999999999999999-", ASKR_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-0", ASKR_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=0-0,5-6", ASKR_RANGE_WHOLE, 0, 0},
        {"bytes=1000-,2000-", ASKR_RANGE_UNSATISFIABLE, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t offset = 0, length = 0;
        put(ASKR_KNOWN_RANGE, cases[i].value, strlen(cases[i].value), 1);
        CHECK_EQUAL(askr_choose_range(&rq, &validators, &offset, &length), cases[i].range);
        if (cases[i].range == ASKR_RANGE_PART) {
            CHECK_EQUAL(offset, cases[i].offset);
            CHECK_EQUAL(length, cases[i].length);
        }
    }
}

static void test_an_empty_value_may_point_nowhere(void)
{
    uint64_t offset, length;
    for (int known = 1; known < ASKR_KNOWN_COUNT; known++) {
        put((askr_known_field)known, "", 0, 1);
        rq.fields[1].value.at = NULL;
        judge_all(&offset, &length);
    }
}

int main(void)
{
    input = fence_new(4096);
    test_any_value_is_read_inside_of_its_bytes();
    test_ranges_at_the_limits_of_numbers();
    test_an_empty_value_may_point_nowhere();
    fence_free(input);
    return 0;
}
