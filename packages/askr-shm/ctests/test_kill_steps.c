#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "askr_pool_layout.h"
#include "testing.h"

/*
 * ctest-skip: tsan (processes, which it cannot see)
 *
 * A scripted life of an exchange, in which one party is killed at every labelled step in turn.  After each kill the
 * parent repairs, lets the surviving party go on, asks for the books, and then has three more exchanges served.
 *
 * The script runs in lock-step: the victim is a child that is told which operation to do next, and the
 * survivor's operations are done by the parent in between.  A victim that plays both parties has no survivor.
 * In the last part, the repair is the victim.
 */

enum { FRONT, WORKER, BOTH };
enum { BLOCK_BYTES = 64, BLOCKS = 64, HEAD_BYTES = 10, BODY_BYTES = 300 };

/* What the parties know of the exchange; shared by parent and child. */
typedef struct {
    askr_xid xid;
    int is_open, is_submitted, is_taken, is_finished, is_final_seen;
    uint32_t read; /* response bytes read by the front */
    uint32_t written;
    uint32_t steps;
    const char *label;
} shared;

static shared *s;
static askr_pool *pool;
static int descriptors[4]; /* front 0, front 1, master, spool */
static uint32_t kills, labels_hit;
static const char *labels[256];

static void note_label(const char *label)
{
    s->label = label;
}

static uint8_t pattern(uint32_t at)
{
    return (uint8_t)(at * 7 + at / 251);
}

static askr_pool *fresh_handle(void)
{
    askr_pool *p;
    CHECK_EQUAL(askr_pool_attach(askr_pool_fd(pool), &p), ASKR_OK);
    CHECK_EQUAL(askr_pool_bind_front(p, 0, descriptors[0]), ASKR_OK);
    CHECK_EQUAL(askr_pool_bind_front(p, 1, descriptors[1]), ASKR_OK);
    CHECK_EQUAL(askr_pool_bind_master(p, descriptors[2]), ASKR_OK);
    CHECK_EQUAL(askr_pool_bind_spool(p, descriptors[3]), ASKR_OK);
    return p;
}

/* ---- operations ---- */
static void write_pattern(askr_pool *p, uint32_t n)
{
    uint8_t bytes[512];
    for (uint32_t i = 0; i < n; i++)
        bytes[i] = pattern(i);
    CHECK_EQUAL(askr_front_write(p, s->xid, bytes, n), ASKR_OK);
}

static void f_open(askr_pool *p)
{
    askr_xid x;
    CHECK_EQUAL(askr_front_open(p, 0, &x), ASKR_OK);
    s->xid = x;
    s->is_open = 1;
    s->is_submitted = s->is_taken = s->is_finished = s->is_final_seen = 0;
}

static void f_write(askr_pool *p)
{
    write_pattern(p, HEAD_BYTES);
    write_pattern(p, BODY_BYTES);
}

static void f_write_head(askr_pool *p)
{
    write_pattern(p, HEAD_BYTES);
}

static void f_write_too_much(askr_pool *p)
{
    static uint8_t bytes[BLOCKS * BLOCK_BYTES];
    write_pattern(p, HEAD_BYTES);
    CHECK_EQUAL(askr_front_write(p, s->xid, bytes, sizeof bytes), ASKR_EFULL);
}

static void f_spool(askr_pool *p)
{
    uint8_t bytes[BODY_BYTES];
    for (uint32_t i = 0; i < BODY_BYTES; i++)
        bytes[i] = pattern(i);
    CHECK_EQUAL(askr_front_spool(p, s->xid, bytes, 100, 0), ASKR_OK);
    CHECK_EQUAL(askr_front_spool(p, s->xid, bytes + 100, BODY_BYTES - 100, 100), ASKR_OK);
}

static void f_submit(askr_pool *p)
{
    s->is_submitted = 1;
    CHECK_EQUAL(askr_front_submit(p, s->xid, HEAD_BYTES, BODY_BYTES, 0, 0), ASKR_OK);
}

