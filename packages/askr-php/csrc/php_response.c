#include "php_response.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "php_context.h"
#include "php_log.h"

/*
 * The client, or the front that held it, is gone.  PHP-FPM bails out here; that would cost a worker its booted application, so the script is unwound as
 * by exit() instead: shutdown functions and destructors run, and what is written meanwhile is dropped.
 */
static void client_is_gone(void)
{
    askr_ctx.is_aborted = true;
    PG(connection_status) = PHP_CONNECTION_ABORTED;
    php_output_set_status(PHP_OUTPUT_DISABLED);
    if (!PG(ignore_user_abort) && !askr_ctx.is_ending && EG(current_execute_data) && !EG(exception))
        zend_throw_unwind_exit();
}

size_t askr_response_ub_write(const char *str, size_t n)
{
    if (askr_ctx.role == ASKR_ROLE_ALONE && askr_ctx.out_fd >= 0) {
        ssize_t done = write(askr_ctx.out_fd, str, n);
        return done < 0 ? 0 : (size_t)done;
    }
    if (!askr_has_client() || askr_ctx.is_refused)
        return n; /* boot output, output after the end, a stranger's output */
    if (askr_ctx.is_aborted)
        return 0;
    int rc = askr_response_write(askr_ctx.pool, askr_ctx.xid, (const uint8_t *)str, n);
    if (rc == ASKR_OK)
        return n;
    askr_ctx.is_cut = true;
    if (rc == ASKR_EFULL)
        askr_logf(ASKR_LOG_WARN, "worker %u: no response memory came free within its bound; this response is cut",
                  askr_ctx.index);
    client_is_gone();
    return 0;
}

void askr_response_flush_now(void *server_context)
{
    (void)server_context;
    if (!askr_has_client() || askr_ctx.is_aborted)
        return;
    if (!SG(headers_sent)) {
        sapi_send_headers();
        SG(headers_sent) = 1;
    }
    if (askr_response_flush(askr_ctx.pool, askr_ctx.xid) == ASKR_ECANCELED)
        client_is_gone();
}

/* ---- the head ---- */

typedef struct {
    uint8_t *buf;
    size_t cap, at;
} head_writer;

static bool head_room(head_writer *w, size_t more)
{
    if (w->cap - w->at >= more)
        return true;
    size_t cap = (w->at + more + 4095) & ~(size_t)4095;
    uint8_t *buf = realloc(w->buf, cap);
    if (!buf)
        return false;
    w->buf = buf;
    w->cap = cap;
    return true;
}

static bool put_header(head_writer *w, const char *name, size_t name_len, const char *value, size_t value_len)
{
    if (name_len > UINT16_MAX || value_len > UINT32_MAX || !head_room(w, 8 + name_len + value_len))
        return false;
    return askr_record_put(w->buf, w->cap, &w->at, ASKR_FIELD_HEADER, (const uint8_t *)name, (uint16_t)name_len,
                           (const uint8_t *)value, (uint32_t)value_len) == ASKR_OK;
}

static void put_status(head_writer *w, unsigned status, const char *reason, size_t reason_len)
{
    uint16_t words[2] = {(uint16_t)status, (uint16_t)reason_len};
    memcpy(w->buf, words, sizeof words);
    memcpy(w->buf + sizeof words, reason, reason_len);
    w->at = sizeof words + reason_len;
}

/* "HTTP/1.1 404 Nothing here" -> "Nothing here": PHP keeps the whole line that header() was given. */
static const char *reason_of(const char *status_line, size_t *len)
{
    const char *at = status_line ? strchr(status_line, ' ') : NULL;

    *len = 0;
    if (!at)
        return "";
    while (*at == ' ')
        at++;
    at = strchr(at, ' ');
    if (!at)
        return "";
    while (*at == ' ')
        at++;
    *len = strcspn(at, "\r\n");
    if (*len > 512)
        *len = 512;
    return at;
}

static bool is_status(const sapi_header_struct *h)
{
    return h->header_len > 7 && (h->header[0] | 0x20) == 's' && strncasecmp(h->header, "Status:", 7) == 0;
}

