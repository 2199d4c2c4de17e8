#include "askr_connection.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "askr_turn.h"

enum { PRESSED_RECEIVE_BYTES = 4096 };

static const askr_slice dash = {(const uint8_t *)"-", 1};

/* ---- the view ---- */

void askr_view_consume(askr_wire *w, askr_connection *c, size_t n)
{
    w->view.at += n;
    w->view.len -= n;
    if (w->is_view_kept)
        askr_input_consume(&c->in, n, &w->held_bytes);
}

static void view_begin(askr_wire *w, askr_connection *c)
{
    w->view = askr_input_bytes(&c->in);
    w->is_view_kept = w->view.len > 0;
}

/* What is in the wire's buffer and not used up becomes the connection's own. */
static int view_keep(askr_wire *w, askr_connection *c)
{
    if (w->is_view_kept || w->view.len == 0)
        return ASKR_OK;
    int rc = askr_input_put(&c->in, w->view.at, w->view.len, &w->held_bytes);
    if (rc == ASKR_OK)
        view_begin(w, c);
    return rc;
}

/* As much memory as may be is held: accepting pauses, bodies are refused, and what is read ahead is little. */
static int is_pressed(const askr_wire *w)
{
    return w->held_bytes > w->config.buffer_bytes;
}

/* Reads once.  Bytes are now in the view, or has_eof or is_broken says that none will come; ASKR_ESYS: no memory. */
static int receive(askr_wire *w, askr_connection *c)
{
    if (view_keep(w, c) != ASKR_OK)
        return ASKR_ESYS;
    const int64_t cap = is_pressed(w) ? PRESSED_RECEIVE_BYTES : ASKR_RECEIVE_BYTES;
    int64_t n = c->transport.ops->receive(&c->transport, w->received, (size_t)cap);
    if (n < cap) { /* a short read: further bytes are another edge */
        c->is_readable = 0;
        c->has_eof = c->has_fin || n == 0;
        c->has_fin = c->has_eof;
    }
    if (n < 0) {
        c->is_broken = n != ASKR_EAGAIN;
        return ASKR_OK;
    }
    w->turn_received += (uint32_t)n;
    if (!w->is_view_kept) {
        w->view = (askr_slice){w->received, (size_t)n};
        return ASKR_OK;
    }
    int rc = askr_input_put(&c->in, w->received, (size_t)n, &w->held_bytes);
    view_begin(w, c);
    return rc;
}

/* ---- deadlines ---- */

void askr_connection_set_deadline(askr_wire *w, askr_connection *c, uint64_t after_ns)
{
    c->deadline_mono_ns = w->clock.now_mono_ns + after_ns;
    if (!askr_timer_is_set(&c->timer) ||
        c->timer.fires_mono_ns > c->deadline_mono_ns + after_ns / 8 + (2u << ASKR_WHEEL_TICK))
        askr_wheel_set(&w->wheel, &c->timer, c->deadline_mono_ns);
}

/* ---- birth and death ---- */

int askr_connection_open(askr_wire *w, int fd, uint32_t listener, const struct sockaddr_storage *client,
                         uint32_t address)
{
    uint64_t number;
    askr_connection *c = askr_slots_take(w->connections, &number);
    struct epoll_event registration = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
    if (c == NULL)
        return ASKR_EFULL;
    registration.data.u64 = number;
    if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &registration) != 0) {
        askr_slots_release(w->connections, number);
        return ASKR_ESYS;
    }
    c->transport = (askr_transport){.ops = &askr_tcp_ops, .fd = fd};
    c->number = number;
    c->listener = listener;
    c->address = address;
    askr_peer_write(client, &c->client);
    askr_output_init(&c->out);
    c->is_head_timed = 1;
    c->since_mono_ns = w->clock.now_mono_ns;
    askr_connection_set_deadline(w, c, w->config.header_read_timeout_ns);
    return ASKR_OK;
}

