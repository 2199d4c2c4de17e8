#include <stdlib.h>
#include <string.h>

#include "askr_turn.h"

/* Answering one request: with a fixed answer, a file, or by a worker. */

static uint8_t *room(askr_wire *w)
{
    return w->batch + w->batch_len;
}

static size_t room_bytes(const askr_wire *w)
{
    return ASKR_BATCH_BYTES - w->batch_len;
}

askr_course askr_batch_send(askr_wire *w, askr_connection *c)
{
    size_t n = w->batch_len;
    w->batch_len = 0;
    if (n == 0)
        return ASKR_WAIT;
    if (askr_output_send_or_put(&c->out, &w->output, &c->transport, w->batch, n) != ASKR_OK) {
        askr_connection_cut(w, c, 1);
        return ASKR_GONE;
    }
    if (askr_output_pending(&c->out) == 0)
        return ASKR_WAIT;
    c->phase = ASKR_PHASE_SEND;
    c->is_writable = 0; /* the transport was full */
    askr_connection_set_deadline(w, c, w->config.write_timeout_ns);
    return ASKR_GO_ON;
}

static void begin_answer(askr_wire *w, askr_connection *c, const askr_request *rq)
{
    c->is_request_read = w->view.len - rq->head_bytes >= rq->content_length;
    if (c->need_bytes == 0) /* else its body was waited for */
        c->since_mono_ns = w->clock.now_mono_ns;
    c->need_bytes = 0;
    c->is_head_timed = 0;
    c->scanned = 0;
    c->deadline_mono_ns = 0;
    askr_writer_init(&c->writer, rq->method_id == ASKR_METHOD_HEAD, (int)rq->is_1_1,
                     rq->keeps_alive && c->is_request_read && !w->is_draining);
}

/* Of the request in the view, with what has come of its body. */
static size_t request_bytes(const askr_wire *w, const askr_request *rq)
{
    uint64_t body = w->view.len - rq->head_bytes;
    return rq->head_bytes + (size_t)(body < rq->content_length ? body : rq->content_length);
}

askr_course askr_answered(askr_wire *w, askr_connection *c)
{
    if (c->writer.keeps_alive) {
        c->phase = ASKR_PHASE_HEAD;
        return ASKR_GO_ON;
    }
    askr_course course = askr_batch_send(w, c);
    return course == ASKR_WAIT ? askr_connection_end(w, c) : course;
}

static void account(askr_wire *w, askr_connection *c, const askr_request *rq)
{
    if (c->is_under_way) /* since its body was waited for */
        askr_label_account(w, c, 0);
    else
        askr_account(w, c, rq->method, rq->raw_path, 0);
}

/* The answer is whole in the batch. */
static askr_course finish_request(askr_wire *w, askr_connection *c, const askr_request *rq)
{
    account(w, c, rq);
    askr_view_consume(w, c, request_bytes(w, rq));
    return askr_answered(w, c);
}

static askr_course answer_fixed(askr_wire *w, askr_connection *c, uint32_t answer, askr_slice allow)
{
    begin_answer(w, c, &w->request);
    int64_t n = askr_writer_answer(&c->writer, askr_answers_get(w->answers, answer), allow, askr_clock_date(&w->clock),
                                   room(w), room_bytes(w));
    if (n < 0) { /* only a row that cannot be sent at all */
        askr_connection_cut(w, c, 1);
        return ASKR_GONE;
    }
    w->batch_len += (size_t)n;
    return finish_request(w, c, &w->request);
}

/* Writes the head of a static answer into the batch; its length, or an error. */
static int64_t put_head(askr_wire *w, askr_connection *c, const askr_static *answer)
{
    uint8_t *at = room(w);
    size_t cap = room_bytes(w);
    int64_t line = askr_writer_status(&c->writer, answer->status, (askr_slice){NULL, 0}, at, cap);
    if (line < 0 || (size_t)line + answer->headers.len > cap)
        return ASKR_E2BIG;
    size_t n = (size_t)line + answer->headers.len;
    memcpy(at + line, answer->headers.at, answer->headers.len);
    int64_t end = askr_writer_start(&c->writer, answer->status, answer->content_length, askr_clock_date(&w->clock), 0,
                                    at + n, cap - n);
    return end < 0 ? end : (int64_t)n + end;
}

static void release_file(void *file)
{
    askr_file_release(file);
}

