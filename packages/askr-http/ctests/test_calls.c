#include "calls_stage.h"

/*
 * The life of a call: handed over, answered, given up by its worker, its deadline or its client.
 *
 * ctest-skip: tsan (processes, which it cannot see)
 */

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

/* ---- workers that die, and nobody who comes ---- */

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

int main(void)
{
    stage_open();
    test_a_complete_response_goes_out_in_one_send();
    test_each_call_has_its_own_news();
    test_a_body_goes_to_memory_and_to_the_spool_when_that_is_full();
    test_what_fits_nowhere_is_refused_and_leaves_nothing();
    test_a_head_that_does_not_fit_is_not_handed_over();
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
    stage_close();
    return 0;
}
