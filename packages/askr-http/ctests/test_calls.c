#include "calls_stage.h"

#include <sched.h>
#include <sys/resource.h>

/* ctest-skip: tsan (processes, which it cannot see) */

enum { BLOCKS = 256, BLOCK_BYTES = 1024, MOST_HEAD = 16 * BLOCK_BYTES };

#define OK_200 "HTTP/1.1 200 OK\r\n"

static void set_up(void)
{
    stage_raise(BLOCKS, BLOCK_BYTES);
}

/* ---- the hot path ---- */

static void test_a_complete_response_goes_out_in_one_send(void)
{
    client c;
    set_up();
    submit(&c, GET);
    askr_xid x = take(played, 0);
    CHECK_EQUAL(x, c.call.xid);
    write_head(played, x, 200, (const char *[]){"Content-Type", "text/plain", NULL});
    write_text(played, x, "hello");
    finish(played, 0, x);
    wait_for_news(&c);
    CHECK_EQUAL(pump(&c), ASKR_CALL_ENDED);
    CHECK_EQUAL(c.t.calls, 1);
    CHECK_EQUAL(c.call.xid, 0);
    CHECK_EQUAL(c.w.body_bytes, 5);
    CHECK(c.w.keeps_alive && c.w.is_finished);
    check_got(&c, OK_200 "Content-Type: text/plain\r\n" DATE "Content-Length: 5\r\n\r\nhello");
    leave(&c);
    stage_strike();
}

static void test_each_call_has_its_own_news(void)
{
    client c[EXCHANGES];
    askr_xid x[2];
    set_up();
    for (int i = 0; i < EXCHANGES; i++)
        submit(&c[i], GET);
    client late;
    CHECK_EQUAL(submit_at(&late, GET, 0, 0), ASKR_EFULL); /* no exchange is left */
    CHECK_EQUAL(late.call.xid, 0);
    for (int i = 0; i < EXCHANGES; i += 2) {
        for (uint32_t w = 0; w < 2; w++)
            x[w] = take(played, w);
        for (uint32_t w = 2; w-- > 0;) {
            write_head(played, x[w], 200, NO_FIELDS);
            finish(played, w, x[w]);
        }
        for (int w = 2; w-- > 0;) {
            CHECK_EQUAL(x[w], c[i + w].call.xid);
            wait_for_news(&c[i + w]);
            CHECK_EQUAL(pump(&c[i + w]), ASKR_CALL_ENDED);
            check_got(&c[i + w], OK_200 DATE "Content-Length: 0\r\n\r\n");
            leave(&c[i + w]);
        }
    }
    stage_strike();
}

/* ---- the request ---- */

static void check_request(askr_xid x, size_t body_bytes)
{
    static uint8_t head[8192], body[SPOOL_STRIDE];
    uint32_t head_bytes = askr_request_head_bytes(played, x);
    size_t at = 0, got = 0;
    askr_record r;
    CHECK(head_bytes <= sizeof head);
    CHECK_EQUAL(askr_request_read(played, x, head, head_bytes), head_bytes);
    CHECK_EQUAL(askr_record_next(head, head_bytes, &at, &r), ASKR_OK);
    CHECK(r.tag == ASKR_FIELD_METHOD && r.value_len == 3 && memcmp(r.value, "GET", 3) == 0);
    CHECK_EQUAL(askr_request_body_bytes(played, x), body_bytes);
    while (got < body_bytes) {
        int64_t n = askr_request_read(played, x, body + got, sizeof body - got);
        CHECK(n > 0);
        got += (size_t)n;
    }
    check_stream(body, 0, body_bytes);
}

static void answer_empty(client *c, askr_xid x)
{
    write_head(played, x, 204, NO_FIELDS);
    finish(played, 0, x);
    CHECK_EQUAL(pump_to_the_end(c), ASKR_CALL_ENDED);
    leave(c);
}

static void test_a_body_goes_to_memory_and_to_the_spool_when_that_is_full(void)
{
    const size_t sizes[] = {1, 100000, SPOOL_STRIDE};
    struct stat st;
    for (size_t i = 0; i < 3; i++) {
        client c;
        set_up();
        CHECK_EQUAL(submit_at(&c, GET, sizes[i], askr_mono_ns()), ASKR_OK);
        CHECK_EQUAL(fstat(spool_fd, &st), 0);
        CHECK_EQUAL(st.st_blocks > 0, sizes[i] == SPOOL_STRIDE); /* more than the blocks that requests may have */
        askr_xid x = take(played, 0);
        check_request(x, sizes[i]);
        answer_empty(&c, x);
        stage_strike();
    }
}