int askr_response_send_headers(sapi_headers_struct *headers)
{
    static head_writer w; /* kept from request to request */
    unsigned status = headers->http_response_code ? (unsigned)headers->http_response_code : 200;
    size_t reason_len;
    const char *reason = reason_of(headers->http_status_line, &reason_len);
    zend_llist_position pos;

    if (!askr_has_client() || askr_ctx.head_is_sent)
        return SAPI_HEADER_SENT_SUCCESSFULLY;

    /* CGI's Status field (RFC 3875 section 6.3.3) decides, as it does under PHP-FPM. */
    for (sapi_header_struct *h = zend_llist_get_first_ex(&headers->headers, &pos); h;
         h = zend_llist_get_next_ex(&headers->headers, &pos)) {
        if (is_status(h)) {
            const char *value = h->header + 7 + strspn(h->header + 7, " \t");
            unsigned code = (unsigned)strtoul(value, NULL, 10);
            if (code >= 100 && code <= 599) {
                status = code;
                reason = value + strspn(value, "0123456789");
                reason += strspn(reason, " ");
                reason_len = strcspn(reason, "\r\n");
                if (reason_len > 512)
                    reason_len = 512;
            }
        }
    }
    if (status < 100 || status > 599)
        status = 500;
    w.at = 0;
    if (!head_room(&w, 4 + reason_len))
        return SAPI_HEADER_SEND_FAILED;
    put_status(&w, status, reason, reason_len);
    for (sapi_header_struct *h = zend_llist_get_first_ex(&headers->headers, &pos); h;
         h = zend_llist_get_next_ex(&headers->headers, &pos)) {
        const char *colon = memchr(h->header, ':', h->header_len);
        if (!colon || colon == h->header || is_status(h))
            continue;
        const char *value = colon + 1, *end = h->header + h->header_len;
        while (value < end && (*value == ' ' || *value == '\t'))
            value++;
        while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
            end--;
        if (!put_header(&w, h->header, (size_t)(colon - h->header), value, (size_t)(end - value)))
            return SAPI_HEADER_SEND_FAILED;
    }
    askr_ctx.head_is_sent = true;
    int rc = w.at > UINT32_MAX ? ASKR_E2BIG : askr_response_head(askr_ctx.pool, askr_ctx.xid, w.buf, (uint32_t)w.at);
    if (rc == ASKR_E2BIG) {
        askr_logf(ASKR_LOG_WARN, "worker %u: a response head of %zu bytes is too large; answering 500", askr_ctx.index,
                  w.at);
        askr_ctx.is_refused = true;
        put_status(&w, 500, "", 0);
        rc = askr_response_head(askr_ctx.pool, askr_ctx.xid, w.buf, (uint32_t)w.at);
    }
    if (rc == ASKR_ECANCELED)
        client_is_gone();
    else if (rc != ASKR_OK)
        askr_logf(ASKR_LOG_WARN, "worker %u: the response head of %zu bytes was not taken (%d)", askr_ctx.index, w.at,
                  rc);
    return rc == ASKR_OK ? SAPI_HEADER_SENT_SUCCESSFULLY : SAPI_HEADER_SEND_FAILED;
}

bool askr_response_take_back(void)
{
    php_output_discard_all();
    if (!askr_has_client() || (askr_ctx.head_is_sent && askr_response_discard(askr_ctx.pool, askr_ctx.xid) != ASKR_OK))
        return false;
    askr_ctx.head_is_sent = false;
    SG(headers_sent) = 0;
    return true;
}

bool askr_response_is_whole(void)
{
    return askr_ctx.head_is_sent && !askr_ctx.is_cut;
}

bool askr_response_complete(bool is_failed)
{
    if (!askr_has_client())
        return false;
    if (!is_failed) {
        php_output_end_all();
        php_header(); /* sends the head when nothing was written */
    }
    askr_ctx.is_finished = true;
    askr_worker_finish(askr_ctx.pool, askr_ctx.index, askr_ctx.xid, is_failed || !askr_response_is_whole());
    return true;
}
