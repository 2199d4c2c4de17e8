#include "calls_stage.h"

#include <sys/resource.h>

/*
 * Readers that are slow, and disks that are full.
 *
 * ctest-skip: tsan (processes, which it cannot see)
 */

/* ---- readers that are slow ---- */

static void write_much(askr_pool *p, uint32_t worker, askr_xid x)
{
    write_head(p, x, 200, NO_FIELDS);
    CHECK_EQUAL(askr_response_write(p, x, bytes, sizeof bytes), ASKR_OK);
    finish(p, worker, x);
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

int main(void)
{
    stage_open();
    test_a_reader_who_does_not_read_holds_no_worker();
    test_one_call_takes_no_more_than_its_share_of_a_turn();
    test_a_full_disk_loses_nothing();
    test_a_client_may_leave_while_the_disk_is_full();
    test_a_complete_response_that_nothing_has_room_for();
    test_a_break_while_bytes_are_kept();
    stage_close();
    return 0;
}