static void test_what_fits_nowhere_is_refused_and_leaves_nothing(void)
{
    client c;
    set_up();
    CHECK_EQUAL(submit_at(&c, GET, SPOOL_STRIDE + 1, askr_mono_ns()), ASKR_EFULL);
    CHECK_EQUAL(askr_calls_count(calls), 0);
    check_books();
    askr_xid x; /* another front has taken nearly all of the memory for requests */
    CHECK_EQUAL(askr_front_open(pool, 0, &x), ASKR_OK);
    while (askr_front_write(pool, x, bytes, BLOCK_BYTES) == ASKR_OK)
        ;
    CHECK_EQUAL(submit_at(&c, GET, 0, askr_mono_ns()), ASKR_EFULL);
    CHECK_EQUAL(askr_front_release(pool, x), ASKR_OK);
    CHECK_EQUAL(askr_calls_count(calls), 0);
    stage_strike();
}

static void test_a_head_that_does_not_fit_is_not_handed_over(void)
{
    static char wire[66000];
    client c;
    set_up();
    size_t at = (size_t)sprintf(wire, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    memset(wire + at, 'x', SCRATCH - 200);
    strcpy(wire + at + SCRATCH - 200, "\r\n\r\n");
    CHECK_EQUAL(submit_at(&c, wire, 0, 0), ASKR_E2BIG);
    stage_strike();
}

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

/* Nothing was sent, and the writer is as it was: the wire can answer. */
static void check_untouched(client *c)
{
    const uint8_t text[] = "x";
    const askr_answer row = {.status = 502, .content = {.at = text, .len = 1}};
    const askr_slice date = SLICE(DATE), allow = {.at = NULL};
    uint8_t out[256];
    CHECK_EQUAL(c->t.calls, 0);
    CHECK_EQUAL(c->call.xid, 0);
    CHECK(askr_writer_answer(&c->w, &row, allow, date, out, sizeof out) > 0);
}

static void check_refused(client *c, askr_answer_id answer)
{
    CHECK_EQUAL(pump_to_the_end(c), ASKR_CALL_REFUSED);
    CHECK_EQUAL(c->answer, answer);
    check_untouched(c);
    leave(c);
}

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

/* ---- workers that die, and nobody who comes ---- */

static void kill_and_repair(pid_t pid, uint32_t worker)
{
    CHECK_EQUAL(kill(pid, SIGKILL), 0);
    CHECK_EQUAL(wait_is_dead(pid), 1);
    while (askr_pool_repair_worker(pool, worker) == ASKR_EFULL)
        ;
    CHECK_EQUAL(askr_worker_clear(pool, worker), ASKR_OK);
}

static void write_nothing(askr_pool *p, uint32_t worker, askr_xid x)
{
    (void)p;
    (void)worker;
    (void)x;
    for (;;)
        pause();
}

static void write_a_part(askr_pool *p, uint32_t worker, askr_xid x)
{
    write_head(p, x, 200, NO_FIELDS);
    write_text(p, x, "part");
    CHECK_EQUAL(askr_response_flush(p, x), ASKR_OK);
    write_nothing(p, worker, x);
}

/* More than its window takes, and on: until nobody wants it, or `pieces` are written. */
static void write_pieces(askr_pool *p, uint32_t worker, askr_xid x, int pieces)
{
    int rc = ASKR_OK;
    write_head(p, x, 200, NO_FIELDS);
    for (int i = 0; i < pieces && rc == ASKR_OK; i++)
        rc = askr_response_write(p, x, bytes, 64 * BLOCK_BYTES);
    CHECK(rc == ASKR_OK || rc == ASKR_ECANCELED);
    CHECK_EQUAL(askr_worker_finish(p, worker, x, rc != ASKR_OK), ASKR_OK);
}

static void write_until_cancelled(askr_pool *p, uint32_t worker, askr_xid x)
{
    write_pieces(p, worker, x, INT32_MAX);
    CHECK_EQUAL(askr_exchange_is_cancelled(p, x), 1);
}

static void write_until_cancelled_or_done(askr_pool *p, uint32_t worker, askr_xid x)
{
    write_pieces(p, worker, x, 3);
}

/* A worker that has it is seen in its record; nothing else says so. */
static void wait_until_running(uint32_t worker)
{
    askr_worker_view view;
    for (;;) {
        CHECK_EQUAL(askr_worker_view_get(pool, worker, &view), ASKR_OK);
        if (view.exchange != 0)
            return;
        (void)sched_yield();
    }
}

static void test_a_killed_worker_is_a_bad_gateway_or_a_cut(void)
{
    client c;
    set_up();
    submit(&c, GET);
    pid_t pid = start_worker(0, write_nothing);
    wait_until_running(0);
    CHECK_EQUAL(pump(&c), ASKR_CALL_WAITING);
    kill_and_repair(pid, 0);
    check_refused(&c, ASKR_ANSWER_WORKER_DIED);
    stage_strike();

    set_up();
    submit(&c, GET);
    pid = start_worker(0, write_a_part);
    wait_for_news(&c);
    CHECK_EQUAL(pump(&c), ASKR_CALL_WAITING);
    kill_and_repair(pid, 0);
    wait_for_news(&c);
    CHECK_EQUAL(pump(&c), ASKR_CALL_BROKEN);
    check_got(&c, OK_200 DATE "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"); /* and no last chunk */
    CHECK_EQUAL(c.call.xid, 0);
    leave(&c);
    stage_strike();
}

/* What was not looked at before the death was not sent: an answer is still possible. */
static void test_a_killed_worker_whose_head_nobody_has_read_is_a_bad_gateway(void)
{
    client c;
    set_up();
    submit(&c, GET);
    pid_t pid = start_worker(0, write_a_part);
    wait_for_news(&c);
    kill_and_repair(pid, 0);
    check_refused(&c, ASKR_ANSWER_WORKER_DIED);
    stage_strike();
}

static void test_a_request_that_nobody_takes_in_time(void)
{
    client c;
    set_up();
    submit(&c, GET);
    CHECK_EQUAL(pump(&c), ASKR_CALL_WAITING);
    CHECK_EQUAL(askr_call_late(calls, &c.call, &c.answer), ASKR_CALL_REFUSED);
    CHECK_EQUAL(c.answer, ASKR_ANSWER_QUEUE_TIMEOUT);
    CHECK_EQUAL(c.call.xid, 0);
    CHECK_EQUAL(askr_calls_count(calls), 0);
    leave(&c);
    stage_strike();
}

static void test_a_worker_that_comes_too_late_hands_it_back(void)
{
    client c;
    askr_xid x;
    set_up();
    queue_timeout_ns = 0;
    askr_calls_destroy(calls);
    const askr_calls_config config = stage_config();
    CHECK_EQUAL(askr_calls_create(&config, &calls), ASKR_OK);
    submit(&c, GET);
    CHECK_EQUAL(askr_worker_take(played, 0, 0, &x), ASKR_EAGAIN);
    CHECK_EQUAL(askr_call_late(calls, &c.call, &c.answer), ASKR_CALL_WAITING);
    check_refused(&c, ASKR_ANSWER_QUEUE_TIMEOUT);
    stage_strike();
}

static void test_a_deadline_does_not_touch_what_runs(void)
{
    client c;
    set_up();
    submit(&c, GET);
    askr_xid x = take(played, 0);
    CHECK_EQUAL(askr_call_late(calls, &c.call, &c.answer), ASKR_CALL_WAITING);
    CHECK_EQUAL(c.call.was_running, 1);
    CHECK_EQUAL(askr_call_late(calls, &c.call, &c.answer), ASKR_CALL_WAITING);
    answer_empty(&c, x);
    CHECK_EQUAL(askr_call_late(calls, &c.call, &c.answer), ASKR_CALL_WAITING); /* it is closed */
    stage_strike();
}

/* ---- clients that leave ---- */

static void test_a_client_that_leaves_the_queue_leaves_nothing(void)
{
    client c;
    set_up();
    CHECK_EQUAL(submit_at(&c, GET, SPOOL_STRIDE, askr_mono_ns()), ASKR_OK);
    askr_call_drop(calls, &c.call);
    CHECK_EQUAL(c.call.xid, 0);
    CHECK_EQUAL(askr_calls_count(calls), 0);
    check_books();
    askr_call_drop(calls, &c.call); /* there is nothing to be dropped */
    leave(&c);
    stage_strike();
}

static uint32_t blocks_used(void)
{
    askr_pool_audit_view audit;
    CHECK_EQUAL(askr_pool_audit(pool, &audit), ASKR_OK);
    return audit.blocks_used;
}

static void test_what_is_written_for_a_client_that_left_is_thrown_away(void)
{
    client c;
    set_up();
    submit(&c, GET);
    askr_xid x = take(played, 0);
    write_head(played, x, 200, NO_FIELDS);
    CHECK_EQUAL(askr_response_write(played, x, bytes, 20 * BLOCK_BYTES), ASKR_OK);
    CHECK_EQUAL(askr_response_flush(played, x), ASKR_OK);
    CHECK(blocks_used() > 20);
    askr_call_drop(calls, &c.call);
    CHECK(blocks_used() <= 2); /* of the request, and the one that is being written */
    CHECK_EQUAL(askr_exchange_is_cancelled(played, x), 1);
    CHECK_EQUAL(askr_calls_count(calls), 1);
    CHECK(askr_calls_next(calls) == NULL); /* nobody hears of it */
    finish(played, 0, x);
    CHECK_EQUAL(askr_calls_count(calls), 1);
    CHECK(askr_calls_next(calls) == NULL);
    CHECK_EQUAL(askr_calls_count(calls), 0);
    leave(&c);
    stage_strike();
}

static void test_a_client_may_leave_at_any_moment(void)
{
    for (int moment = 0; moment < 6; moment++) {
        client c;
        set_up();
        submit(&c, GET);
        askr_xid x = take(played, 0);
        if (moment == 0)
            askr_call_drop(calls, &c.call);
        if (moment < 1) {
            finish(played, 0, x);
        } else {
            write_head(played, x, 200, NO_FIELDS);
            write_text(played, x, "text");
            CHECK_EQUAL(askr_response_flush(played, x), ASKR_OK);
            if (moment == 1)
                askr_call_drop(calls, &c.call);
            (void)askr_calls_next(calls);
            if (moment >= 3)
                CHECK_EQUAL(pump(&c), ASKR_CALL_WAITING);
            if (moment == 2 || moment == 3)
                askr_call_drop(calls, &c.call);
            finish(played, 0, x);
            if (moment == 4)
                askr_call_drop(calls, &c.call); /* its response is whole, and the news of that is still to come */
            if (moment == 5)
                CHECK_EQUAL(pump_to_the_end(&c), ASKR_CALL_ENDED);
        }
        askr_call_drop(calls, &c.call);
        CHECK(askr_calls_next(calls) == NULL);
        leave(&c);
        stage_strike();
    }
}

static void test_a_worker_that_waits_for_room_is_told_that_the_client_left(void)
{
    client c;
    set_up();
    submit(&c, GET);
    pid_t pid = start_worker(0, write_until_cancelled);
    wait_for_news(&c);
    askr_call_drop(calls, &c.call);
    CHECK_EQUAL(wait_is_dead(pid), 0);
    CHECK(askr_calls_next(calls) == NULL);
    CHECK_EQUAL(askr_calls_count(calls), 0);
    leave(&c);
    stage_strike();
}

static void test_a_table_that_ends_leaves_its_exchanges_to_the_repair(void)
{
    client queued, running, done;
    set_up();
    submit(&running, GET);
    askr_xid x = take(played, 0);
    submit(&done, GET);
    finish(played, 1, take(played, 1));
    submit(&queued, GET);
    askr_calls_destroy(calls);
    const askr_calls_config config = stage_config();
    CHECK_EQUAL(askr_calls_create(&config, &calls), ASKR_OK);
    finish(played, 0, x);
    CHECK(askr_calls_next(calls) == NULL); /* news that nobody here waits for */
    CHECK(askr_pool_repair_front(pool, FRONT) >= 1);
    stage_strike();
}

/* ---- readers that are slow ---- */

static void write_much(askr_pool *p, uint32_t worker, askr_xid x)
{
    write_head(p, x, 200, NO_FIELDS);
    CHECK_EQUAL(askr_response_write(p, x, bytes, sizeof bytes), ASKR_OK);
    finish(p, worker, x);
}

/* Takes the chunks apart; how many bytes the body had, which are those of the stream. */
static size_t check_chunked_body(const client *c)
{
    const char *start = strstr((const char *)c->t.got, "\r\n\r\n");
    size_t body = 0;
    CHECK(start != NULL);
    for (const char *at = start + 4;;) {
        char *end;
        size_t n = strtoul(at, &end, 16);
        CHECK(end > at && end[0] == '\r' && end[1] == '\n');
        at = end + 2;
        CHECK((size_t)(at - (const char *)c->t.got) + n + 2 <= c->t.len);
        check_stream((const uint8_t *)at, body, n);
        body += n;
        at += n;
        CHECK(at[0] == '\r' && at[1] == '\n');
        at += 2;
        if (n == 0) {
            CHECK_EQUAL(at - (const char *)c->t.got, c->t.len);
            return body;
        }
    }
}

static void test_a_reader_who_does_not_read_holds_no_worker(void)
{
    client c;
    set_up();
    submit(&c, GET);
    c.t.room = 100;
    pid_t pid = start_worker(0, write_much);
    CHECK_EQUAL(pump_to_the_end(&c), ASKR_CALL_ENDED);
    CHECK_EQUAL(wait_is_dead(pid), 0);
    check_books();
    CHECK(askr_output_pending(&c.o) > sizeof bytes);
    CHECK(held <= MEMORY * 3 / 2);
    c.t.room = SIZE_MAX;
    c.t.piece = 50000;
    while (askr_output_pending(&c.o) > 0)
        CHECK(flush_output(&c) != ASKR_ESYS);
    CHECK_EQUAL(check_chunked_body(&c), sizeof bytes);
    leave(&c);
    stage_strike();
}

static void test_one_call_takes_no_more_than_its_share_of_a_turn(void)
{
    client c;
    stage_raise(1024, 16384);
    submit(&c, GET);
    pid_t pid = start_worker(0, write_much);
    for (;;) {
        size_t before = c.t.len;
        askr_call_verdict verdict = pump(&c);
        CHECK(c.t.len - before <= 1024 * 1024 + SCRATCH);
        if (verdict == ASKR_CALL_ENDED)
            break;
        CHECK(verdict == ASKR_CALL_WAITING || verdict == ASKR_CALL_AGAIN);
        if (verdict == ASKR_CALL_WAITING)
            wait_for_news(&c);
    }
    CHECK_EQUAL(check_chunked_body(&c), sizeof bytes);
    CHECK_EQUAL(wait_is_dead(pid), 0);
    leave(&c);
    stage_strike();
}

static void limit_files(rlim_t most)
{
    struct rlimit limit;
    CHECK_EQUAL(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = most;
    CHECK_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The worker waits for the reader then, and nothing is lost. */
static void test_a_full_disk_loses_nothing(void)
{
    for (rlim_t disk = 0; disk <= 100000; disk += 50000) {
        client c;
        set_up();
        submit(&c, GET);
        c.t.room = 1000;
        pid_t pid = start_worker(0, write_much);
        limit_files(disk);
        askr_call_verdict verdict;
        while ((verdict = pump(&c)) == ASKR_CALL_AGAIN || verdict == ASKR_CALL_WAITING) {
            if (verdict == ASKR_CALL_WAITING && askr_output_pending(&c.o) == 0)
                wait_for_news(&c); /* as a wire does: what waits in the output is sent first */
            c.t.room += 10000;
            CHECK(flush_output(&c) != ASKR_ESYS);
            CHECK(held <= MEMORY * 3 / 2 + 2 * SCRATCH);
        }
        limit_files(RLIM_INFINITY);
        CHECK_EQUAL(verdict, ASKR_CALL_ENDED);
        c.t.room = SIZE_MAX;
        CHECK_EQUAL(flush_output(&c), ASKR_OK);
        CHECK_EQUAL(check_chunked_body(&c), sizeof bytes);
        CHECK_EQUAL(askr_calls_spool_failures(calls), 1);
        CHECK_EQUAL(wait_is_dead(pid), 0);
        leave(&c);
        stage_strike();
    }
}

static void test_a_client_may_leave_while_the_disk_is_full(void)
{
    client c;
    set_up();
    submit(&c, GET);
    c.t.room = 1000;
    pid_t pid = start_worker(0, write_until_cancelled);
    limit_files(0);
    while (askr_calls_spool_failures(calls) == 0) {
        askr_call_verdict verdict = pump(&c);
        CHECK(verdict == ASKR_CALL_AGAIN || verdict == ASKR_CALL_WAITING);
        if (askr_calls_spool_failures(calls) == 0)
            wait_for_news(&c);
    }
    limit_files(RLIM_INFINITY);
    CHECK(held > MEMORY);
    askr_call_drop(calls, &c.call);
    leave(&c);
    CHECK_EQUAL(held, 0);
    CHECK_EQUAL(wait_is_dead(pid), 0);
    stage_strike();
}

/* Its last bytes are kept, and nobody will have news about it any more: that something was sent is the sign. */
static void test_a_complete_response_that_nothing_has_room_for(void)
{
    client c;
    set_up();
    submit(&c, GET);
    c.t.room = 1000;
    askr_xid x = take(played, 0);
    write_head(played, x, 200, NO_FIELDS);
    CHECK_EQUAL(askr_response_write(played, x, bytes, 30000), ASKR_OK);
    finish(played, 0, x);
    limit_files(0);
    wait_for_news(&c);
    CHECK_EQUAL(pump(&c), ASKR_CALL_WAITING);
    CHECK(askr_calls_next(calls) == NULL);
    CHECK(askr_output_pending(&c.o) > 0 && askr_output_pending(&c.o) < 29000);
    CHECK_EQUAL(pump(&c), ASKR_CALL_WAITING);
    c.t.room = SIZE_MAX;
    CHECK_EQUAL(flush_output(&c), ASKR_OK);
    CHECK_EQUAL(pump(&c), ASKR_CALL_ENDED);
    limit_files(RLIM_INFINITY);
    CHECK_EQUAL(c.t.len, strlen(OK_200 DATE "Content-Length: 30000\r\n\r\n") + 30000);
    check_stream(c.t.got + c.t.len - 30000, 0, 30000);
    leave(&c);
    stage_strike();
}

static void test_a_break_while_bytes_are_kept(void)
{
    client c;
    set_up();
    submit(&c, GET);
    c.t.room = 1000;
    pid_t pid = start_worker(0, write_until_cancelled);
    limit_files(0);
    while (askr_calls_spool_failures(calls) == 0) {
        wait_for_news(&c);
        CHECK(pump(&c) != ASKR_CALL_BROKEN);
    }
    limit_files(RLIM_INFINITY);
    c.t.breaks_at = 1;
    CHECK_EQUAL(pump(&c), ASKR_CALL_BROKEN);
    CHECK_EQUAL(c.call.xid, 0);
    leave(&c);
    CHECK_EQUAL(held, 0);
    CHECK_EQUAL(wait_is_dead(pid), 0);
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

/* ---- everything at once ---- */

static uint64_t query_number(askr_pool *p, askr_xid x)
{
    uint8_t head[4096];
    uint32_t head_bytes = askr_request_head_bytes(p, x);
    size_t at = 0;
    askr_record r;
    CHECK_EQUAL(askr_request_read(p, x, head, head_bytes), head_bytes);
    while (askr_record_next(head, head_bytes, &at, &r) == ASKR_OK)
        if (r.tag == ASKR_FIELD_QUERY)
            return strtoull((const char *)r.value, NULL, 10); /* the next record's tag ends it */
    return 0;
}

/* Serves what it is asked for, in pieces, until it is told to drain. */
static void serve_many(askr_pool *p, uint32_t worker, askr_xid x)
{
    uint64_t random = worker + 1;
    do {
        size_t left = (size_t)query_number(p, x), sent = 0;
        uint8_t head[256];
        char length[32];
        int announces = random_next(&random) % 2 != 0;
        (void)snprintf(length, sizeof length, "%zu", left);
        size_t n = encode_head(head, sizeof head, 200,
                               announces ? (const char *[]){"Content-Length", length, NULL} : NO_FIELDS);
        int rc = askr_response_head(p, x, head, (uint32_t)n);
        while (rc == ASKR_OK && left > 0) {
            size_t part = 1 + random_next(&random) % 30000;
            part = part < left ? part : left;
            rc = askr_response_write(p, x, bytes + sent, part);
            if (rc == ASKR_OK && random_next(&random) % 3 == 0)
                rc = askr_response_flush(p, x);
            left -= part;
            sent += part;
        }
        CHECK(rc == ASKR_OK || rc == ASKR_ECANCELED);
        CHECK_EQUAL(askr_worker_finish(p, worker, x, rc != ASKR_OK), ASKR_OK);
    } while (askr_worker_take(p, worker, -1, &x) == ASKR_OK);
}

static void start_random(client *c, uint64_t *random, size_t *size)
{
    char wire[100];
    *size = random_next(random) % 8 == 0 ? random_next(random) % 400000 : random_next(random) % 5000;
    (void)snprintf(wire, sizeof wire, "GET /?%zu HTTP/1.1\r\nHost: a\r\n\r\n", *size);
    CHECK_EQUAL(submit_at(c, wire, random_next(random) % 3000, askr_mono_ns()), ASKR_OK);
    c->t.piece = 1 + random_next(random) % 40000;
    c->t.room = random_next(random) % 4 ? SIZE_MAX : 0;
}

static void check_whole(const client *c, size_t size)
{
    const char *end = strstr((const char *)c->t.got, "\r\n\r\n");
    CHECK(end != NULL);
    if (strstr((const char *)c->t.got, "chunked") != NULL) {
        CHECK_EQUAL(check_chunked_body(c), size);
        return;
    }
    CHECK_EQUAL(c->t.len, (size_t)(end + 4 - (const char *)c->t.got) + size);
    check_stream((const uint8_t *)end + 4, 0, size);
}

enum { CLIENTS = EXCHANGES - 2 };

/* Many requests at once; what went how.  What becomes of each is decided when it starts, so that it does not depend on who is fast. */
typedef struct {
    client c[CLIENTS];
    size_t sizes[CLIENTS];
    int pumps_left[CLIENTS]; /* then the client leaves */
    int has_more[CLIENTS];   /* to be pumped without news */
    pid_t pids[WORKERS];
    uint64_t random;
    uint32_t started, ended, dropped, late, refused, broken;
} crowd;

static uint32_t crowd_over(const crowd *all)
{
    return all->ended + all->dropped + all->late + all->refused + all->broken;
}

static void crowd_drop(crowd *all, int i)
{
    askr_call_drop(calls, &all->c[i].call);
    leave(&all->c[i]);
    all->dropped++;
}

static void crowd_late(crowd *all, int i)
{
    client *c = &all->c[i];
    if (askr_call_late(calls, &c->call, &c->answer) != ASKR_CALL_REFUSED)
        return; /* a worker has it already */
    CHECK_EQUAL(c->answer, ASKR_ANSWER_QUEUE_TIMEOUT);
    check_untouched(c);
    leave(c);
    all->late++;
}

static void crowd_start(crowd *all, uint32_t requests)
{
    for (int i = 0; i < CLIENTS; i++) {
        if (all->c[i].call.xid != 0 || askr_calls_count(calls) == EXCHANGES || all->started == requests)
            continue;
        start_random(&all->c[i], &all->random, &all->sizes[i]);
        all->started++;
        uint32_t fate = random_next(&all->random) % 32;
        all->has_more[i] = 0;
        all->pumps_left[i] = fate < 4 ? (int)fate : INT32_MAX;
        if (fate == 0)
            crowd_drop(all, i);
        else if (fate < 8 && fate >= 4)
            crowd_late(all, i);
    }
}

static void crowd_pump(crowd *all, int i)
{
    client *c = &all->c[i];
    if (all->pumps_left[i]-- == 0) {
        crowd_drop(all, i);
        return;
    }
    askr_call_verdict verdict = pump(c);
    all->has_more[i] = verdict == ASKR_CALL_AGAIN;
    switch (verdict) {
    case ASKR_CALL_ENDED:
        c->t.room = SIZE_MAX;
        while (askr_output_pending(&c->o) > 0)
            CHECK(flush_output(c) != ASKR_ESYS);
        check_whole(c, all->sizes[i]);
        all->ended++;
        break;
    case ASKR_CALL_REFUSED:
        CHECK_EQUAL(c->answer, ASKR_ANSWER_WORKER_DIED);
        check_untouched(c);
        all->refused++;
        break;
    case ASKR_CALL_BROKEN: all->broken++; break;
    default: return;
    }
    CHECK_EQUAL(c->call.xid, 0);
    leave(c);
}

/* Whoever has more, and whoever has news; waits for news when there is nobody. */
static void crowd_turn(crowd *all)
{
    int has_done = 0;
    for (int i = 0; i < CLIENTS; i++)
        if (all->c[i].call.xid != 0 && all->has_more[i]) {
            crowd_pump(all, i);
            has_done = 1;
        }
    client *c;
    while ((c = askr_calls_next(calls)) != NULL) {
        crowd_pump(all, (int)(c - all->c));
        has_done = 1;
    }
    int is_open = 0;
    for (int i = 0; i < CLIENTS; i++)
        is_open |= all->c[i].call.xid != 0;
    if (!has_done && is_open) {
        struct pollfd p = {.fd = eventfds[FRONT], .events = POLLIN};
        CHECK_EQUAL(poll(&p, 1, -1), 1);
    }
}

static void crowd_end(crowd *all)
{
    for (uint32_t w = 0; w < WORKERS; w++) {
        CHECK_EQUAL(askr_worker_command(pool, w, ASKR_COMMAND_DRAIN), ASKR_OK);
        CHECK_EQUAL(wait_is_dead(all->pids[w]), 0);
    }
    CHECK(askr_calls_next(calls) == NULL);
}

static crowd *crowd_of_this_test(void)
{
    static crowd all;
    all = (crowd){.random = 11};
    for (uint32_t w = 0; w < WORKERS; w++)
        all.pids[w] = start_worker(w, serve_many);
    return &all;
}

static void test_many_requests_of_many_clients(void)
{
    enum { REQUESTS = 600 };
    set_up();
    crowd *all = crowd_of_this_test();
    while (crowd_over(all) < REQUESTS) {
        crowd_start(all, REQUESTS);
        crowd_turn(all);
    }
    CHECK(all->ended > REQUESTS / 2 && all->dropped > 0);
    CHECK_EQUAL(all->refused + all->broken, 0);
    crowd_end(all);
    stage_strike();
}

static void test_workers_are_killed_among_many_requests(void)
{
    enum { REQUESTS = 600, KILLS = 30 };
    uint32_t kills = 0;
    set_up();
    crowd *all = crowd_of_this_test();
    while (crowd_over(all) < REQUESTS) {
        crowd_start(all, REQUESTS);
        crowd_turn(all);
        if (crowd_over(all) >= (kills + 1) * REQUESTS / (KILLS + 1)) {
            uint32_t w = kills++ % WORKERS;
            kill_and_repair(all->pids[w], w);
            all->pids[w] = start_worker(w, serve_many);
        }
    }
    CHECK(kills >= KILLS && all->ended > 0);
    crowd_end(all);
    stage_strike();
}

int main(void)
{
    CHECK(mkdtemp(directory) != NULL);
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR); /* as in a Python process */
    stream_fill(bytes, 0, sizeof bytes);
    test_a_complete_response_goes_out_in_one_send();
    test_each_call_has_its_own_news();
    test_a_body_goes_to_memory_and_to_the_spool_when_that_is_full();
    test_what_fits_nowhere_is_refused_and_leaves_nothing();
    test_a_head_that_does_not_fit_is_not_handed_over();
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
    test_a_killed_worker_is_a_bad_gateway_or_a_cut();
    test_a_killed_worker_whose_head_nobody_has_read_is_a_bad_gateway();
    test_a_request_that_nobody_takes_in_time();
    test_a_worker_that_comes_too_late_hands_it_back();
    test_a_deadline_does_not_touch_what_runs();
    test_a_client_that_leaves_the_queue_leaves_nothing();
    test_what_is_written_for_a_client_that_left_is_thrown_away();
    test_a_client_may_leave_at_any_moment();
    test_a_worker_that_waits_for_room_is_told_that_the_client_left();
    test_a_table_that_ends_leaves_its_exchanges_to_the_repair();
    test_a_reader_who_does_not_read_holds_no_worker();
    test_one_call_takes_no_more_than_its_share_of_a_turn();
    test_a_full_disk_loses_nothing();
    test_a_client_may_leave_while_the_disk_is_full();
    test_a_complete_response_that_nothing_has_room_for();
    test_a_break_while_bytes_are_kept();
    test_a_byte_at_a_time();
    test_a_break_at_any_send_ends_the_call();
    test_a_head_as_large_as_a_worker_may_write();
    test_many_requests_of_many_clients();
    test_workers_are_killed_among_many_requests();
    CHECK_EQUAL(rmdir(directory), 0);
    return 0;
}