/* The head is in the batch and `n` bytes follow it from the file; more than memory should hold, so it is sent as the client reads. */
static askr_course send_file(askr_wire *w, askr_connection *c, const askr_static *answer, uint64_t n, askr_file *file)
{
    const askr_request *rq = &w->request;
    size_t head = w->batch_len;
    w->batch_len = 0;
    if (askr_output_put(&c->out, &w->heads, w->batch, head) != ASKR_OK) {
        askr_file_release(file);
        askr_connection_cut(w, c, 1);
        return ASKR_GONE;
    }
    askr_output_put_file(&c->out, answer->fd, answer->offset, n, release_file, file);
    askr_label_keep(w, c, rq->method, rq->raw_path);
    askr_view_consume(w, c, request_bytes(w, rq));
    c->phase = ASKR_PHASE_SEND;
    c->is_writable = 1;
    askr_connection_set_deadline(w, c, w->config.write_timeout_ns);
    return ASKR_GO_ON;
}

/* The head is in the batch and content that is larger than the rest of it follows: a cache of large files. */
static askr_course send_content(askr_wire *w, askr_connection *c, const askr_static *answer, uint64_t n,
                                askr_file *file)
{
    askr_course course = askr_batch_send(w, c);
    if (course != ASKR_GONE &&
        askr_output_send_or_put(&c->out, &w->output, &c->transport, answer->content, (size_t)n) != ASKR_OK) {
        askr_connection_cut(w, c, 1);
        course = ASKR_GONE;
    }
    askr_file_release(file);
    if (course == ASKR_GONE)
        return course;
    askr_label_keep(w, c, w->request.method, w->request.raw_path);
    askr_view_consume(w, c, request_bytes(w, &w->request));
    c->phase = ASKR_PHASE_SEND;
    c->is_writable = 1;
    askr_connection_set_deadline(w, c, w->config.write_timeout_ns);
    return ASKR_GO_ON;
}

/* The head is in the batch, and all of the content fits behind it: both go out in one send. */
static askr_course put_content(askr_wire *w, askr_connection *c, const askr_static *answer, uint64_t n, askr_file *file)
{
    if (n > 0)
        memcpy(room(w), answer->content, (size_t)n);
    w->batch_len += (size_t)n;
    askr_file_release(file);
    return finish_request(w, c, &w->request);
}

static askr_course answer_file(askr_wire *w, askr_connection *c, askr_file *file)
{
    askr_static answer;
    if (askr_static_answer(w->site, file, &w->request, w->clock.now_wall_s, &answer) != ASKR_OK) {
        askr_file_release(file);
        return askr_hand_over(w, c);
    }
    begin_answer(w, c, &w->request);
    int64_t head = put_head(w, c, &answer);
    if (head < 0) { /* the room was made before, so it is a head that cannot be sent at all */
        askr_file_release(file);
        askr_connection_cut(w, c, 1);
        return ASKR_GONE;
    }
    w->batch_len += (size_t)head;
    uint64_t n = answer.length > 0 ? askr_writer_take(&c->writer, answer.length) : 0;
    (void)askr_writer_finish(&c->writer, room(w), room_bytes(w)); /* writes nothing: the length was announced */
    if (n > 0 && answer.content == NULL)
        return send_file(w, c, &answer, n, file);
    return n > room_bytes(w) ? send_content(w, c, &answer, n, file) : put_content(w, c, &answer, n, file);
}

/* The strings that PHP is told about both ends. */
static askr_cgi_peer peer_of(askr_wire *w, askr_connection *c)
{
    static const askr_peer nobody;
    const askr_peer *server = c->server;
    if (server == NULL) {
        const askr_listener *l = &w->listeners[c->listener];
        if (!l->is_any) {
            c->server = &l->server;
        } else {
            askr_peer *own = malloc(sizeof *own);
            int is_any;
            if (own != NULL) {
                askr_peer_of_socket(c->transport.fd, own, &is_any);
                c->server = own;
                c->has_server = 1;
            }
        }
        server = c->server != NULL ? c->server : &nobody;
    }
    return (askr_cgi_peer){.remote_addr = askr_peer_host(&c->client),
                           .remote_port = askr_peer_port(&c->client),
                           .server_addr = askr_peer_host(server),
                           .server_port = askr_peer_port(server)};
}

/* The client has left before its request could be given to PHP, or while a worker has it. */
static askr_course client_left(askr_wire *w, askr_connection *c)
{
    askr_connection_cut(w, c, 0);
    return ASKR_GONE;
}

