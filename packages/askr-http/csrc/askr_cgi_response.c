#include <string.h>

#include "askr_ascii.h"
#include "askr_cgi.h"
#include "askr_h1_chars.h"
#include "askr_head.h"

/*
 * PHP's response head, as a worker encoded it, into HTTP.  The worker's memory may hold anything: each record is checked before it is used
 * (askr_record_next), and what cannot be a head is refused whole, so that nothing of it was sent.
 *
 * The first pass reads all records and notes what decides about the others: Connection, which names fields that are not to be sent on
 * (RFC 9110 section 7.6.1), Content-Length, and Date.  The second one writes; the writer looks at the bytes of what it is given, and this
 * file at those of what is dropped.
 */
/* An honest head has one Connection field of some dozen bytes; each field of the head is compared with all of its options. */
#define CONNECTIONS      8u
#define CONNECTION_BYTES 1024u
#define LENGTH_DIGITS    18u /* as askr_http.cgi: what fits 63 bits */

typedef struct {
    askr_slice reason;
    size_t records_at;
    uint32_t status;
    uint64_t length; /* of Content-Length; ASKR_NO_LENGTH: none, or not one number */
    askr_slice connections[CONNECTIONS];
    uint32_t connection_count;
    size_t connection_bytes;
    int has_date;
} response_head;

/* `text` in lower case. */
#define IS_NAMED(record, text)                                                                                         \
    ((record)->name_len == sizeof(text) - 1 && askr_is_named((record)->name, sizeof(text) - 1, "" text))

/* Of this connection and its messages, not of the resource (RFC 9110 section 7.6.1). */
static int is_hop_by_hop(const askr_record *r)
{
    switch (r->name_len) {
    case 2: return IS_NAMED(r, "te");
    case 7: return IS_NAMED(r, "trailer") || IS_NAMED(r, "upgrade");
    case 10: return IS_NAMED(r, "connection") || IS_NAMED(r, "keep-alive");
    case 14: return IS_NAMED(r, "content-length");
    case 16: return IS_NAMED(r, "proxy-connection");
    case 17: return IS_NAMED(r, "transfer-encoding");
    default: return 0;
    }
}

/* NUL, CR or LF would end the field. */
static int has_forbidden(const uint8_t *text, size_t len)
{
    unsigned found = 0;
    for (size_t i = 0; i < len; i++)
        found |= (unsigned)(text[i] == 0) | (unsigned)(text[i] == '\r') | (unsigned)(text[i] == '\n');
    return (int)found;
}

/* White space as Python's bytes.strip has it. */
static int is_white(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static askr_slice stripped(const uint8_t *text, size_t len)
{
    while (len > 0 && is_white(text[len - 1]))
        len--;
    while (len > 0 && is_white(*text)) {
        text++;
        len--;
    }
    return (askr_slice){.at = text, .len = len};
}

static uint64_t number_of(askr_slice digits)
{
    uint64_t number = 0;
    if (digits.len == 0 || digits.len > LENGTH_DIGITS)
        return ASKR_NO_LENGTH;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9')
            return ASKR_NO_LENGTH;
        number = number * 10 + (uint64_t)(digits.at[i] - '0');
    }
    return number;
}

/* Whether a value of Connection names the field of `r`. */
static int names(askr_slice connection, const askr_record *r)
{
    const uint8_t *at = connection.at, *end = at + connection.len;
    for (;;) {
        const uint8_t *comma = at < end ? memchr(at, ',', (size_t)(end - at)) : NULL;
        const askr_slice option = stripped(at, (size_t)((comma != NULL ? comma : end) - at));
        if (option.len == r->name_len && askr_ascii_same(option.at, r->name, option.len))
            return 1;
        if (comma == NULL)
            return 0;
        at = comma + 1;
    }
}

static int is_sent_on(const response_head *h, const askr_record *r)
{
    if (is_hop_by_hop(r))
        return 0;
    for (uint32_t i = 0; i < h->connection_count; i++)
        if (names(h->connections[i], r))
            return 0;
    return 1;
}

/* Reads what stands before the records. */
static int read_status(askr_slice head, response_head *h)
{
    uint16_t status, reason_len;
    if (head.len < sizeof status + sizeof reason_len)
        return ASKR_EINVAL;
    memcpy(&status, head.at, sizeof status);
    memcpy(&reason_len, head.at + sizeof status, sizeof reason_len);
    h->records_at = sizeof status + sizeof reason_len;
    if (reason_len > head.len - h->records_at || has_forbidden(head.at + h->records_at, reason_len))
        return ASKR_EINVAL;
    h->status = status;
    h->reason = (askr_slice){.at = head.at + h->records_at, .len = reason_len};
    h->records_at += reason_len;
    return ASKR_OK;
}