static void f_submit_spooled(askr_pool *p)
{
    s->is_submitted = 1;
    CHECK_EQUAL(askr_front_submit(p, s->xid, HEAD_BYTES, BODY_BYTES, 1, 0), ASKR_OK);
}

static void f_submit_late(askr_pool *p)
{
    s->is_submitted = 1;
    CHECK_EQUAL(askr_front_submit(p, s->xid, HEAD_BYTES, BODY_BYTES, 0, 1), ASKR_OK);
}

static void w_take(askr_pool *p)
{
    askr_xid x;
    CHECK_EQUAL(askr_worker_take(p, 0, 0, &x), ASKR_OK);
    CHECK(x == s->xid);
    s->is_taken = 1;
}

static void w_take_nothing(askr_pool *p)
{
    askr_xid x;
    CHECK_EQUAL(askr_worker_take(p, 0, 0, &x), ASKR_EAGAIN);
}

static void w_read(askr_pool *p)
{
    uint8_t bytes[HEAD_BYTES + BODY_BYTES + 1];
    uint32_t done = 0;
    int64_t n;
    while ((n = askr_request_read(p, s->xid, bytes + done, 100)) > 0)
        done += (uint32_t)n;
    CHECK_EQUAL(n, 0);
    CHECK_EQUAL(done, HEAD_BYTES + BODY_BYTES);
    for (uint32_t i = 0; i < done; i++)
        CHECK_EQUAL(bytes[i], pattern(i < HEAD_BYTES ? i : i - HEAD_BYTES));
}

static int write_response(askr_pool *p, int is_head, uint32_t n)
{
    uint8_t bytes[512];
    for (uint32_t i = 0; i < n; i++)
        bytes[i] = pattern(s->written + i);
    int rc = is_head ? askr_response_head(p, s->xid, bytes, n) : askr_response_write(p, s->xid, bytes, n);
    s->written += n;
    return rc;
}

static void w_head(askr_pool *p)
{
    CHECK_EQUAL(write_response(p, 1, 90), ASKR_OK);
}

static void w_write(askr_pool *p)
{
    CHECK_EQUAL(write_response(p, 0, 500), ASKR_OK);
}

static void w_write_cancelled(askr_pool *p)
{
    CHECK_EQUAL(write_response(p, 0, 500), ASKR_ECANCELED);
}

static void w_flush(askr_pool *p)
{
    CHECK_EQUAL(askr_response_flush(p, s->xid), ASKR_OK);
}

static void w_finish(askr_pool *p)
{
    s->is_finished = 1;
    CHECK_EQUAL(askr_worker_finish(p, 0, s->xid, 0), ASKR_OK);
}

/* Takes all news; 1 when the exchange was among them. */
static int drain_news(askr_pool *p)
{
    askr_xid x;
    int seen = 0, rc;
    while ((rc = askr_front_next(p, 0, &x)) == ASKR_OK)
        seen |= x == s->xid;
    CHECK_EQUAL(rc, ASKR_EAGAIN);
    return seen;
}

static void read_some(askr_pool *p, uint32_t limit)
{
    uint8_t bytes[128];
    while (limit > 0) {
        int64_t n = askr_front_read(p, s->xid, bytes, limit < sizeof bytes ? limit : sizeof bytes);
        CHECK(n >= 0);
        if (n == 0)
            return;
        for (int64_t i = 0; i < n; i++)
            CHECK_EQUAL(bytes[i], pattern(s->read + (uint32_t)i));
        s->read += (uint32_t)n;
        limit -= (uint32_t)n;
    }
}

static void f_wait(askr_pool *p)
{
    CHECK(!drain_news(p));
}

static void f_news(askr_pool *p)
{
    askr_exchange_view view;
    CHECK(drain_news(p));
    CHECK_EQUAL(askr_front_observe(p, s->xid, &view), ASKR_OK);
    if (view.state >= ASKR_EXCHANGE_DONE)
        s->is_final_seen = 1;
}