void askr_connection_cut(askr_wire *w, askr_connection *c, int is_reset)
{
    if (c->call.xid != 0)
        askr_call_drop(w->calls, &c->call);
    askr_label_account(w, c, askr_output_pending(&c->out));
    askr_output_drop(&c->out, &w->output);
    askr_input_drop(&c->in, &w->held_bytes);
    if (c->transport.fd >= 0)
        c->transport.ops->close(&c->transport, is_reset);
    askr_wheel_clear(&w->wheel, &c->timer);
    askr_ready_remove(&w->ready, c);
    if (c->address != ASKR_NO_ADDRESS)
        askr_addresses_release(w->addresses, c->address);
    if (c->has_server)
        free((askr_peer *)(uintptr_t)c->server);
    w->batch_len = 0;
    askr_slots_release(w->connections, c->number);
}

static askr_course gone(askr_wire *w, askr_connection *c, int is_reset)
{
    askr_connection_cut(w, c, is_reset);
    return ASKR_GONE;
}

askr_course askr_connection_end(askr_wire *w, askr_connection *c)
{
    if (c->has_eof || (c->is_request_read && w->view.len == 0 && !c->is_readable))
        return gone(w, c, 0);
    askr_view_consume(w, c, w->view.len);
    c->phase = ASKR_PHASE_LINGER;
    askr_connection_set_deadline(w, c, w->config.linger_timeout_ns);
    return c->transport.ops->finish(&c->transport) == ASKR_OK ? ASKR_GO_ON : gone(w, c, 0);
}

/* ---- HEAD and BODY ---- */

/* Nothing more can be done with what has come: answers go out, and more is waited for. */
static askr_course await_request(askr_wire *w, askr_connection *c)
{
    askr_course course = askr_batch_send(w, c);
    if (course != ASKR_WAIT)
        return course;
    if (c->has_eof || (w->is_draining && w->view.len == 0))
        return gone(w, c, 0);
    if (w->view.len > 0 && !c->is_head_timed) {
        c->is_head_timed = 1;
        c->since_mono_ns = w->clock.now_mono_ns;
        askr_connection_set_deadline(w, c, w->config.header_read_timeout_ns);
    } else if (c->deadline_mono_ns == 0) {
        askr_connection_set_deadline(w, c, w->config.keepalive_timeout_ns);
    }
    return ASKR_WAIT;
}

/* Answers go out before the connection has to wait for its next turn. */
static askr_course later(askr_wire *w, askr_connection *c)
{
    askr_course course = askr_batch_send(w, c);
    return course == ASKR_WAIT ? ASKR_LATER : course;
}

static askr_course head_step(askr_wire *w, askr_connection *c)
{
    if (w->view.len > 0) {
        if (w->turn_requests >= ASKR_TURN_REQUESTS)
            return later(w, c);
        switch (askr_codec_read(w->view.at, w->view.len, &w->codec, &c->scanned, &w->request)) {
        case ASKR_CODEC_REQUEST: w->turn_requests++; return askr_respond(w, c);
        case ASKR_CODEC_DEFER: return askr_hand_over(w, c);
        case ASKR_CODEC_MORE: break;
        }
    }
    if (!c->is_readable)
        return await_request(w, c);
    if (w->turn_received >= ASKR_TURN_RECEIVED)
        return later(w, c);
    if (receive(w, c) != ASKR_OK || c->is_broken)
        return gone(w, c, 1);
    return ASKR_GO_ON;
}

static askr_course body_step(askr_wire *w, askr_connection *c)
{
    if (w->view.len >= c->need_bytes) {
        c->phase = ASKR_PHASE_HEAD;
        c->scanned = 0;
        return ASKR_GO_ON;
    }
    if (c->is_readable && is_pressed(w)) /* else 8,192 bodies of 256 KiB would be 2 GiB */
        return askr_respond_refused(w, c, ASKR_ANSWER_BUSY);
    if (c->is_readable) {
        if (w->turn_received >= ASKR_TURN_RECEIVED)
            return ASKR_LATER;
        size_t before = w->view.len;
        if (receive(w, c) != ASKR_OK)
            return gone(w, c, 1);
        if (w->view.len > before)
            askr_connection_set_deadline(w, c, w->config.body_read_timeout_ns);
        if (!c->is_broken)
            return ASKR_GO_ON;
    }
    return c->has_eof || c->is_broken ? gone(w, c, 0) : ASKR_WAIT;
}

