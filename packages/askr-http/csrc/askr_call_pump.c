#include <stdlib.h>

#include "askr_calls_table.h"
#include "askr_wake.h"

/*
 * The response of a call: from the pool's blocks, through the scratch buffer, to the transport or the output.
 *
 * One step takes what is there, as far as it fits the buffer, and gives it away in one piece: head, frame, body and the end of the response lie
 * side by side.  So a response that is complete at the first look costs one copy and one send.
 *
 *     buffer:  | head as the worker encoded it | HTTP head | chunk's size | bytes of the body | CRLF | last chunk |
 *                                              ^ from here on it is sent
 */
#define SHARE_BYTES (1024u * 1024u) /* of one call in one turn, as askr_http.front.origin: 8 pieces of 128 KiB */
#define HEAD_MORE_BYTES                                                                                                \
    256u /* what an HTTP head has beyond the encoded one: status line, Date, framing; each field is 4 bytes shorter */
#define END_BYTES       8u /* of the last chunk */
#define LARGE_HEAD_BODY 65536u

typedef struct {
    askr_calls *calls;
    askr_call *call;
    askr_call_slot *slot;
    askr_writer *w;
    askr_slice date;
    askr_output *o;
    askr_transport *t;
    askr_answer_id *answer;
} relay;

/* What one step is working on. */
typedef struct {
    uint8_t *buf;
    size_t cap;
    size_t from, to; /* what is to be sent */
    uint64_t left;   /* published bytes that are not read yet */
    int is_done;     /* nothing comes behind them */
} piece;

/* The call is closed: how the connection goes on depends on what the client has seen. */
static askr_call_verdict fail(const relay *r, askr_answer_id answer)
{
    r->call->xid = 0;
    *r->answer = answer;
    return r->call->has_head ? ASKR_CALL_BROKEN : ASKR_CALL_REFUSED;
}

/* Closes the call of a worker that may still be at it. */
static askr_call_verdict give_up(const relay *r, askr_answer_id answer)
{
    askr_calls_abandon(r->calls, r->slot);
    return fail(r, answer);
}

/* A worker failed: nobody took the request in time, or it died. */
static askr_call_verdict failure(const relay *r)
{
    int is_late = !r->call->was_running && askr_mono_ns() >= r->call->deadline_mono_ns;
    askr_calls_settle(r->calls, r->slot);
    return fail(r, is_late ? ASKR_ANSWER_QUEUE_TIMEOUT : ASKR_ANSWER_WORKER_DIED);
}

/* Exactly n bytes, which are published, or ASKR_EINVAL: the chain is not whole. */
static int read_exactly(const relay *r, uint8_t *buf, size_t n)
{
    return askr_front_read(r->calls->config.pool, r->call->xid, buf, n) == (int64_t)n ? ASKR_OK : ASKR_EINVAL;
}

/* The HTTP head; ASKR_EINVAL: the worker's memory holds none, ASKR_ECANCELED: it cannot be sent. */
static int take_head(const relay *r, piece *p, uint32_t head_bytes)
{
    if (head_bytes > p->left || read_exactly(r, p->buf, head_bytes) != ASKR_OK)
        return ASKR_EINVAL;
    p->left -= head_bytes;
    p->from = head_bytes;
    uint64_t known = p->is_done && !r->w->is_head ? p->left : ASKR_NO_LENGTH; /* a body that HEAD left out has none */
    const askr_slice head = {.at = p->buf, .len = head_bytes};
    int64_t n = askr_cgi_response(r->w, head, known, r->date, p->buf + p->from, p->cap - p->from);
    p->to = p->from + (n > 0 ? (size_t)n : 0);
    return n < 0 ? (int)n : ASKR_OK;
}

/* As much of the body as fits behind it, framed. */
static int take_body(const relay *r, piece *p)
{
    size_t room = p->cap - p->to;
    if (p->left == 0 || room <= ASKR_FRAME_BYTES + END_BYTES)
        return ASKR_OK;
    room -= ASKR_FRAME_BYTES + END_BYTES;
    size_t n = p->left < room ? (size_t)p->left : room;
    size_t wanted =
        (size_t)askr_writer_take(r->w, n); /* less than n: beyond PHP's own Content-Length, or there may be no body */
    int64_t frame = wanted > 0 ? askr_writer_frame(r->w, wanted, p->buf + p->to, ASKR_FRAME_BYTES) : 0;
    if (frame < 0 || read_exactly(r, p->buf + p->to + frame, n) != ASKR_OK)
        return ASKR_EINVAL;
    p->left -= n;
    p->to += (size_t)frame + wanted;
    if (frame > 0) {
        p->buf[p->to++] = '\r';
        p->buf[p->to++] = '\n';
    }
    return ASKR_OK;
}

/* Whether the response is complete now: ASKR_OK; ASKR_EAGAIN: more comes; ASKR_EINVAL: it ended before its announced length. */
static int take_end(const relay *r, piece *p)
{
    if (!p->is_done || p->left > 0)
        return ASKR_EAGAIN;
    if (r->w->is_finished)
        return ASKR_OK;
    int64_t n = askr_writer_finish(r->w, p->buf + p->to, p->cap - p->to);
    if (n < 0)
        return ASKR_EINVAL;
    p->to += (size_t)n;
    return ASKR_OK;
}

