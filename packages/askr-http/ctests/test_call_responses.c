#include "calls_stage.h"

/*
 * Responses as workers write them: bit by bit, none at all, and through transports that take little or break.
 *
 * ctest-skip: tsan (processes, which it cannot see)
 */

/* ---- responses that come bit by bit ---- */

static void stream_three(client *c, const char *wire, uint16_t status, const char *const *fields)
{
    submit(c, wire);
    askr_xid x = take(played, 0);
    CHECK_EQUAL(pump(c), ASKR_CALL_WAITING);
    CHECK_EQUAL(c->t.calls, 0);
    write_head(played, x, status, fields);
    write_text(played, x, "one");
    CHECK_EQUAL(askr_response_flush(played, x), ASKR_OK);
    wait_for_news(c);
    CHECK_EQUAL(pump(c), ASKR_CALL_WAITING);
    CHECK_EQUAL(c->t.calls, 1); /* head and first bytes in one */
    CHECK_EQUAL(pump(c), ASKR_CALL_WAITING);
    CHECK_EQUAL(c->t.calls, 1);
    write_text(played, x, "seventeen letters");
    CHECK_EQUAL(askr_response_flush(played, x), ASKR_OK);
    wait_for_news(c);
    CHECK_EQUAL(pump(c), ASKR_CALL_WAITING);
    finish(played, 0, x);
}

static void check_streamed(const char *wire, uint16_t status, const char *const *fields, askr_call_verdict verdict,
                           int keeps_alive, const char *wanted)
{
    client c;
    set_up();
    stream_three(&c, wire, status, fields);
    CHECK_EQUAL(pump_to_the_end(&c), verdict);
    CHECK_EQUAL(c.w.keeps_alive, keeps_alive);
    check_got(&c, wanted);
    leave(&c);
    stage_strike();
}

static void test_a_streamed_response_has_chunks(void)
{
    check_streamed(GET, 200, NO_FIELDS, ASKR_CALL_ENDED, 1,
                   OK_200 DATE "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n11\r\nseventeen letters\r\n0\r\n\r\n");
    check_streamed(OLD, 200, NO_FIELDS, ASKR_CALL_ENDED, 0,
                   OK_200 DATE "Connection: close\r\n\r\noneseventeen letters");
}

static void test_what_has_no_body_is_read_and_not_sent(void)
{
    check_streamed(HEAD, 200, NO_FIELDS, ASKR_CALL_ENDED, 1, OK_200 DATE "\r\n");
    check_streamed(HEAD, 200, (const char *[]){"Content-Length", "20", NULL}, ASKR_CALL_ENDED, 1,
                   OK_200 DATE "Content-Length: 20\r\n\r\n");
    check_streamed(GET, 204, NO_FIELDS, ASKR_CALL_ENDED, 1, "HTTP/1.1 204 No Content\r\n" DATE "\r\n");
    check_streamed(GET, 304, NO_FIELDS, ASKR_CALL_ENDED, 1, "HTTP/1.1 304 Not Modified\r\n" DATE "\r\n");
    check_streamed(GET, 205, NO_FIELDS, ASKR_CALL_ENDED, 1,
                   "HTTP/1.1 205 Reset Content\r\n" DATE "Content-Length: 0\r\n\r\n");
}

/* PHP leaves the body of HEAD out or not: what there is of it says nothing about its length. */
static void test_a_complete_answer_to_head_announces_no_length(void)
{
    client c;
    set_up();
    submit(&c, HEAD);
    askr_xid x = take(played, 0);
    write_head(played, x, 200, NO_FIELDS);
    write_text(played, x, "body");
    finish(played, 0, x);
    CHECK_EQUAL(pump_to_the_end(&c), ASKR_CALL_ENDED);
    check_got(&c, OK_200 DATE "\r\n");
    leave(&c);
    stage_strike();
}

static void test_phps_content_length_counts(void)
{
    check_streamed(GET, 200, (const char *[]){"Content-Length", "20", NULL}, ASKR_CALL_ENDED, 1,
                   OK_200 DATE "Content-Length: 20\r\n\r\noneseventeen letters");
    check_streamed(GET, 200, (const char *[]){"Content-Length", "12", NULL}, ASKR_CALL_ENDED, 1,
                   OK_200 DATE "Content-Length: 12\r\n\r\noneseventeen");
    check_streamed(GET, 200, (const char *[]){"Content-Length", "21", NULL}, ASKR_CALL_BROKEN, 1,
                   OK_200 DATE "Content-Length: 21\r\n\r\noneseventeen letters");
}

static void test_a_complete_response_shorter_than_announced_is_broken(void)
{
    client c;
    set_up();
    submit(&c, GET);
    askr_xid x = take(played, 0);
    write_head(played, x, 200, (const char *[]){"Content-Length", "6", NULL});
    write_text(played, x, "short");
    finish(played, 0, x);
    CHECK_EQUAL(pump_to_the_end(&c), ASKR_CALL_BROKEN);
    CHECK(!c.w.is_finished);
    leave(&c);
    stage_strike();
}

