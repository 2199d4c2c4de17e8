#include "askr_h1_writer.h"

#include "askr_h1_chars.h"
#include "askr_h1_scan.h"
#include "askr_put.h"

/* RFC 9110's words, as in askr_http.h1_writer; one row per status that has any. */
static const char *const phrases[] = {
    [100] = "Continue",
    [101] = "Switching Protocols",
    [102] = "Processing",
    [103] = "Early Hints",
    [200] = "OK",
    [201] = "Created",
    [202] = "Accepted",
    [203] = "Non-Authoritative Information",
    [204] = "No Content",
    [205] = "Reset Content",
    [206] = "Partial Content",
    [207] = "Multi-Status",
    [208] = "Already Reported",
    [226] = "IM Used",
    [300] = "Multiple Choices",
    [301] = "Moved Permanently",
    [302] = "Found",
    [303] = "See Other",
    [304] = "Not Modified",
    [305] = "Use Proxy",
    [307] = "Temporary Redirect",
    [308] = "Permanent Redirect",
    [400] = "Bad Request",
    [401] = "Unauthorized",
    [402] = "Payment Required",
    [403] = "Forbidden",
    [404] = "Not Found",
    [405] = "Method Not Allowed",
    [406] = "Not Acceptable",
    [407] = "Proxy Authentication Required",
    [408] = "Request Timeout",
    [409] = "Conflict",
    [410] = "Gone",
    [411] = "Length Required",
    [412] = "Precondition Failed",
    [413] = "Content Too Large",
    [414] = "URI Too Long",
    [415] = "Unsupported Media Type",
    [416] = "Range Not Satisfiable",
    [417] = "Expectation Failed",
    [418] = "I'm a Teapot",
    [421] = "Misdirected Request",
    [422] = "Unprocessable Content",
    [423] = "Locked",
    [424] = "Failed Dependency",
    [425] = "Too Early",
    [426] = "Upgrade Required",
    [428] = "Precondition Required",
    [429] = "Too Many Requests",
    [431] = "Request Header Fields Too Large",
    [451] = "Unavailable For Legal Reasons",
    [500] = "Internal Server Error",
    [501] = "Not Implemented",
    [502] = "Bad Gateway",
    [503] = "Service Unavailable",
    [504] = "Gateway Timeout",
    [505] = "HTTP Version Not Supported",
    [506] = "Variant Also Negotiates",
    [507] = "Insufficient Storage",
    [508] = "Loop Detected",
    [510] = "Not Extended",
    [511] = "Network Authentication Required",
};

/* Framing and the connection are the writer's own business; at most two of these names are of one length. */
static const char *const own_names[][2] = {
    [7] = {"upgrade", NULL},           [10] = {"connection", "keep-alive"}, [14] = {"content-length", NULL},
    [16] = {"proxy-connection", NULL}, [17] = {"transfer-encoding", NULL},
};

static int is_own(askr_slice name)
{
    if (name.len >= sizeof own_names / sizeof *own_names)
        return 0;
    for (int i = 0; i < 2; i++)
        if (own_names[name.len][i] != NULL && askr_is_named(name.at, name.len, own_names[name.len][i]))
            return 1;
    return 0;
}

static int is_token(askr_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!askr_is_a(s.at[i], ASKR_TOKEN))
            return 0;
    return s.len > 0;
}

/* CR, LF and NUL would end a field; other control characters are the application's business. */
static int may_be_value(askr_slice s)
{
    const uint8_t *p = s.at, *end = s.at + s.len;
    if (s.len == 0)
        return 1;
    for (; (p = askr_scan_text(p, end)) < end; p++)
        if (*p == '\r' || *p == '\n' || *p == 0)
            return 0;
    return 1;
}

void askr_writer_init(askr_writer *w, int is_head, int is_1_1, int keeps_alive)
{
    *w = (askr_writer){
        .left = ASKR_NO_LENGTH,
        .is_head = is_head != 0,
        .is_1_1 = is_1_1 != 0,
        .keeps_alive = keeps_alive != 0,
        .has_body = 1,
    };
}

static int is_final(uint32_t status)
{
    return status >= 200 && status <= 999;
}

static void put_status(askr_put *out, uint32_t status, askr_slice reason)
{
    const char *phrase = status < sizeof phrases / sizeof *phrases ? phrases[status] : NULL;
    const char number[4] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10), (char)('0' + status % 10), ' '};
    askr_put_text(out, "HTTP/1.1 ");
    askr_put_bytes(out, number, sizeof number);
    if (reason.len > 0)
        askr_put_slice(out, reason);
    else if (phrase != NULL)
        askr_put_bytes(out, phrase, strlen(phrase));
    askr_put_text(out, "\r\n");
}

int64_t askr_writer_status(const askr_writer *w, uint32_t status, askr_slice reason, uint8_t *buf, size_t cap)
{
    askr_put out = askr_put_in(buf, cap);
    if (w->is_started || !is_final(status) || !may_be_value(reason))
        return ASKR_EINVAL;
    put_status(&out, status, reason);
    return askr_put_end(&out);
}