/* ---- CALL, SEND and LINGER ---- */

/* The whole answer is in the output. */
static askr_course finish_output(askr_wire *w, askr_connection *c)
{
    if (askr_output_pending(&c->out) > 0) {
        c->phase = ASKR_PHASE_SEND;
        askr_connection_set_deadline(w, c, w->config.write_timeout_ns);
        return ASKR_GO_ON;
    }
    askr_label_account(w, c, 0);
    c->deadline_mono_ns = 0;
    return askr_answered(w, c);
}

/* A response whose reader is slow has the deadline of a writer, one that is only waited for has none. */
static void time_output(askr_wire *w, askr_connection *c, int has_progress)
{
    int is_timed = askr_output_pending(&c->out) > 0;
    if (is_timed && (has_progress || !c->is_write_timed))
        askr_connection_set_deadline(w, c, w->config.write_timeout_ns);
    else if (!is_timed && c->is_write_timed)
        c->deadline_mono_ns = 0;
    c->is_write_timed = is_timed != 0;
}

static askr_course pump(askr_wire *w, askr_connection *c)
{
    askr_answer_id answer = ASKR_ANSWER_BUSY;
    if (w->is_draining && !c->writer.is_started)
        c->writer.keeps_alive = 0;
    switch (
        askr_call_pump(w->calls, &c->call, &c->writer, askr_clock_date(&w->clock), &c->out, &c->transport, &answer)) {
    case ASKR_CALL_WAITING: time_output(w, c, 0); return ASKR_WAIT;
    case ASKR_CALL_AGAIN:
        c->has_news = 1;
        time_output(w, c, 0);
        return ASKR_LATER;
    case ASKR_CALL_ENDED: return finish_output(w, c);
    case ASKR_CALL_REFUSED: c->deadline_mono_ns = 0; return askr_respond_refused(w, c, answer);
    case ASKR_CALL_BROKEN: break;
    }
    return gone(w, c, askr_writer_ends_with_connection(&c->writer));
}

static askr_course call_step(askr_wire *w, askr_connection *c)
{
    askr_course course = ASKR_WAIT;
    if (c->has_fin) /* nobody is there to read the response */
        return gone(w, c, askr_writer_ends_with_connection(&c->writer));
    if (c->is_writable && askr_output_pending(&c->out) > 0) {
        int rc = askr_output_send(&c->out, &w->output, &c->transport, ASKR_TURN_SENT);
        if (rc == ASKR_ESYS)
            return gone(w, c, 1);
        c->is_writable = rc == ASKR_OUTPUT_SHARE;
        c->has_news = 1; /* there is room for what the worker holds back */
        time_output(w, c, 1);
        if (rc == ASKR_OUTPUT_SHARE)
            return ASKR_LATER;
    }
    if (c->has_news) {
        c->has_news = 0;
        course = pump(w, c);
    }
    return course;
}

static askr_course send_step(askr_wire *w, askr_connection *c)
{
    if (!c->is_writable)
        return ASKR_WAIT;
    int rc = askr_output_send(&c->out, &w->output, &c->transport, ASKR_TURN_SENT);
    if (rc == ASKR_ESYS)
        return gone(w, c, 1);
    if (rc == ASKR_OK)
        return finish_output(w, c);
    c->is_writable = rc == ASKR_OUTPUT_SHARE;
    askr_connection_set_deadline(w, c, w->config.write_timeout_ns);
    return c->is_writable ? ASKR_LATER : ASKR_WAIT;
}

static askr_course linger_step(askr_wire *w, askr_connection *c)
{
    if (!c->is_readable)
        return c->has_eof ? gone(w, c, 0) : ASKR_WAIT;
    if (w->turn_received >= ASKR_TURN_RECEIVED)
        return ASKR_LATER;
    if (receive(w, c) != ASKR_OK || c->is_broken)
        return gone(w, c, 0);
    askr_view_consume(w, c, w->view.len);
    return ASKR_GO_ON;
}