/* ---- responses that are none ---- */

static void test_a_worker_that_writes_no_head_sent_no_response(void)
{
    client c;
    set_up();
    submit(&c, GET);
    askr_xid x = take(played, 0);
    write_text(played, x, "a body, and nothing before it");
    finish(played, 0, x);
    check_refused(&c, ASKR_ANSWER_BAD_RESPONSE);
    stage_strike();
}

static void test_a_head_that_cannot_be_sent_is_refused(void)
{
    client c;
    for (int i = 0; i < 4; i++) {
        int is_done = i % 2, is_head = i / 2;
        set_up();
        submit(&c, GET);
        askr_xid x = take(played, 0);
        write_head(played, x, 200, (const char *[]){"X", is_head ? "a" : "a\r\nSet-Cookie: b", "X Y", "", NULL});
        CHECK_EQUAL(askr_response_flush(played, x), ASKR_OK);
        if (is_done)
            finish(played, 0, x);
        check_refused(&c, is_head ? ASKR_ANSWER_BAD_RESPONSE : ASKR_ANSWER_WORKER_DIED);
        CHECK_EQUAL(askr_calls_count(calls), !is_done); /* looked after until the worker is done */
        if (!is_done) {
            CHECK_EQUAL(askr_exchange_is_cancelled(played, x), 1);
            finish(played, 0, x);
        }
        stage_strike();
    }
}

/* A worker whose memory was written over: whatever its head is, the books balance in the end. */
static void test_any_bytes_may_stand_where_a_head_should(void)
{
    uint64_t random = 3;
    set_up();
    for (int round = 0; round < 3000; round++) {
        client c;
        uint8_t head[200];
        uint32_t n = 1 + random_next(&random) % (uint32_t)sizeof head;
        (void)encode_head(head, sizeof head, 200, (const char *[]){"Content-Length", "3", "Connection", "a", NULL});
        for (uint32_t changes = random_next(&random) % 5; changes > 0; changes--)
            head[random_next(&random) % n] = (uint8_t)random_next(&random);
        submit(&c, GET);
        askr_xid x = take(played, 0);
        CHECK_EQUAL(askr_response_head(played, x, head, n), ASKR_OK);
        write_text(played, x, "abc");
        finish(played, 0, x);
        askr_call_verdict verdict = pump_to_the_end(&c);
        CHECK(verdict == ASKR_CALL_ENDED || verdict == ASKR_CALL_BROKEN || verdict == ASKR_CALL_REFUSED);
        CHECK_EQUAL(askr_calls_count(calls), 0);
        leave(&c);
    }
    stage_strike();
}

static askr_exchange *exchange_of(askr_xid x)
{
    return &pool->exchanges[askr_xid_index(x)];
}

/* The words that a chain's producer writes; see askr_chain.c. */
typedef struct {
    uint64_t published, appended;
    uint32_t first, last;
} chain_words;

static void test_a_chain_that_is_not_whole_breaks_the_response(void)
{
    for (int has_head = 0; has_head < 2; has_head++) {
        client c;
        set_up();
        submit(&c, GET);
        askr_xid x = take(played, 0);
        chain_words *words = (void *)exchange_of(x)->response;
        write_head(played, x, 200, NO_FIELDS);
        if (has_head) {
            CHECK_EQUAL(askr_response_flush(played, x), ASKR_OK);
            CHECK_EQUAL(pump(&c), ASKR_CALL_WAITING);
        }
        words->published += 100 * BLOCK_BYTES; /* there is nothing behind the first block */
        askr_call_verdict verdict = pump(&c);
        CHECK_EQUAL(verdict, has_head ? ASKR_CALL_BROKEN : ASKR_CALL_REFUSED);
        if (!has_head) {
            CHECK_EQUAL(c.answer, ASKR_ANSWER_WORKER_DIED);
            check_untouched(&c);
        }
        CHECK_EQUAL(askr_calls_count(calls), 1);
        CHECK(askr_calls_next(calls) == NULL);
        finish(played, 0, x);
        CHECK(askr_calls_next(calls) == NULL); /* and its end settles it */
        leave(&c);
        stage_strike();
    }
}

static void test_a_head_that_claims_more_than_there_can_be_is_refused(void)
{
    client c;
    set_up();
    submit(&c, GET);
    askr_xid x = take(played, 0);
    chain_words *words = (void *)exchange_of(x)->response;
    words->published = UINT64_MAX;
    exchange_of(x)->response_head_bytes = UINT32_MAX;
    check_refused(&c, ASKR_ANSWER_WORKER_DIED);
    words->published = 0;
    finish(played, 0, x);
    CHECK(askr_calls_next(calls) == NULL);
    stage_strike();
}