static void f_read(askr_pool *p)
{
    read_some(p, UINT32_MAX);
}

static void f_read_half(askr_pool *p)
{
    read_some(p, 250);
}

static void f_cancel_running(askr_pool *p)
{
    CHECK_EQUAL(askr_front_cancel(p, s->xid), 0);
}

static void f_cancel_early(askr_pool *p)
{
    s->is_open = 0; /* from here on it may be FREE */
    CHECK_EQUAL(askr_front_cancel(p, s->xid), 1);
}

static void f_release(askr_pool *p)
{
    s->is_open = 0;
    CHECK_EQUAL(askr_front_release(p, s->xid), ASKR_OK);
}

static void w_records(askr_pool *p)
{
    CHECK_EQUAL(askr_worker_assign(p, 0, 1234), ASKR_OK);
    CHECK_EQUAL(askr_worker_ready(p, 0), ASKR_OK);
}

static void w_leave(askr_pool *p)
{
    CHECK_EQUAL(askr_worker_leave(p, 0), ASKR_OK);
}

typedef struct {
    int role;
    void (*run)(askr_pool *p);
} operation;

typedef struct {
    const char *name;
    operation operations[32]; /* up to the first without function */
} script;

#define F(name)                                                                                                        \
    {                                                                                                                  \
        FRONT, f_##name                                                                                                \
    }
#define W(name)                                                                                                        \
    {                                                                                                                  \
        WORKER, w_##name                                                                                               \
    }
static const script scripts[] = {
    {"plain",
     {W(records), F(open), F(write), F(submit), W(take), W(read), W(head), W(write), W(finish), F(news), F(read),
      F(release), W(leave)}},
    {"unread", {F(open), F(write), F(submit), W(take), W(head), W(finish), F(news), F(release)}},
    {"stream", {F(open),      F(write), F(submit),    W(take),  W(head),  W(flush),  F(news), F(read_half),
                W(write),     F(news),  F(read_half), W(write), W(flush), F(news),   F(read), W(write),
                F(read_half), W(write), W(finish),    F(news),  F(read),  F(release)}},
    {"waiting front",
     {F(open), F(write), F(submit), F(wait), W(take), W(head), W(flush), F(news), W(finish), F(news), F(release)}},
    {"cancelled in the worker",
     {F(open), F(write), F(submit), W(take), W(read), W(head), F(cancel_running), W(write_cancelled), W(finish),
      F(news), F(release)}},
    {"cancelled in the queue", {F(open), F(write), F(submit), F(cancel_early), W(take_nothing)}},
    {"given up before", {F(open), F(write), F(cancel_early)}},
    {"late", {F(open), F(write), F(submit_late), W(take_nothing), F(news), F(release)}},
    {"spooled",
     {F(open), F(write_head), F(spool), F(submit_spooled), W(take), W(read), W(head), W(finish), F(news), F(read),
      F(release)}},
    {"too large", {F(open), F(write_too_much), F(release)}},
    {"queued again",
     {F(open), F(write), F(submit), F(cancel_early), F(open), F(write), F(submit), W(take), W(finish), F(news),
      F(release)}},
};
#define SCRIPTS (sizeof scripts / sizeof scripts[0])

/* ---- after a kill ---- */
static void check_books(void)
{
    askr_pool_audit_view audit;
    CHECK_EQUAL(askr_pool_audit(pool, &audit), ASKR_OK);
    CHECK_EQUAL(audit.blocks_lost, 0);
    CHECK_EQUAL(audit.blocks_used, 0);
    CHECK_EQUAL(audit.exchanges[ASKR_EXCHANGE_FREE], 4);
    struct stat st;
    CHECK_EQUAL(fstat(descriptors[3], &st), 0);
    CHECK_EQUAL(st.st_blocks, 0);
}