/* To the transport or the output, or into the slot where neither has room: then ASKR_EAGAIN. */
static int give_away(const relay *r, const piece *p)
{
    size_t n = p->to - p->from;
    if (n == 0)
        return ASKR_OK;
    int64_t taken = askr_output_offer(r->o, &r->calls->config.output, r->t, p->buf + p->from, n);
    r->call->has_head = 1;
    if (taken < 0)
        return ASKR_ESYS;
    if ((size_t)taken == n)
        return ASKR_OK;
    int rc = askr_calls_keep(r->calls, r->slot, p->buf + p->from + taken, (uint32_t)(n - (size_t)taken));
    return rc == ASKR_OK ? ASKR_EAGAIN : rc;
}

/* Reads and sends one piece; what is to be done then.  ASKR_CALL_AGAIN: the next one. */
static askr_call_verdict send_piece(const relay *r, piece *p, uint32_t head_bytes)
{
    const askr_writer before = *r->w;
    int rc = r->call->has_head ? ASKR_OK : take_head(r, p, head_bytes);
    if (rc == ASKR_OK)
        rc = take_body(r, p);
    if (rc != ASKR_OK) {
        if (!r->call->has_head)
            *r->w = before; /* for the answer */
        return give_up(r, rc == ASKR_EINVAL ? ASKR_ANSWER_WORKER_DIED : ASKR_ANSWER_BAD_RESPONSE);
    }
    int end = take_end(r, p);
    rc = give_away(r, p);
    if (rc == ASKR_EAGAIN)
        return ASKR_CALL_WAITING;
    if (rc != ASKR_OK)
        return give_up(r, ASKR_ANSWER_WORKER_DIED);
    if (end == ASKR_EAGAIN)
        return p->left > 0 ? ASKR_CALL_AGAIN : ASKR_CALL_WAITING;
    if (end == ASKR_EINVAL)
        return give_up(r, ASKR_ANSWER_BAD_RESPONSE);
    askr_calls_settle(r->calls, r->slot);
    r->call->xid = 0;
    return ASKR_CALL_ENDED;
}

/* A head that does not leave half of the scratch buffer for the body has a buffer of its own. */
static askr_call_verdict send_large_head(const relay *r, piece *p, uint32_t head_bytes)
{
    p->cap = 2 * (size_t)head_bytes + HEAD_MORE_BYTES + LARGE_HEAD_BODY;
    p->buf = malloc(p->cap);
    if (p->buf == NULL)
        return give_up(r, ASKR_ANSWER_WORKER_DIED);
    askr_call_verdict verdict = send_piece(r, p, head_bytes);
    free(p->buf);
    return verdict;
}

static askr_call_verdict step(const relay *r, size_t *taken)
{
    const askr_calls_config *k = &r->calls->config;
    askr_exchange_view view;
    if (askr_front_observe(k->pool, r->call->xid, &view) != ASKR_OK) {
        askr_calls_forget(r->calls, r->slot);
        return fail(r, ASKR_ANSWER_WORKER_DIED);
    }
    if (view.state == ASKR_EXCHANGE_RUNNING || view.head_bytes > 0)
        r->call->was_running = 1;
    if (view.state == ASKR_EXCHANGE_FAILED)
        return failure(r);
    piece p = {.buf = k->scratch,
               .cap = k->scratch_bytes,
               .left = view.readable_bytes,
               .is_done = view.state == ASKR_EXCHANGE_DONE};
    if (r->call->has_head && p.left == 0 && !p.is_done)
        return ASKR_CALL_WAITING;
    askr_call_verdict verdict;
    if (r->call->has_head)
        verdict = send_piece(r, &p, 0);
    else if (view.head_bytes == 0)
        return p.is_done ? give_up(r, ASKR_ANSWER_BAD_RESPONSE) : ASKR_CALL_WAITING;
    else if (2 * (uint64_t)view.head_bytes + HEAD_MORE_BYTES <= k->scratch_bytes / 2)
        verdict = send_piece(r, &p, view.head_bytes);
    else if (view.head_bytes <= view.readable_bytes)
        verdict = send_large_head(r, &p, view.head_bytes);
    else
        verdict = give_up(r, ASKR_ANSWER_WORKER_DIED);
    *taken += (size_t)(view.readable_bytes - p.left);
    return verdict;
}

askr_call_verdict askr_call_pump(askr_calls *c, askr_call *call, askr_writer *w, askr_slice date, askr_output *o,
                                 askr_transport *t, askr_answer_id *answer)
{
    const relay r = {.calls = c,
                     .call = call,
                     .slot = askr_calls_find(c, call->xid),
                     .w = w,
                     .date = date,
                     .o = o,
                     .t = t,
                     .answer = answer};
    if (call->xid == 0)
        return ASKR_CALL_WAITING;
    if (r.slot == NULL) /* its exchange began another life without us: memory was written over */
        return fail(&r, ASKR_ANSWER_WORKER_DIED);
    switch (askr_calls_offer_kept(c, r.slot, o, t)) {
    case ASKR_OK: break;
    case ASKR_EAGAIN: return ASKR_CALL_WAITING;
    default: return give_up(&r, ASKR_ANSWER_WORKER_DIED);
    }
    askr_call_verdict verdict;
    size_t taken = 0;
    do
        verdict = step(&r, &taken);
    while (verdict == ASKR_CALL_AGAIN && taken < SHARE_BYTES);
    return verdict;
}
