#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "askr_pool_layout.h"
#include "testing.h"

/*
 * ctest-skip: tsan (processes, which it cannot see)
 *
 * Fronts and workers as processes that exchange checked payloads, while some are killed at a random labelled
 * step and some by the parent at a random moment.  The parent repairs and respawns, as the master does.  After a
 * fixed number of deaths the rest is told to end: every exchange of a surviving front must have come to its end with
 * the right bytes, nobody may hang, and the books must balance.
 */

enum { FRONTS = 2, WORKERS = 4, DEATHS = 600, IN_FLIGHT = 5, MOST_BYTES = 4000, PROMPT_BYTES = 16 };

typedef struct {
    _Atomic uint32_t is_ending;
    _Atomic uint32_t done, failed, cancelled; /* exchanges, as surviving fronts saw them */
} shared;

static shared *s;
static askr_pool *pool;
static int descriptors[FRONTS + 2]; /* fronts, master, spool */
static pid_t pids[FRONTS + WORKERS];

static void fill(uint8_t *out, uint32_t seed, uint32_t from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = (uint8_t)((seed + (from + i) * 31) ^ (from + i) >> 6);
}

static void check_filled(const uint8_t *got, uint32_t seed, uint32_t from, uint32_t n)
{
    uint8_t wanted[MOST_BYTES];
    fill(wanted, seed, from, n);
    CHECK(memcmp(got, wanted, n) == 0);
}

static uint32_t response_size(uint32_t seed)
{
    return seed % 7 == 0 ? 0 : seed % MOST_BYTES;
}

static askr_pool *fresh_handle(void)
{
    askr_pool *p;
    CHECK_EQUAL(askr_pool_attach(askr_pool_fd(pool), &p), ASKR_OK);
    for (uint32_t i = 0; i < FRONTS; i++)
        CHECK_EQUAL(askr_pool_bind_front(p, i, descriptors[i]), ASKR_OK);
    CHECK_EQUAL(askr_pool_bind_master(p, descriptors[FRONTS]), ASKR_OK);
    CHECK_EQUAL(askr_pool_bind_spool(p, descriptors[FRONTS + 1]), ASKR_OK);
    return p;
}

/* ---- a worker: the head is {seed, body size}, the answer depends on the seed ---- */
static _Noreturn void worker_main(uint32_t worker)
{
    askr_pool *p = fresh_handle();
    askr_xid x;
    int rc;
    CHECK_EQUAL(askr_worker_ready(p, worker), ASKR_OK);
    while ((rc = askr_worker_take(p, worker, -1, &x)) != ASKR_ECANCELED) {
        uint8_t bytes[MOST_BYTES];
        uint32_t head[2], done = 0;
        int64_t n;
        if (rc == ASKR_EAGAIN)
            continue;
        CHECK_EQUAL(rc, ASKR_OK);
        CHECK_EQUAL(askr_request_head_bytes(p, x), sizeof head);
        CHECK_EQUAL(askr_request_read(p, x, (uint8_t *)head, sizeof head), sizeof head);
        CHECK_EQUAL(askr_request_body_bytes(p, x), head[1]);
        while ((n = askr_request_read(p, x, bytes + done, MOST_BYTES - done)) > 0)
            done += (uint32_t)n;
        CHECK_EQUAL(done, head[1]);
        check_filled(bytes, head[0], 0, done);
        uint8_t prompt[PROMPT_BYTES];
        fill(prompt, head[0] + 1, 0, PROMPT_BYTES);
        rc = askr_response_head(p, x, prompt, PROMPT_BYTES);
        uint32_t size = response_size(head[0]);
        fill(bytes, head[0] + 2, 0, size);
        for (uint32_t at = 0; rc == ASKR_OK && at < size;) {
            uint32_t part = 1 + (head[0] + at) % 700;
            part = part < size - at ? part : size - at;
            rc = askr_response_write(p, x, bytes + at, part);
            if (rc == ASKR_OK && part % 3 == 0)
                rc = askr_response_flush(p, x);
            at += part;
        }
        CHECK(rc == ASKR_OK || rc == ASKR_ECANCELED);
        CHECK_EQUAL(askr_worker_finish(p, worker, x, 0), ASKR_OK);
    }
    CHECK_EQUAL(askr_worker_leave(p, worker), ASKR_OK);
    _exit(0);
}

/* ---- a front ---- */
typedef struct {
    askr_xid xid; /* 0: free */
    uint32_t seed, read;
    int is_cancelled;
    uint8_t bytes[PROMPT_BYTES + MOST_BYTES + 1];
} flight;