static int read_head(askr_slice head, response_head *h)
{
    askr_slice length = {.at = NULL, .len = 0};
    askr_record r;
    int rc = read_status(head, h), lengths = 0;
    if (rc != ASKR_OK || h->status < 200 || h->status > 999)
        return ASKR_EINVAL;
    size_t at = h->records_at;
    while ((rc = askr_record_next(head.at, head.len, &at, &r)) == ASKR_OK) {
        if (r.tag != ASKR_FIELD_HEADER)
            return ASKR_EINVAL;
        if (IS_NAMED(&r, "connection")) {
            h->connection_bytes += r.value_len;
            if (h->connection_count == CONNECTIONS || h->connection_bytes > CONNECTION_BYTES)
                return ASKR_EINVAL;
            h->connections[h->connection_count++] = (askr_slice){.at = r.value, .len = r.value_len};
        } else if (IS_NAMED(&r, "content-length")) {
            const askr_slice value = stripped(r.value, r.value_len);
            if (lengths == 0)
                lengths = 1;
            else if (value.len != length.len || memcmp(value.at, length.at, value.len) != 0)
                lengths = 2;
            length = value;
        } else if (IS_NAMED(&r, "date")) {
            h->has_date = 1;
        }
    }
    h->length = lengths == 1 ? number_of(length) : ASKR_NO_LENGTH;
    return rc == ASKR_EAGAIN ? ASKR_OK : ASKR_EINVAL;
}

/* The length to announce: PHP's, or that of a body that is whole; of a 304 it would be the representation's. */
static uint64_t announced(const response_head *h, uint64_t known_body_bytes)
{
    if (h->status == 304)
        return h->length == known_body_bytes ? ASKR_NO_LENGTH : h->length;
    return h->length != ASKR_NO_LENGTH ? h->length : known_body_bytes;
}

/* Why it was refused: because the bytes are no head at all (askr_shm.head.decode_response_head), or because it may not be sent. */
static int64_t refusal(askr_slice head)
{
    response_head h;
    askr_record r;
    int rc;
    if (read_status(head, &h) != ASKR_OK)
        return ASKR_EINVAL;
    size_t at = h.records_at;
    while ((rc = askr_record_next(head.at, head.len, &at, &r)) == ASKR_OK)
        if (r.tag != ASKR_FIELD_HEADER || has_forbidden(r.name, r.name_len) || has_forbidden(r.value, r.value_len))
            return ASKR_EINVAL;
    return rc == ASKR_EAGAIN ? ASKR_ECANCELED : ASKR_EINVAL;
}

static int64_t write_response(askr_writer *w, askr_slice head, uint64_t known_body_bytes, askr_slice date, uint8_t *buf,
                              size_t cap)
{
    response_head h = {.has_date = 0};
    askr_record r;
    int rc = read_head(head, &h), sends_date = 0;
    if (rc != ASKR_OK)
        return rc;
    int64_t n = askr_writer_status(w, h.status, h.reason, buf, cap);
    if (n < 0)
        return n;
    size_t written = (size_t)n, at = h.records_at;
    while (askr_record_next(head.at, head.len, &at, &r) == ASKR_OK) {
        if (!is_sent_on(&h, &r)) {
            if (has_forbidden(r.name, r.name_len) || has_forbidden(r.value, r.value_len))
                return ASKR_EINVAL;
            continue;
        }
        sends_date |= h.has_date && IS_NAMED(&r, "date");
        n = askr_writer_field((askr_slice){.at = r.name, .len = r.name_len},
                              (askr_slice){.at = r.value, .len = r.value_len}, buf + written, cap - written);
        if (n < 0)
            return n;
        written += (size_t)n;
    }
    n = askr_writer_start(w, h.status, announced(&h, known_body_bytes), date, sends_date, buf + written, cap - written);
    return n < 0 ? n : (int64_t)written + n;
}

int64_t askr_cgi_response(askr_writer *w, askr_slice head, uint64_t known_body_bytes, askr_slice date, uint8_t *buf,
                          size_t cap)
{
    int64_t n = write_response(w, head, known_body_bytes, date, buf, cap);
    return n == ASKR_EINVAL ? refusal(head) : n;
}
