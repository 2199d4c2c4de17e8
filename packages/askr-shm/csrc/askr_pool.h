#ifndef ASKR_POOL_H
#define ASKR_POOL_H

#include "askr_base.h"

/* cffi:begin */
/*
 * A pool is the shared memory of one template and its workers, and of the fronts that send them requests:
 * exchange table, slab, request ring, one completion ring per front, worker records.
 *
 * A front is one thread that sends requests.  A front process has two, its native wire and its event loop, and so two numbers in here
 * ("lanes"); askr_shm.pool does that arithmetic.
 *
 * Ownership: the handle is private to a process (create: master; attach: any process with the descriptor).
 *            Descriptors given to bind_* stay the caller's and must outlive the handle.
 * Threads:   one thread per handle, but for the functions that say otherwise.
 * Errors:    ASKR_OK / >= 0, or a negative ASKR_E*; a failed call changed nothing.
 */
typedef struct askr_pool askr_pool;

typedef struct {
    uint32_t exchanges;   /* power of two, 2..32768 */
    uint32_t blocks;      /* 8..1048576 */
    uint32_t block_bytes; /* multiple of 64 */
    uint32_t fronts;      /* 1..128 */
    uint32_t workers;     /* 1..512 */
    uint64_t spool_stride_bytes;
} askr_pool_spec;

int askr_pool_create(const askr_pool_spec *spec, askr_pool **out);
int askr_pool_attach(int fd, askr_pool **out);
int askr_pool_fd(const askr_pool *p);
void askr_pool_spec_get(const askr_pool *p, askr_pool_spec *out);
void askr_pool_detach(askr_pool *p);
int askr_pool_bind_front(askr_pool *p, uint32_t front, int eventfd); /* how to wake that front */
int askr_pool_bind_master(askr_pool *p, int eventfd);
int askr_pool_bind_spool(askr_pool *p, int fd);

/* ---- worker records: written by the master (assign, clear, command) and by the worker itself ---- */
enum askr_worker_state {
    ASKR_WORKER_EMPTY = 0,
    ASKR_WORKER_STARTING = 1,
    ASKR_WORKER_IDLE = 2,
    ASKR_WORKER_BUSY = 3,
    ASKR_WORKER_LEAVING = 4
};
enum askr_worker_command { ASKR_COMMAND_RUN = 0, ASKR_COMMAND_DRAIN = 1 };

typedef struct {
    uint32_t pid;
    uint32_t state;         /* askr_worker_state */
    uint32_t command;       /* askr_worker_command */
    uint64_t requests;      /* served since assign */
    uint64_t exchange;      /* the xid it runs, 0 when none */
    uint64_t since_mono_ns; /* when state last changed */
} askr_worker_view;

/* Notes the pid of a cleared record, EMPTY -> STARTING.  May come after the worker's own ready: the state then stays. */
int askr_worker_assign(askr_pool *p, uint32_t worker, uint32_t pid);
int askr_worker_clear(askr_pool *p,
                      uint32_t worker); /* -> EMPTY, counters 0, command RUN; after askr_pool_repair_worker */
int askr_worker_command(askr_pool *p, uint32_t worker, uint32_t command); /* and rings its doorbell */
int askr_worker_view_get(const askr_pool *p, uint32_t worker, askr_worker_view *out);

/* ---- exchanges: identity ---- */
typedef uint64_t askr_xid; /* generation << 32 | index; never 0 */
enum askr_exchange_state {
    ASKR_EXCHANGE_FREE = 0,
    ASKR_EXCHANGE_FILLING = 1, /* a front writes the request */
    ASKR_EXCHANGE_QUEUED = 2,  /* any idle worker may take it */
    ASKR_EXCHANGE_RUNNING = 3, /* a worker has it */
    ASKR_EXCHANGE_DONE = 4,    /* the response is whole */
    ASKR_EXCHANGE_FAILED = 5   /* the worker died or gave up: the response is not whole */
};

/* ---- front's side ---- */
int askr_front_open(askr_pool *p, uint32_t front, askr_xid *out); /* FREE -> FILLING, or ASKR_EFULL */
/* Appends to the request chain: the encoded head first, then the body.  All or nothing; ASKR_EFULL when the slab cannot hold it. */
int askr_front_write(askr_pool *p, askr_xid x, const uint8_t *buf, size_t n);
/*
 * Writes body bytes into the exchange's range of the spool file instead of the chain; all of them, or ASKR_ESYS (errno: ENOSPC ...),
 * or ASKR_E2BIG behind the end of the range.  The range is given back by release, or by repair when the front dies.
 */
int askr_front_spool(askr_pool *p, askr_xid x, const uint8_t *buf, size_t n, uint64_t offset);
/* FILLING -> QUEUED.  ASKR_EINVAL when the declared sizes are not what was written.  A worker that takes it after deadline_mono_ns (0: never) hands it back as FAILED unread. */
int askr_front_submit(askr_pool *p, askr_xid x, uint32_t head_bytes, uint64_t body_bytes, int is_spooled,
                      uint64_t deadline_mono_ns);