static int start(askr_pool *p, uint32_t front, flight *f, uint32_t seed)
{
    uint8_t bytes[MOST_BYTES];
    uint32_t head[2] = {seed, seed / 3 % 11 == 0 ? 0 : seed / 5 % MOST_BYTES};
    int is_spooled = head[1] > 600;
    if (askr_front_open(p, front, &f->xid) != ASKR_OK)
        return 0;
    f->seed = seed;
    f->read = 0;
    f->is_cancelled = 0;
    fill(bytes, seed, 0, head[1]);
    int rc = askr_front_write(p, f->xid, (const uint8_t *)head, sizeof head);
    if (rc == ASKR_OK)
        rc = is_spooled ? askr_front_spool(p, f->xid, bytes, head[1], 0) : askr_front_write(p, f->xid, bytes, head[1]);
    if (rc == ASKR_OK)
        rc = askr_front_submit(p, f->xid, sizeof head, head[1], is_spooled, 0);
    CHECK(rc == ASKR_OK || rc == ASKR_EFULL);
    if (rc == ASKR_EFULL) {
        CHECK_EQUAL(askr_front_release(p, f->xid), ASKR_OK);
        f->xid = 0;
        return 0;
    }
    if (seed % 13 == 0) {
        rc = askr_front_cancel(p, f->xid);
        CHECK(rc == 0 || rc == 1);
        if (rc == 1)
            f->xid = 0;
        f->is_cancelled = 1;
        atomic_fetch_add(&s->cancelled, 1);
    }
    return 1;
}

static void follow(askr_pool *p, flight *f)
{
    askr_exchange_view view;
    int64_t n;
    CHECK_EQUAL(askr_front_observe(p, f->xid, &view), ASKR_OK);
    while ((n = askr_front_read(p, f->xid, f->bytes + f->read, sizeof f->bytes - f->read)) > 0)
        f->read += (uint32_t)n;
    CHECK_EQUAL(n, 0);
    if (view.state < ASKR_EXCHANGE_DONE)
        return;
    uint32_t prompt = f->read < PROMPT_BYTES ? f->read : PROMPT_BYTES;
    check_filled(f->bytes, f->seed + 1, 0, prompt);
    check_filled(f->bytes + prompt, f->seed + 2, 0, f->read - prompt);
    if (view.state == ASKR_EXCHANGE_DONE && !f->is_cancelled) {
        CHECK_EQUAL(f->read, PROMPT_BYTES + response_size(f->seed));
        CHECK_EQUAL(view.head_bytes, PROMPT_BYTES);
        atomic_fetch_add(&s->done, 1);
    } else if (!f->is_cancelled) {
        atomic_fetch_add(&s->failed, 1);
    }
    CHECK_EQUAL(askr_front_release(p, f->xid), ASKR_OK);
    f->xid = 0;
}

static _Noreturn void front_main(uint32_t front, uint64_t random)
{
    static flight flights[IN_FLIGHT];
    askr_pool *p = fresh_handle();
    struct pollfd bell = {.fd = descriptors[front], .events = POLLIN};
    for (;;) {
        askr_xid x;
        int busy = 0, rc;
        for (uint32_t i = 0; i < IN_FLIGHT; i++) {
            if (flights[i].xid == 0 && !atomic_load(&s->is_ending))
                (void)start(p, front, &flights[i], random_next(&random));
        }
        while ((rc = askr_front_next(p, front, &x)) == ASKR_OK) {
            for (uint32_t i = 0; i < IN_FLIGHT; i++) {
                if (flights[i].xid == x)
                    follow(p, &flights[i]);
            }
        }
        CHECK_EQUAL(rc, ASKR_EAGAIN);
        for (uint32_t i = 0; i < IN_FLIGHT; i++)
            busy += flights[i].xid != 0;
        if (busy > 0)
            CHECK(poll(&bell, 1, -1) == 1);
        else if (atomic_load(&s->is_ending))
            _exit(0);
    }
}

/* ---- the master ---- */
static void respawn(uint32_t slot, uint64_t *random, int may_die)
{
    uint32_t target = may_die && random_next(random) % 4 != 0 ? 1 + random_next(random) % 400 : 0;
    uint64_t own = (uint64_t)random_next(random) << 20 | 1;
    pids[slot] = fork();
    CHECK(pids[slot] >= 0);
    if (pids[slot] == 0) {
        askr_step_count = 0;
        askr_step_target = target;
        if (slot < FRONTS)
            front_main(slot, own);
        worker_main(slot - FRONTS);
    }
    if (slot >= FRONTS)
        CHECK_EQUAL(askr_worker_assign(pool, slot - FRONTS, (uint32_t)pids[slot]), ASKR_OK);
}

