#ifndef ASKR_H1_WRITER_H
#define ASKR_H1_WRITER_H

#include "askr_answers.h"
#include "askr_base.h"
#include "askr_slice.h"

/* cffi:begin */
/*
 * HTTP/1.1 responses, written without I/O: framing, and what may not be sent (RFC 9112 section 6).  The same rules as
 * askr_http.h1_writer, against which it is tested: equal calls give equal bytes.
 *
 * Ownership: the writer is a plain record of the connection that it belongs to; bytes go into the caller's buffer.
 * Errors:    ASKR_E2BIG does not fit `cap`; ASKR_EINVAL cannot be sent (CR, LF or NUL in a value, no token as a name, a field that is the
 *            wire's own).  A failed call changed nothing.
 */
typedef struct {
    uint64_t left; /* bytes of the body that the announced length still asks for; UINT64_MAX: no length was announced */
    uint64_t body_bytes;
    uint16_t status;
    uint8_t is_head;
    uint8_t is_1_1;
    uint8_t keeps_alive; /* read it after start: it may have been cleared */
    uint8_t has_body;
    uint8_t is_chunked;
    uint8_t is_started;
    uint8_t is_finished;
    uint8_t reserved[7];
} askr_writer;

#define ASKR_NO_LENGTH   UINT64_MAX
#define ASKR_FRAME_BYTES 24 /* the most that askr_writer_frame writes, before and after together */

void askr_writer_init(askr_writer *w, int is_head, int is_1_1, int keeps_alive);

/* Begins a head in buf: the status line.  `reason` empty: the standard phrase.  Returns the bytes written. */
int64_t askr_writer_status(const askr_writer *w, uint32_t status, askr_slice reason, uint8_t *buf, size_t cap);
/* Appends one checked field line. */
int64_t askr_writer_field(askr_slice name, askr_slice value, uint8_t *buf, size_t cap);
/*
 * Ends the head: Date (unless has_date), Content-Length or Transfer-Encoding, Connection, the empty line; the writer is started.
 * `date` is a complete line with CRLF.  content_length: ASKR_NO_LENGTH when it is not known.
 */
int64_t askr_writer_start(askr_writer *w, uint32_t status, uint64_t content_length, askr_slice date, int has_date,
                          uint8_t *buf, size_t cap);
/* How many of n further body bytes may be sent; counts them. */
uint64_t askr_writer_take(askr_writer *w, uint64_t n);
/* What goes before n (> 0) body bytes; what goes after them is `\r\n` where it returns more than 0. */
int64_t askr_writer_frame(const askr_writer *w, uint64_t n, uint8_t *buf, size_t cap);
/* What ends the response; ASKR_EAGAIN when the body is shorter than announced: the connection must be cut. */
int64_t askr_writer_finish(askr_writer *w, uint8_t *buf, size_t cap);
/* Whether a body is under way whose end is the end of the connection, so that a mere close would make it look whole. */
int askr_writer_ends_with_connection(const askr_writer *w);

/* A complete fixed answer; `allow` (may be empty) becomes an Allow field.  The writer is started and finished. */
int64_t askr_writer_answer(askr_writer *w, const askr_answer *answer, askr_slice allow, askr_slice date, uint8_t *buf,
                           size_t cap);

#define ASKR_DATE_LINE_BYTES 37 /* "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" */
#define ASKR_DATE_BYTES      29
/* IMF-fixdate of seconds since the epoch (years 0..9999); exactly ASKR_DATE_BYTES bytes. */
void askr_date_write(int64_t wall_s, uint8_t *buf);
/* The seconds of an IMF-fixdate; -1 when it is none (the two obsolete forms are none here: they are deferred). */
int64_t askr_date_read(askr_slice text);
/* cffi:end */

#endif