/*
 * From now on a submit through this handle wakes no worker: askr_front_wake does, once for all that were submitted since.  A front that submits
 * several requests in a turn calls it at the turn's end; whoever is awake may take them before.
 */
void askr_front_defer_wakes(askr_pool *p);
/* 1: requests are queued now. */
int askr_front_wake(askr_pool *p);
/*
 * Wakes one more worker if requests are queued; for a front that has seen them queued for some milliseconds: the worker that was woken may be
 * stopped, or find no CPU, while others sleep.
 */
void askr_front_wake_another(askr_pool *p);
/* The next exchange of this front with news; ASKR_EAGAIN: none, and from now on the eventfd is written when there is one. */
int askr_front_next(askr_pool *p, uint32_t front, askr_xid *out);
int askr_front_next_many(askr_pool *p, uint32_t front, askr_xid *out,
                         uint32_t cap); /* how many; less than cap: none are left */
typedef struct {
    uint32_t state;          /* askr_exchange_state */
    uint32_t head_bytes;     /* of the response head; 0: not all of it is published yet */
    uint64_t readable_bytes; /* response bytes (head first) published and not read */
    uint32_t is_cancelled;
} askr_exchange_view;
int askr_front_observe(askr_pool *p, askr_xid x, askr_exchange_view *out); /* or ASKR_ESTALE */
int64_t askr_front_read(askr_pool *p, askr_xid x, uint8_t *buf,
                        size_t cap); /* bytes read, 0 when there are none now; wakes a worker that waits for room */
/* 1: it had not started and is FREE now; 0: it runs or ran and is marked, observe until DONE or FAILED, then release. */
int askr_front_cancel(askr_pool *p, askr_xid x);
/* FILLING, DONE or FAILED -> FREE, blocks and spool range given back; ASKR_EAGAIN while it is queued or runs. */
int askr_front_release(askr_pool *p, askr_xid x);

/* ---- worker's side ---- */
int askr_worker_ready(askr_pool *p, uint32_t worker); /* STARTING -> IDLE, tells the master */
int askr_worker_leave(askr_pool *p, uint32_t worker); /* -> LEAVING, tells the master */
/*
 * Waits for a request and takes it (QUEUED -> RUNNING).  ASKR_ECANCELED: told to drain; ASKR_EAGAIN: timeout_ns passed (-1: no
 * bound) or a signal came.
 */
int askr_worker_take(askr_pool *p, uint32_t worker, int64_t timeout_ns, askr_xid *out);
uint32_t askr_request_head_bytes(askr_pool *p, askr_xid x);
uint64_t askr_request_body_bytes(askr_pool *p, askr_xid x);
/* Head first, then body, from the chain or the spool alike.  0 at the end. */
int64_t askr_request_read(askr_pool *p, askr_xid x, uint8_t *buf, size_t cap);
/*
 * Appends response bytes: the encoded head (declared by response_head), then the body.  Publishes and wakes the front by itself when
 * the window fills, and then waits for room.  ASKR_ECANCELED: the client or its front is gone.  ASKR_EFULL: no block came free for 30 s.
 * A head of more than half a window (256 KiB with blocks of 16 KiB) is ASKR_E2BIG, a second one ASKR_EINVAL.
 */
int askr_response_head(askr_pool *p, askr_xid x, const uint8_t *head, uint32_t n);
int askr_response_write(askr_pool *p, askr_xid x, const uint8_t *buf, size_t n);
int askr_response_flush(askr_pool *p, askr_xid x); /* publish what was written and tell the front */
/* Takes back everything written so far, the head too.  ASKR_EAGAIN when the front can see some of it already: nothing changed. */
int askr_response_discard(askr_pool *p, askr_xid x);
int askr_exchange_is_cancelled(askr_pool *p, askr_xid x); /* 1 when client or front is gone; any thread */
/* RUNNING -> DONE (or FAILED) and tells the front; frees it when the front is gone.  The worker becomes IDLE at its next take. */
int askr_worker_finish(askr_pool *p, uint32_t worker, askr_xid x, int is_failed);

/*
 * ---- master's side: only after the party's death is certain (waited for), and before its number is given to another ----
 * Both return how many exchanges changed hands, may be repeated (also after the repairing process itself was
 * killed), and run beside live fronts and workers.  ASKR_EFULL: the request ring had no room for a hint, call again.
 */
int askr_pool_repair_worker(askr_pool *p, uint32_t worker);
int askr_pool_repair_front(askr_pool *p, uint32_t front);

typedef struct {
    uint32_t exchanges[6]; /* by state */
    uint32_t blocks_used;
    uint32_t blocks_free;
    uint32_t blocks_lost; /* owned by an exchange that is FREE: must be 0 when nothing is in the middle of a release */
    uint32_t queue_depth;
} askr_pool_audit_view;
int askr_pool_audit(askr_pool *p, askr_pool_audit_view *out);
/* cffi:end */

#endif
