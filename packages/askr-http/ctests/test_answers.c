#include "askr_answers.h"
#include "fence.h"

static void test_rows_are_copied_and_found_and_a_missing_one_is_noticed(void)
{
    fence f = fence_new(askr_answers_sizeof()), text = fence_new(1);
    askr_answers *a = askr_answers_init(f.body + f.size - (askr_answers_sizeof() + 15) / 16 * 16);
    for (uint32_t id = 0; id < ASKR_ANSWER_COUNT; id++) {
        askr_answer row = {400 + id, {fence_copy(text, 1, "Phrase", 6), 6}, {NULL, 0}, {NULL, 0}};
        CHECK(!askr_answers_are_complete(a) && askr_answers_get(a, id) == NULL);
        CHECK_EQUAL(askr_answers_set(a, id, &row), ASKR_OK);
    }
    CHECK(askr_answers_are_complete(a));
    memset(text.body, 0, text.size); /* the rows are copies */
    for (uint32_t id = 0; id < ASKR_ANSWER_COUNT; id++) {
        const askr_answer *row = askr_answers_get(a, id);
        CHECK(row->status == 400 + id && row->phrase.len == 6 && memcmp(row->phrase.at, "Phrase", 6) == 0);
        CHECK(row->headers.len == 0 && row->content.len == 0);
    }
    CHECK(askr_answers_get(a, ASKR_ANSWER_COUNT) == NULL);
    fence_free(f);
    fence_free(text);
}

static void test_a_row_over_the_limit_changes_nothing(void)
{
    fence f = fence_new(askr_answers_sizeof());
    askr_answers *a = askr_answers_init(f.body);
    static const uint8_t text[2000];
    const askr_answer whole = {404, {text, 24}, {text, 500}, {text, 500}},
                      empty = {404, {NULL, 0}, {NULL, 0}, {NULL, 0}};
    askr_answer row = whole;
    CHECK_EQUAL(askr_answers_set(a, 0, &whole), ASKR_OK);
    CHECK_EQUAL(askr_answers_set(a, ASKR_ANSWER_COUNT, &whole), ASKR_EINVAL);
    row.content.len++;
    CHECK_EQUAL(askr_answers_set(a, 0, &row), ASKR_E2BIG);
    row = whole;
    row.headers.len = SIZE_MAX - 10; /* a sum would overflow */
    CHECK_EQUAL(askr_answers_set(a, 0, &row), ASKR_E2BIG);
    CHECK_EQUAL(askr_answers_get(a, 0)->content.len, 500);
    CHECK_EQUAL(askr_answers_set(a, 0, &empty), ASKR_OK);
    CHECK_EQUAL(askr_answers_get(a, 0)->content.len, 0);
    fence_free(f);
}

int main(void)
{
    test_rows_are_copied_and_found_and_a_missing_one_is_noticed();
    test_a_row_over_the_limit_changes_nothing();
    return 0;
}
