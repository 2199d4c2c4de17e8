#ifndef ASKR_CALLS_H
#define ASKR_CALLS_H

#include "askr_answers.h"
#include "askr_cgi.h"
#include "askr_output.h"
#include "askr_pool.h"

/*
 * PHP as an origin: requests of this wire that are with the workers.  The rules are those of askr_http.front.origin.
 *
 * A call is a record inside of its connection.  While it is open, news about it come out of askr_calls_next as its owner, and
 * askr_call_pump moves what the worker has written into the connection's output, through the writer.
 * A call that is dropped (the client is gone) is looked after in here until its worker is done.
 *
 *     submit ─▶ (news ─▶ pump)* ─▶ ENDED | REFUSED | BROKEN        whichever it is: the call is closed, its record may be used again
 *                 └─ late ─▶ REFUSED, or it goes on
 *     drop at any moment
 *
 * A reader may be as slow as he likes: what his socket does not take goes to memory, then to a file.  Only when neither has room is the worker
 * left waiting; then something waits in the output, and its being sent is the moment to pump again.
 *
 * Threads: the wire's.  Nothing here waits.
 */
typedef struct askr_calls askr_calls;

typedef struct {
    askr_pool *pool; /* a handle of this thread; bound to eventfd and spool */
    uint32_t front;
    askr_cgi_policy cgi;
    uint64_t queue_timeout_ns;
    askr_output_policy output;
    uint8_t *scratch;     /* of the wire: used during a call and not between calls */
    size_t scratch_bytes; /* at least ASKR_CALLS_LEAST_SCRATCH; a response that fits half of it goes out in one send */
} askr_calls_config;

#define ASKR_CALLS_LEAST_SCRATCH 65536u

typedef struct {
    askr_xid xid; /* 0: none is open */
    uint64_t deadline_mono_ns;
    uint8_t has_head;    /* the response's head has been sent or put */
    uint8_t was_running; /* a worker has it */
    uint8_t reserved[6];
} askr_call;

typedef enum {
    ASKR_CALL_WAITING =
        0, /* nothing more now: pump again when there are news, or when something of the output has been sent */
    ASKR_CALL_AGAIN,   /* the turn's share is used up: pump again in the next turn */
    ASKR_CALL_ENDED,   /* the whole response is sent or in the output; the call is closed */
    ASKR_CALL_REFUSED, /* nothing was sent: answer with *answer (askr_answer_id); the call is closed */
    ASKR_CALL_BROKEN   /* the response cannot be completed: cut the connection; the call is closed or dropped */
} askr_call_verdict;

/* ASKR_OK; ASKR_ESYS: no memory; ASKR_EINVAL: scratch_bytes. */
int askr_calls_create(const askr_calls_config *config, askr_calls **out);
/* Drops what is open. */
void askr_calls_destroy(askr_calls *c);

/*
 * Hands a complete request to whichever worker is idle first.  ASKR_OK: news will come for `owner` (not NULL).  ASKR_EFULL: answer 503 BUSY;
 * ASKR_E2BIG: the head cannot be handed over (400).
 */
int askr_call_submit(askr_calls *c, askr_call *call, void *owner, const askr_request *rq, const askr_script *script,
                     const askr_cgi_peer *peer, const uint8_t *body, size_t body_bytes, uint64_t now_mono_ns,
                     uint64_t now_wall_us);
/* The owner of the next call with news, NULL when there are none; from then on the front's eventfd tells. */
void *askr_calls_next(askr_calls *c);
askr_call_verdict askr_call_pump(askr_calls *c, askr_call *call, askr_writer *w, askr_slice date, askr_output *o,
                                 askr_transport *t, askr_answer_id *answer);
/* The queue deadline has passed.  WAITING: a worker has it after all; REFUSED: the call is closed or dropped. */
askr_call_verdict askr_call_late(askr_calls *c, askr_call *call, askr_answer_id *answer);
/* The client is gone. */
void askr_call_drop(askr_calls *c, askr_call *call);
/* Calls that are open or dropped and not settled. */
uint32_t askr_calls_count(const askr_calls *c);
/* Responses so far that neither memory nor disk had room for, so that their workers had to wait for the reader. */
uint64_t askr_calls_spool_failures(const askr_calls *c);

#endif
