#include "askr_access_line.h"
#include "askr_wire_parts.h"

enum { CLIENT_LEFT = 499 }; /* nginx's number, in the log only */

static void write_line(askr_wire *w, const askr_connection *c, askr_slice method, askr_slice path, uint64_t body_bytes)
{
    const askr_access_record record = {.ts_wall_s = w->clock.now_wall_s,
                                       .ip = askr_peer_host(&c->client),
                                       .method = method,
                                       .path = path,
                                       .body_bytes = body_bytes,
                                       .duration_ns = askr_mono_ns() - c->since_mono_ns,
                                       .status = c->writer.status != 0 ? c->writer.status : CLIENT_LEFT};
    int64_t n = askr_access_line_write(&record, w->log_line, ASKR_LOG_LINE_BYTES);
    int told = n < 0 ? (int)n : askr_logring_put(w->log, w->log_line, (size_t)n);
    if (told < 0)
        askr_tally_add(&w->tally.log_dropped, 1);
    else
        w->rings |= told;
}

void askr_account(askr_wire *w, const askr_connection *c, askr_slice method, askr_slice path, uint64_t unsent_bytes)
{
    const askr_writer *writer = &c->writer;
    uint64_t body_bytes = writer->body_bytes > unsent_bytes ? writer->body_bytes - unsent_bytes : 0;
    uint32_t class = writer->status / 100;
    if (w->log != NULL) /* first: who sees the request counted finds its line */
        write_line(w, c, method, path, body_bytes);
    askr_tally_add(&w->tally.responses[class < 6 ? class : 0], 1);
    askr_tally_add(&w->tally.body_bytes, body_bytes);
    askr_tally_add(&w->tally.requests, 1);
}