/* ---- turns ---- */

static askr_course away_step(askr_wire *w, askr_connection *c)
{
    (void)w;
    (void)c;
    return ASKR_WAIT;
}

static void turn(askr_wire *w, askr_connection *c, askr_course (*first)(askr_wire *, askr_connection *))
{
    static askr_course (*const steps[])(askr_wire *, askr_connection *) = {
        [ASKR_PHASE_HEAD] = head_step, [ASKR_PHASE_BODY] = body_step,     [ASKR_PHASE_CALL] = call_step,
        [ASKR_PHASE_SEND] = send_step, [ASKR_PHASE_LINGER] = linger_step, [ASKR_PHASE_AWAY] = away_step,
    };
    view_begin(w, c);
    w->turn_requests = 0;
    w->turn_received = 0;
    askr_course course = first(w, c);
    while (course == ASKR_GO_ON)
        course = steps[c->phase](w, c);
    if (course == ASKR_GONE)
        return;
    if (view_keep(w, c) != ASKR_OK)
        askr_connection_cut(w, c, 1);
    else if (course == ASKR_LATER)
        askr_ready_put(&w->ready, c);
}

static askr_course at_once(askr_wire *w, askr_connection *c)
{
    (void)w;
    (void)c;
    return ASKR_GO_ON;
}

void askr_connection_run(askr_wire *w, askr_connection *c)
{
    turn(w, c, at_once);
}

void askr_connection_on_edges(askr_wire *w, askr_connection *c, uint32_t events)
{
    c->is_readable |= (events & EPOLLIN) != 0;
    c->is_writable |= (events & EPOLLOUT) != 0;
    c->has_fin |= (events & EPOLLRDHUP) != 0;
    if (events & (EPOLLERR | EPOLLHUP)) /* reset, or both sides have said that they are done */
        askr_connection_cut(w, c, 0);
    else
        turn(w, c, at_once);
}

void askr_connection_drain(askr_wire *w, askr_connection *c)
{
    if (c->phase != ASKR_PHASE_HEAD || c->is_ready)
        return;
    c->is_readable = 1; /* a request that has just come is still answered */
    turn(w, c, at_once);
}

static askr_course late_call(askr_wire *w, askr_connection *c)
{
    askr_answer_id answer = ASKR_ANSWER_QUEUE_TIMEOUT;
    if (askr_output_pending(&c->out) > 0)
        return gone(w, c, 1); /* it does not read what it asked for */
    if (askr_call_late(w->calls, &c->call, &answer) == ASKR_CALL_WAITING)
        return ASKR_WAIT;
    return askr_respond_refused(w, c, answer);
}

/* The deadline of the phase has passed. */
static askr_course late(askr_wire *w, askr_connection *c)
{
    switch (c->phase) {
    case ASKR_PHASE_HEAD:
        return w->view.len == 0 ? gone(w, c, 0) : askr_refuse(w, c, ASKR_ANSWER_REQUEST_TIMEOUT, dash, dash);
    case ASKR_PHASE_BODY: return askr_respond_refused(w, c, ASKR_ANSWER_REQUEST_TIMEOUT);
    case ASKR_PHASE_CALL: return late_call(w, c);
    case ASKR_PHASE_SEND: return gone(w, c, 1);
    default: return gone(w, c, 0);
    }
}

void askr_connection_on_timer(askr_wire *w, askr_connection *c)
{
    if (c->deadline_mono_ns == 0)
        return;
    if (w->clock.now_mono_ns < c->deadline_mono_ns) {
        askr_wheel_set(&w->wheel, &c->timer, c->deadline_mono_ns);
        return;
    }
    c->deadline_mono_ns = 0;
    if (c->phase != ASKR_PHASE_CALL || askr_output_pending(&c->out) > 0)
        askr_tally_add(&w->tally.timeouts, 1);
    turn(w, c, late);
}