static askr_course submit(askr_wire *w, askr_connection *c, const askr_script *script)
{
    const askr_request *rq = &w->request;
    begin_answer(w, c, rq);
    if (c->has_fin) {
        askr_label_keep(w, c, rq->method, rq->raw_path);
        return client_left(w, c);
    }
    const askr_cgi_peer peer = peer_of(w, c);
    int rc = askr_call_submit(w->calls, &c->call, c, rq, script, &peer, w->view.at + rq->head_bytes,
                              (size_t)rq->content_length, w->clock.now_mono_ns, askr_clock_wall_us());
    if (rc != ASKR_OK)
        return answer_fixed(w, c, rc == ASKR_E2BIG ? ASKR_ANSWER_BAD_REQUEST : ASKR_ANSWER_BUSY, (askr_slice){NULL, 0});
    askr_label_keep(w, c, rq->method, rq->raw_path);
    askr_view_consume(w, c, request_bytes(w, rq));
    c->phase = ASKR_PHASE_CALL;
    c->has_news = 0;
    c->is_write_timed = 0;
    askr_connection_set_deadline(w, c, w->config.queue_timeout_ns);
    return ASKR_WAIT;
}

static askr_course call_php(askr_wire *w, askr_connection *c, const askr_script *script)
{
    const askr_request *rq = &w->request;
    if (rq->content_length > w->config.body_bytes)
        return answer_fixed(w, c, ASKR_ANSWER_BODY_TOO_LARGE, (askr_slice){NULL, 0});
    if (rq->content_length > w->config.body_memory_bytes)
        return askr_hand_over(w, c);
    askr_course course = askr_batch_send(w, c);
    if (course != ASKR_WAIT)
        return course;
    if (w->view.len - rq->head_bytes < rq->content_length) {
        c->need_bytes = rq->head_bytes + rq->content_length;
        c->since_mono_ns = w->clock.now_mono_ns;
        askr_writer_init(&c->writer, rq->method_id == ASKR_METHOD_HEAD, (int)rq->is_1_1, 0);
        c->is_request_read = 0;
        askr_label_keep(w, c, rq->method, rq->raw_path);
        c->phase = ASKR_PHASE_BODY;
        askr_connection_set_deadline(w, c, w->config.body_read_timeout_ns);
        return ASKR_GO_ON;
    }
    return submit(w, c, script);
}

askr_course askr_respond(askr_wire *w, askr_connection *c)
{
    askr_route route;
    if (room_bytes(w) < ASKR_HEAD_ROOM) {
        askr_course course = askr_batch_send(w, c);
        if (course != ASKR_WAIT)
            return course;
    }
    askr_site_route(w->site, &w->request, w->clock.now_mono_ns, &route);
    switch (route.kind) {
    case ASKR_ROUTE_FILE: return answer_file(w, c, route.file);
    case ASKR_ROUTE_SCRIPT: return call_php(w, c, &route.script);
    case ASKR_ROUTE_ANSWER: return answer_fixed(w, c, route.answer, route.allow);
    case ASKR_ROUTE_DEFER: break;
    }
    return askr_hand_over(w, c);
}

static askr_course write_answer(askr_wire *w, askr_connection *c, uint32_t answer)
{
    int64_t n = askr_writer_answer(&c->writer, askr_answers_get(w->answers, answer), (askr_slice){NULL, 0},
                                   askr_clock_date(&w->clock), room(w), room_bytes(w));
    if (n < 0) {
        askr_connection_cut(w, c, 1);
        return ASKR_GONE;
    }
    w->batch_len += (size_t)n;
    return ASKR_WAIT;
}

askr_course askr_refuse(askr_wire *w, askr_connection *c, uint32_t answer, askr_slice method, askr_slice path)
{
    askr_writer_init(&c->writer, 0, 1, 0);
    c->is_request_read = 0;
    c->since_mono_ns = w->clock.now_mono_ns;
    if (write_answer(w, c, answer) == ASKR_GONE)
        return ASKR_GONE;
    if (c->is_under_way)
        askr_label_account(w, c, 0);
    else
        askr_account(w, c, method, path, 0);
    askr_view_consume(w, c, w->view.len);
    return askr_answered(w, c);
}

askr_course askr_respond_refused(askr_wire *w, askr_connection *c, uint32_t answer)
{
    if (write_answer(w, c, answer) == ASKR_GONE)
        return ASKR_GONE;
    askr_label_account(w, c, 0);
    return askr_answered(w, c);
}