static void serve_one(askr_pool *front, askr_pool *worker)
{
    memset(s, 0, offsetof(shared, steps));
    f_open(front);
    f_write(front);
    f_submit(front);
    w_take(worker);
    w_read(worker);
    w_head(worker);
    w_write(worker);
    w_finish(worker);
    f_news(front);
    CHECK(s->is_final_seen);
    f_read(front);
    CHECK_EQUAL(s->read, 590);
    f_release(front);
}

/* The worker that is alive ends what it runs, and takes and ends whatever is in the queue. */
static void worker_goes_on(askr_pool *p, uint32_t worker)
{
    askr_xid x;
    if (worker == 0 && s->is_taken && !s->is_finished)
        CHECK_EQUAL(askr_worker_finish(p, worker, s->xid, 0), ASKR_OK);
    while (askr_worker_take(p, worker, 0, &x) == ASKR_OK)
        CHECK_EQUAL(askr_worker_finish(p, worker, x, 0), ASKR_OK);
}

/* The front that is alive must come to know the end of its exchange, if it does not know it. */
static void front_goes_on(askr_pool *p)
{
    askr_exchange_view view;
    if (!s->is_open)
        return;
    CHECK_EQUAL(askr_front_observe(p, s->xid, &view), ASKR_OK);
    if (s->is_submitted && !s->is_final_seen) {
        uint64_t count;
        /* It sleeps if it had announced itself, and then must have been woken. */
        if (p->is_armed[0])
            CHECK_EQUAL(read(descriptors[0], &count, sizeof count), sizeof count);
        CHECK(drain_news(p));
        CHECK(view.state >= ASKR_EXCHANGE_DONE);
        read_some(p, UINT32_MAX);
    }
    CHECK_EQUAL(askr_front_release(p, s->xid), ASKR_OK);
    s->is_open = 0;
}

/* `front` and `worker` are the survivors' handles; NULL for a dead one. */
static void go_on(int victim, askr_pool *front, askr_pool *worker)
{
    askr_pool *fresh = fresh_handle();
    if (victim == WORKER) {
        worker_goes_on(fresh, 1); /* another one takes what was in the queue */
        front_goes_on(front);
    } else if (victim == FRONT) {
        worker_goes_on(worker, 0);
    } else {
        worker_goes_on(fresh, 1);
    }
    (void)drain_news(front != NULL ? front : fresh);
    check_books();
    CHECK_EQUAL(askr_worker_clear(pool, 0), ASKR_OK);
    for (int i = 0; i < 3; i++)
        serve_one(front != NULL ? front : fresh, worker != NULL ? worker : fresh);
    check_books();
    askr_pool_detach(fresh);
}

static void repair(int victim)
{
    if (victim != WORKER)
        CHECK(askr_pool_repair_front(pool, 0) >= 0);
    if (victim != FRONT)
        CHECK(askr_pool_repair_worker(pool, 0) >= 0);
}

static void note_kill(void)
{
    kills++;
    for (uint32_t i = 0; i < labels_hit; i++) {
        if (strcmp(labels[i], s->label) == 0)
            return;
    }
    CHECK(labels_hit < 256);
    labels[labels_hit++] = s->label;
}

/* ---- the victim ---- */
static _Noreturn void victim_main(const script *which, uint32_t target, int orders, int answers)
{
    askr_pool *p = fresh_handle();
    uint8_t index;
    askr_step_count = 0;
    askr_step_target = target;
    askr_step_hook = note_label;
    while (read(orders, &index, 1) == 1) {
        which->operations[index].run(p);
        CHECK_EQUAL(write(answers, &index, 1), 1);
    }
    s->steps = askr_step_count;
    _exit(0);
}