/* The slot of a child that is dead, or -1 when none is. */
static int reap(int options, int *is_killed)
{
    int status;
    pid_t pid = waitpid(-1, &status, options);
    CHECK(pid >= 0);
    for (int i = 0; pid > 0 && i < FRONTS + WORKERS; i++) {
        if (pids[i] != pid)
            continue;
        *is_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        CHECK(*is_killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
        return i;
    }
    return -1;
}

static void repair(uint32_t slot)
{
    if (slot < FRONTS) {
        CHECK(askr_pool_repair_front(pool, slot) >= 0);
        return;
    }
    CHECK(askr_pool_repair_worker(pool, slot - FRONTS) >= 0);
    CHECK_EQUAL(askr_worker_clear(pool, slot - FRONTS), ASKR_OK);
}

int main(int argc, char **argv)
{
    const askr_pool_spec spec = {.exchanges = 16,
                                 .blocks = 256,
                                 .block_bytes = 64,
                                 .fronts = FRONTS,
                                 .workers = WORKERS,
                                 .spool_stride_bytes = 1 << 16};
    uint64_t random = argc > 1 ? strtoull(argv[1], NULL, 10) : 88172645463325252ull;
    uint32_t deaths = 0, spins = 0;
    int is_killed = 0;
    (void)alarm(100);
    s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(s != MAP_FAILED);
    CHECK_EQUAL(askr_pool_create(&spec, &pool), ASKR_OK);
    for (int i = 0; i <= FRONTS; i++)
        descriptors[i] = eventfd(0, EFD_NONBLOCK);
    descriptors[FRONTS + 1] = memfd_create("spool", 0);
    for (uint32_t i = 0; i < FRONTS; i++)
        CHECK_EQUAL(askr_pool_bind_front(pool, i, descriptors[i]), ASKR_OK);
    CHECK_EQUAL(askr_pool_bind_spool(pool, descriptors[FRONTS + 1]), ASKR_OK);
    for (uint32_t i = 0; i < FRONTS + WORKERS; i++)
        respawn(i, &random, 1);
    while (deaths < DEATHS) {
        int slot = reap(WNOHANG, &is_killed);
        if (slot >= 0) {
            deaths++;
            repair((uint32_t)slot);
            respawn((uint32_t)slot, &random, 1);
        } else if (spins-- == 0) {
            spins = random_next(&random) % 3000;
            CHECK_EQUAL(kill(pids[random_next(&random) % (FRONTS + WORKERS)], SIGKILL), 0);
        } else {
            (void)sched_yield();
        }
    }
    atomic_store(&s->is_ending, 1);
    /* Fronts end by themselves when all that they had is settled; who still dies at a step is replaced once more. */
    for (uint32_t left = FRONTS; left > 0;) {
        int slot = reap(0, &is_killed);
        CHECK(slot >= 0 && (is_killed || slot < FRONTS));
        repair((uint32_t)slot);
        if (slot < FRONTS)
            left--;
        else
            respawn((uint32_t)slot, &random, 0);
    }
    for (uint32_t i = 0; i < WORKERS; i++)
        CHECK_EQUAL(askr_worker_command(pool, i, ASKR_COMMAND_DRAIN), ASKR_OK);
    for (uint32_t i = 0; i < WORKERS; i++) {
        int slot = reap(0, &is_killed);
        CHECK(slot >= FRONTS);
        repair((uint32_t)slot);
    }
    askr_pool_audit_view audit;
    struct stat st;
    CHECK_EQUAL(askr_pool_audit(pool, &audit), ASKR_OK);
    CHECK_EQUAL(audit.blocks_used, 0);
    CHECK_EQUAL(audit.exchanges[ASKR_EXCHANGE_FREE], 16);
    CHECK_EQUAL(fstat(descriptors[FRONTS + 1], &st), 0);
    CHECK_EQUAL(st.st_blocks, 0);
    CHECK(atomic_load(&s->done) > 0 && atomic_load(&s->failed) > 0);
    fprintf(stderr, "%u deaths; exchanges: %u done, %u failed, %u cancelled\n", deaths, atomic_load(&s->done),
            atomic_load(&s->failed), atomic_load(&s->cancelled));
    askr_pool_detach(pool);
    printf("ok\n");
    return 0;
}