static void test_an_exchange_that_is_not_ours_any_more_ends_the_call(void)
{
    for (int i = 0; i < 4; i++) {
        client c, other;
        int lives_again = i % 2, is_late = i / 2;
        set_up();
        submit(&c, GET);
        CHECK_EQUAL(askr_front_cancel(pool, c.call.xid), 1); /* behind the table's back */
        if (lives_again)
            submit(&other, GET);
        CHECK_EQUAL(is_late ? askr_call_late(calls, &c.call, &c.answer) : pump(&c), ASKR_CALL_REFUSED);
        CHECK_EQUAL(c.answer, ASKR_ANSWER_WORKER_DIED);
        CHECK_EQUAL(c.call.xid, 0);
        if (lives_again) {
            CHECK_EQUAL(askr_calls_count(calls), 1);
            askr_call_drop(calls, &other.call);
            leave(&other);
        }
        leave(&c);
        CHECK_EQUAL(askr_calls_count(calls), 0);
        stage_strike();
    }
}

static void test_a_buffer_that_is_too_small_is_refused(void)
{
    set_up();
    askr_calls *none = NULL;
    askr_calls_config config = stage_config();
    config.scratch_bytes = ASKR_CALLS_LEAST_SCRATCH - 1;
    CHECK_EQUAL(askr_calls_create(&config, &none), ASKR_EINVAL);
    CHECK(none == NULL);
    stage_strike();
}

/* ---- transports that take little, and such that break ---- */

static void test_a_byte_at_a_time(void)
{
    client c;
    set_up();
    stream_three(&c, GET, 200, NO_FIELDS);
    leave(&c);
    askr_call_drop(calls, &c.call);
    CHECK(askr_calls_next(calls) == NULL);
    submit(&c, GET);
    c.t.piece = 1;
    askr_xid x = take(played, 0);
    write_head(played, x, 200, NO_FIELDS);
    write_text(played, x, "hello");
    finish(played, 0, x);
    CHECK_EQUAL(pump_to_the_end(&c), ASKR_CALL_ENDED);
    while (flush_output(&c) == ASKR_EAGAIN)
        ;
    check_got(&c, OK_200 DATE "Content-Length: 5\r\n\r\nhello");
    leave(&c);
    stage_strike();
}

static void test_a_break_at_any_send_ends_the_call(void)
{
    for (int breaks_at = 1;; breaks_at++) {
        client c;
        set_up();
        submit(&c, GET);
        c.t.breaks_at = breaks_at;
        pid_t pid = start_worker(0, write_until_cancelled_or_done);
        askr_call_verdict verdict = pump_to_the_end(&c);
        CHECK_EQUAL(c.call.xid, 0);
        leave(&c);
        CHECK_EQUAL(wait_is_dead(pid), 0);
        CHECK(askr_calls_next(calls) == NULL);
        stage_strike();
        if (verdict == ASKR_CALL_ENDED)
            break;
        CHECK_EQUAL(verdict, ASKR_CALL_BROKEN);
    }
}

static void test_a_head_as_large_as_a_worker_may_write(void)
{
    static uint8_t head[8 * 16384 * 2];
    static char value[60000];
    client c;
    stage_raise(256, 16384);
    memset(value, 'v', sizeof value - 1);
    size_t n =
        encode_head(head, sizeof head, 200, (const char *[]){"A", value, "B", value, "C", value, "D", value, NULL});
    submit(&c, GET);
    askr_xid x = take(played, 0);
    CHECK_EQUAL(askr_response_head(played, x, head, (uint32_t)n), ASKR_OK);
    CHECK_EQUAL(askr_response_write(played, x, bytes, 100000), ASKR_OK);
    finish(played, 0, x);
    CHECK_EQUAL(pump_to_the_end(&c), ASKR_CALL_ENDED);
    const char *end = strstr((const char *)c.t.got, "\r\n\r\n");
    CHECK(strstr((const char *)c.t.got, "Content-Length: 100000\r\n\r\n") != NULL);
    CHECK_EQUAL(c.t.len, (size_t)(end + 4 - (const char *)c.t.got) + 100000);
    check_stream((const uint8_t *)end + 4, 0, 100000);
    leave(&c);
    stage_strike();
}

int main(void)
{
    stage_open();
    test_a_streamed_response_has_chunks();
    test_what_has_no_body_is_read_and_not_sent();
    test_a_complete_answer_to_head_announces_no_length();
    test_phps_content_length_counts();
    test_a_complete_response_shorter_than_announced_is_broken();
    test_a_worker_that_writes_no_head_sent_no_response();
    test_a_head_that_cannot_be_sent_is_refused();
    test_any_bytes_may_stand_where_a_head_should();
    test_a_chain_that_is_not_whole_breaks_the_response();
    test_a_head_that_claims_more_than_there_can_be_is_refused();
    test_an_exchange_that_is_not_ours_any_more_ends_the_call();
    test_a_buffer_that_is_too_small_is_refused();
    test_a_byte_at_a_time();
    test_a_break_at_any_send_ends_the_call();
    test_a_head_as_large_as_a_worker_may_write();
    stage_close();
    return 0;
}