int64_t askr_writer_field(askr_slice name, askr_slice value, uint8_t *buf, size_t cap)
{
    askr_put out = askr_put_in(buf, cap);
    if (!is_token(name) || !may_be_value(value) || is_own(name))
        return ASKR_EINVAL;
    askr_put_slice(&out, name);
    askr_put_text(&out, ": ");
    askr_put_slice(&out, value);
    askr_put_text(&out, "\r\n");
    return askr_put_end(&out);
}

/* What follows the fields, and what the writer then is: `next` is for the caller to keep when everything fits. */
static void put_framing(askr_put *out, askr_writer *next, uint32_t status, uint64_t content_length)
{
    next->has_body = !(next->is_head || status == 204 || status == 304);
    if (status == 204)
        content_length = ASKR_NO_LENGTH; /* RFC 9110 section 8.6: never in a 204 */
    else if (status == 205)
        content_length = 0; /* section 15.3.6: no content, and unlike 204 it is framed */
    if (content_length != ASKR_NO_LENGTH) {
        askr_put_text(out, "Content-Length: ");
        askr_put_number(out, content_length);
        askr_put_text(out, "\r\n");
        next->left = next->has_body ? content_length : ASKR_NO_LENGTH;
    } else if (next->has_body && next->is_1_1) {
        askr_put_text(out, "Transfer-Encoding: chunked\r\n");
        next->is_chunked = 1;
    } else if (next->has_body) {
        next->keeps_alive = 0; /* HTTP/1.0: the end of the connection is the end of the body */
    }
    if (!next->keeps_alive)
        askr_put_text(out, "Connection: close\r\n");
    else if (!next->is_1_1)
        askr_put_text(out, "Connection: keep-alive\r\n");
    askr_put_text(out, "\r\n");
    next->is_started = 1;
    next->status = (uint16_t)status;
}

int64_t askr_writer_start(askr_writer *w, uint32_t status, uint64_t content_length, askr_slice date, int has_date,
                          uint8_t *buf, size_t cap)
{
    askr_put out = askr_put_in(buf, cap);
    askr_writer next = *w;
    if (w->is_started || !is_final(status))
        return ASKR_EINVAL;
    if (!has_date)
        askr_put_slice(&out, date);
    put_framing(&out, &next, status, content_length);
    if (!out.is_full)
        *w = next;
    return askr_put_end(&out);
}

uint64_t askr_writer_take(askr_writer *w, uint64_t n)
{
    if (!w->is_started || w->is_finished || !w->has_body)
        return 0;
    if (w->left != ASKR_NO_LENGTH) {
        n = n < w->left ? n : w->left;
        w->left -= n;
    }
    w->body_bytes += n;
    return n;
}

int64_t askr_writer_frame(const askr_writer *w, uint64_t n, uint8_t *buf, size_t cap)
{
    askr_put out = askr_put_in(buf, cap);
    uint8_t digits[16];
    size_t at = sizeof digits;
    if (!w->is_chunked)
        return 0;
    do {
        digits[--at] = (uint8_t) "0123456789abcdef"[n & 15];
        n >>= 4;
    } while (n != 0);
    askr_put_bytes(&out, digits + at, sizeof digits - at);
    askr_put_text(&out, "\r\n");
    return askr_put_end(&out);
}

int64_t askr_writer_finish(askr_writer *w, uint8_t *buf, size_t cap)
{
    askr_put out = askr_put_in(buf, cap);
    if (!w->is_started || w->is_finished)
        return ASKR_EINVAL;
    if (w->left != ASKR_NO_LENGTH && w->left > 0)
        return ASKR_EAGAIN;
    if (w->is_chunked)
        askr_put_text(&out, "0\r\n\r\n");
    if (!out.is_full)
        w->is_finished = 1;
    return askr_put_end(&out);
}

int askr_writer_ends_with_connection(const askr_writer *w)
{
    return w->is_started && w->has_body && !w->is_finished && !w->is_chunked && w->left == ASKR_NO_LENGTH;
}

int64_t askr_writer_answer(askr_writer *w, const askr_answer *answer, askr_slice allow, askr_slice date, uint8_t *buf,
                           size_t cap)
{
    askr_put out = askr_put_in(buf, cap);
    askr_writer next = *w;
    if (w->is_started || !is_final(answer->status))
        return ASKR_EINVAL;
    put_status(&out, answer->status, answer->phrase);
    askr_put_slice(&out, answer->headers);
    if (allow.len > 0) {
        askr_put_text(&out, "Allow: ");
        askr_put_slice(&out, allow);
        askr_put_text(&out, "\r\n");
    }
    askr_put_slice(&out, date);
    put_framing(&out, &next, answer->status, answer->content.len);
    askr_put_bytes(&out, answer->content.at, (size_t)askr_writer_take(&next, answer->content.len));
    if (out.is_full)
        return ASKR_E2BIG;
    next.is_finished = 1;
    *w = next;
    return askr_put_end(&out);
}