/* Runs `which` up to operation `until`; the victim dies at step `target` (0: after that operation).  1 when it died at the step. */
static int play(const script *which, int victim, uint32_t target, uint32_t until)
{
    int orders[2], answers[2];
    CHECK_EQUAL(pipe(orders), 0);
    CHECK_EQUAL(pipe(answers), 0);
    memset(s, 0, sizeof *s);
    CHECK_EQUAL(askr_worker_clear(pool, 0), ASKR_OK);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        (void)close(orders[1]);
        (void)close(answers[0]);
        victim_main(which, target, orders[0], answers[1]);
    }
    (void)close(orders[0]);
    (void)close(answers[1]);
    askr_pool *front = victim == WORKER ? fresh_handle() : NULL;
    askr_pool *worker = victim == FRONT ? fresh_handle() : NULL;
    for (uint8_t i = 0; i < until && which->operations[i].run != NULL; i++) {
        int role = which->operations[i].role;
        uint8_t answer;
        if (victim != BOTH && role != victim) {
            which->operations[i].run(role == FRONT ? front : worker);
            continue;
        }
        if (write(orders[1], &i, 1) != 1 || read(answers[0], &answer, 1) != 1)
            break;
    }
    (void)close(orders[1]);
    (void)close(answers[0]);
    int status;
    CHECK_EQUAL(waitpid(pid, &status, 0), pid);
    int is_killed = WIFSIGNALED(status);
    CHECK(!is_killed || WTERMSIG(status) == SIGKILL);
    CHECK(is_killed || WEXITSTATUS(status) == 0);
    if (target != 0) {
        if (is_killed)
            note_kill();
        repair(victim);
        go_on(victim, front, worker);
        askr_pool_detach(front);
        askr_pool_detach(worker);
        return is_killed;
    }
    /* The repair is the victim. */
    shared before = *s;
    for (uint32_t step = 1;; step++) {
        pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            askr_step_count = 0;
            askr_step_target = step;
            askr_step_hook = note_label;
            repair(victim);
            _exit(0);
        }
        if (!wait_is_dead(pid))
            break;
        note_kill();
    }
    before.label = s->label;
    *s = before;
    repair(victim);
    go_on(victim, front, worker);
    askr_pool_detach(front);
    askr_pool_detach(worker);
    return 0;
}

int main(void)
{
    const askr_pool_spec spec = {.exchanges = 4,
                                 .blocks = BLOCKS,
                                 .block_bytes = BLOCK_BYTES,
                                 .fronts = 2,
                                 .workers = 2,
                                 .spool_stride_bytes = 4096};
    s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(s != MAP_FAILED);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)alarm(110);
    CHECK_EQUAL(askr_pool_create(&spec, &pool), ASKR_OK);
    for (int i = 0; i < 3; i++)
        descriptors[i] = eventfd(0, EFD_NONBLOCK);
    descriptors[3] = memfd_create("spool", 0);
    CHECK(descriptors[3] >= 0);
    for (uint32_t f = 0; f < 2; f++)
        CHECK_EQUAL(askr_pool_bind_front(pool, f, descriptors[f]), ASKR_OK);
    CHECK_EQUAL(askr_pool_bind_spool(pool, descriptors[3]), ASKR_OK);
    const char *parties[] = {"front", "worker", "both"};
    for (uint32_t i = 0; i < SCRIPTS; i++) {
        for (int victim = FRONT; victim <= BOTH; victim++) {
            uint32_t step = 1;
            while (fprintf(stderr, "\r%s, %s, step %u   ", scripts[i].name, parties[victim], step) > 0 &&
                   play(&scripts[i], victim, step, UINT32_MAX))
                step++;
            CHECK(step < 10000);
            for (uint32_t until = 1; scripts[i].operations[until - 1].run != NULL; until++) {
                fprintf(stderr, "\r%s, %s, repair after operation %u   ", scripts[i].name, parties[victim], until);
                (void)play(&scripts[i], victim, 0, until);
            }
        }
    }
    fprintf(stderr, "\n%u kills at %u labels:\n", kills, labels_hit);
    for (uint32_t i = 0; i < labels_hit; i++)
        fprintf(stderr, "  %s\n", labels[i]);
    askr_pool_detach(pool);
    printf("ok\n");
    return 0;
}
