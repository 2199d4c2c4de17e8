#include "askr_h1_codec.h"

#include "askr_h1_chars.h"
#include "askr_h1_scan.h"

#include <string.h>

/*
 * A head that has come as a whole, which is nearly every one, is parsed in one pass.  Where that finds no request, because the head is not
 * complete or not in the grammar, the bytes are judged a second time without any grammar (judge_bytes): the pure wire refuses a head that
 * is still incomplete only for bytes that no head may have and for its size, so that is what MORE is decided by.  From then on new
 * bytes are only judged, from where the last look ended, until the end of the head is there and it is parsed once more.
 * Every byte is thus looked at a bounded number of times, and a verdict depends on the bytes alone.
 */

/* ---- Names that mean something in here ---- */

enum { DEFERRED = ASKR_KNOWN_COUNT }; /* a field whose requests are all the pure wire's */

static const struct {
    const char *name;
    uint32_t known;
} names[] = {
    {"", ASKR_KNOWN_NONE},
    {"host", ASKR_KNOWN_HOST},
    {"connection", ASKR_KNOWN_CONNECTION},
    {"content-length", ASKR_KNOWN_CONTENT_LENGTH},
    {"cookie", ASKR_KNOWN_COOKIE},
    {"accept-encoding", ASKR_KNOWN_ACCEPT_ENCODING},
    {"range", ASKR_KNOWN_RANGE},
    {"if-range", ASKR_KNOWN_IF_RANGE},
    {"if-match", ASKR_KNOWN_IF_MATCH},
    {"if-none-match", ASKR_KNOWN_IF_NONE_MATCH},
    {"if-modified-since", ASKR_KNOWN_IF_MODIFIED_SINCE},
    {"if-unmodified-since", ASKR_KNOWN_IF_UNMODIFIED_SINCE},
    {"proxy", ASKR_KNOWN_PROXY},
    {"te", ASKR_KNOWN_TE},
    {"trailer", ASKR_KNOWN_TRAILER},
    {"transfer-encoding", DEFERRED},
    {"expect", DEFERRED},
    {"upgrade", DEFERRED},
};

/* Length and last letter tell all of them apart; the entry is an index of names. */
#define LONGEST_KNOWN      19
#define AT(length, letter) [length][(letter)&31]
static const uint8_t name_at[LONGEST_KNOWN + 1][32] = {
    AT(4, 't') = 1,  AT(10, 'n') = 2, AT(14, 'h') = 3,  AT(6, 'e') = 4,   AT(15, 'g') = 5,  AT(5, 'e') = 6,
    AT(8, 'e') = 7,  AT(8, 'h') = 8,  AT(13, 'h') = 9,  AT(17, 'e') = 10, AT(19, 'e') = 11, AT(5, 'y') = 12,
    AT(2, 'e') = 13, AT(7, 'r') = 14, AT(17, 'g') = 15, AT(6, 't') = 16,  AT(7, 'e') = 17,
};
#undef AT

static uint32_t known_field(const uint8_t *at, size_t len)
{
    uint8_t row;
    if (len > LONGEST_KNOWN)
        return ASKR_KNOWN_NONE;
    row = name_at[len][at[len - 1] & 31];
    return row != 0 && askr_is_named(at, len, names[row].name) ? names[row].known : ASKR_KNOWN_NONE;
}

/* ---- The parts of a request; each function returns where it stopped, NULL when that is the end or the grammar does not have it ---- */

static const uint8_t *read_method(const uint8_t *p, const uint8_t *end, askr_request *out)
{
    const uint8_t *start = p;
    while (p < end && askr_is_a(*p, ASKR_TOKEN))
        p++;
    if (p == end || *p != ' ' || p == start)
        return NULL;
    out->method = (askr_slice){start, (size_t)(p - start)};
    out->method_id = ASKR_METHOD_OTHER;
    if (out->method.len == 3 && memcmp(start, "GET", 3) == 0)
        out->method_id = ASKR_METHOD_GET;
    else if (out->method.len == 4 && memcmp(start, "POST", 4) == 0)
        out->method_id = ASKR_METHOD_POST;
    else if (out->method.len == 4 && memcmp(start, "HEAD", 4) == 0)
        out->method_id = ASKR_METHOD_HEAD;
    else if (out->method.len == 7 && memcmp(start, "CONNECT", 7) == 0)
        return NULL; /* for proxies */
    return p + 1;
}

static const uint8_t *read_path(const uint8_t *p, const uint8_t *end, askr_request *out)
{
    const uint8_t *start = p;
    out->has_escapes = 0;
    if (p == end || *p != '/')
        return NULL;
    for (;;) {
        while (p < end && askr_is_a(*p, ASKR_IN_PATH))
            p++;
        if (p == end)
            return NULL;
        if (*p != '%')
            break;
        if (end - p < 3 || !askr_is_a(p[1], ASKR_HEX) || !askr_is_a(p[2], ASKR_HEX) || (p[1] == '0' && p[2] == '0'))
            return NULL;
        out->has_escapes = 1;
        p += 3;
    }
    out->raw_path = (askr_slice){start, (size_t)(p - start)};
    return p;
}

static const uint8_t *read_target(const uint8_t *p, const uint8_t *end, askr_request *out)
{
    const uint8_t *start = p;
    p = read_path(p, end, out);
    if (p == NULL)
        return NULL;
    out->query = (askr_slice){p, 0};
    if (*p == '?') {
        const uint8_t *query = ++p;
        while (p < end && askr_is_a(*p, ASKR_IN_QUERY))
            p++;
        if (p == end)
            return NULL;
        out->query = (askr_slice){query, (size_t)(p - query)};
    }
    if (*p != ' ')
        return NULL;
    out->target = (askr_slice){start, (size_t)(p - start)};
    return p + 1;
}

static const uint8_t *read_version(const uint8_t *p, const uint8_t *end, askr_request *out)
{
    if (end - p < 10 || memcmp(p, "HTTP/1.", 7) != 0 || (p[7] != '0' && p[7] != '1') || p[8] != '\r' || p[9] != '\n')
        return NULL;
    out->is_1_1 = p[7] == '1';
    return p + 10;
}

static const uint8_t *read_field(const uint8_t *p, const uint8_t *end, askr_request_field *field)
{
    const uint8_t *start = p, *stop;
    uint32_t hash = 0;
    while (p < end && askr_is_a(*p, ASKR_TOKEN)) {
        hash = (hash << 5 | hash >> 27) ^ (*p | 0x20u); /* makes one of a few other pairs as well: `^` and `~` */
        p++;
    }
    if (p == end || *p != ':' || p == start)
        return NULL;
    field->name = (askr_slice){start, (size_t)(p - start)};
    field->hash = hash;
    field->known = known_field(start, field->name.len);
    p++;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    stop = askr_scan_text(p, end);
    if (end - stop < 2 || stop[0] != '\r' || stop[1] != '\n')
        return NULL;
    field->value.at = p;
    p = stop + 2;
    while (stop > field->value.at && (stop[-1] == ' ' || stop[-1] == '\t'))
        stop--;
    field->value.len = (size_t)(stop - field->value.at);
    return p;
}

/* ---- What fields say about the request ---- */

/* What askr_http.target.check_authority takes: `[IPv6]` or a name, both perhaps with a port; and the host of it. */
static int is_authority(askr_slice s, askr_slice *host)
{
    size_t i = 0, digits = 0;
    if (s.len > 0 && s.at[0] == '[') {
        for (i = 1; i < s.len && (askr_is_a(s.at[i], ASKR_HEX) || s.at[i] == ':' || s.at[i] == '.'); i++) {
        }
        if (i < 3 || i > 46 || i == s.len || s.at[i] != ']') /* 2 to 45 characters, the longest form of an address */
            return 0;
        i++;
    } else {
        while (i < s.len && askr_is_a(s.at[i], ASKR_IN_HOST))
            i++;
    }
    *host = (askr_slice){s.at, i};
    if (i < s.len && s.at[i] == ':')
        for (i++; i < s.len && s.at[i] >= '0' && s.at[i] <= '9'; i++)
            digits++;
    return i == s.len && digits <= 5;
}

static int read_length(askr_slice s, uint64_t *out)
{
    uint64_t n = 0;
    if (s.len == 0 || s.len > 18) /* the most digits that always fit 63 bits, as in the pure wire */
        return 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return 0;
        n = n * 10 + (uint64_t)(s.at[i] - '0');
    }
    *out = n;
    return 1;
}

enum { OPTION_CLOSE = 1, OPTION_KEEP_ALIVE = 2 };

/* The options of a Connection field that count (RFC 9112 section 9.3); a list, in any case, with empty elements. */
static int connection_options(askr_slice s)
{
    const uint8_t *p = s.at, *end = s.at + s.len;
    int found = 0;
    while (p < end) {
        const uint8_t *start = p, *stop;
        while (p < end && *p != ',')
            p++;
        for (stop = p; stop > start && (stop[-1] == ' ' || stop[-1] == '\t'); stop--) {
        }
        while (start < stop && (*start == ' ' || *start == '\t'))
            start++;
        if (stop - start == 5 && askr_is_named(start, 5, "close"))
            found |= OPTION_CLOSE;
        else if (stop - start == 10 && askr_is_named(start, 10, "keep-alive"))
            found |= OPTION_KEEP_ALIVE;
        p += p < end; /* the comma */
    }
    return found;
}

/* The fields up to and with the empty line; `*options` of all Connection fields together. */
static const uint8_t *read_fields(const uint8_t *p, const uint8_t *end, askr_request *out, int *options)
{
    uint32_t n = 0;
    memset(out->known_count, 0, sizeof out->known_count);
    for (;; n++) {
        askr_request_field *field = &out->fields[n];
        if (end - p >= 2 && p[0] == '\r' && p[1] == '\n')
            break;
        if (n == ASKR_REQUEST_FIELDS)
            return NULL;
        p = read_field(p, end, field);
        if (p == NULL || field->known == DEFERRED)
            return NULL;
        if (field->known == ASKR_KNOWN_NONE)
            continue;
        if (field->known == ASKR_KNOWN_CONNECTION)
            *options |= connection_options(field->value);
        if (out->known_count[field->known]++ == 0)
            out->known[field->known] = (uint8_t)n;
    }
    out->field_count = n;
    return p + 2;
}

static int judge_fields(askr_request *out, int options)
{
    uint32_t hosts = out->known_count[ASKR_KNOWN_HOST], lengths = out->known_count[ASKR_KNOWN_CONTENT_LENGTH];
    out->authority = out->host = (askr_slice){out->method.at, 0};
    out->content_length = 0;
    if (hosts > 1 || lengths > 1 || (hosts == 0 && out->is_1_1))
        return 0;
    if (hosts == 1) {
        out->authority = out->fields[out->known[ASKR_KNOWN_HOST]].value;
        if (!is_authority(out->authority, &out->host))
            return 0;
    }
    if (lengths == 1 && !read_length(out->fields[out->known[ASKR_KNOWN_CONTENT_LENGTH]].value, &out->content_length))
        return 0;
    out->keeps_alive = !(options & OPTION_CLOSE) && (out->is_1_1 || (options & OPTION_KEEP_ALIVE));
    return 1;
}

/* ---- The head ---- */

/*
 * How much longer than its target a request line may be, method and version together; the pure wire refuses an incomplete line by the
 * same number (askr_http.h1), because it cannot know yet where the target ends.
 */
#define LINE_BESIDE_TARGET 64

static int parse(const uint8_t *buf, size_t len, const askr_codec_limits *limits, askr_request *out)
{
    const uint8_t *p, *end = buf + len;
    int options = 0;
    p = read_method(buf, end, out);
    if (p != NULL)
        p = read_target(p, end, out);
    if (p == NULL || out->target.len > limits->target_bytes)
        return 0;
    p = read_version(p, end, out);
    if (p == NULL || (size_t)(p - buf) > (size_t)limits->target_bytes + LINE_BESIDE_TARGET)
        return 0;
    p = read_fields(p, end, out, &options);
    if (p == NULL || !judge_fields(out, options))
        return 0;
    out->head_bytes = (uint32_t)(p - buf);
    return 1;
}

typedef enum { INCOMPLETE, COMPLETE, FAULTY } judgement;

/* Whether the end of the head is in buf[0..len), which is no longer than a head may be, and no forbidden byte before it; buf[0] is there. */
static judgement judge_bytes(const uint8_t *buf, size_t len, size_t scanned)
{
    const uint8_t *end = buf + len, *p = buf + (scanned > 3 ? scanned - 3 : 0); /* CR LF CR may be there already */
    if (p > buf && *p == '\n')
        p--;
    if (scanned == 0 && buf[0] == '\r') /* an empty line before the request line: rare, and the pure wire counts them */
        return FAULTY;
    for (;;) {
        p = askr_scan_text(p, end);
        if (p == end || (*p == '\r' && p + 1 == end))
            return INCOMPLETE;
        if (p[0] != '\r' || p[1] != '\n')
            return FAULTY;
        p += 2;
        if (p == end)
            return INCOMPLETE;
        if (*p == ' ' || *p == '\t') /* obs-fold (RFC 9112 section 5.2) */
            return FAULTY;
        if (*p != '\r')
            continue;
        if (p + 1 == end)
            return INCOMPLETE;
        return p[1] == '\n' ? COMPLETE : FAULTY;
    }
}

/* Whether the request line is longer than one may be, though its end has not come; no byte is forbidden, so that a CR is a CRLF. */
static int is_line_too_long(const uint8_t *buf, size_t len, size_t scanned, uint32_t target_bytes)
{
    size_t most = (size_t)target_bytes + LINE_BESIDE_TARGET;
    if (len <= most || scanned > most) /* too early to say; or said before */
        return 0;
    return memchr(buf, '\r', most - 1) == NULL;
}

askr_codec_verdict askr_codec_read(const uint8_t *buf, size_t len, const askr_codec_limits *limits, uint32_t *scanned,
                                   askr_request *out)
{
    size_t most = len < limits->head_bytes ? len : limits->head_bytes;
    size_t before = *scanned <= most ? *scanned : 0;
    judgement found;
    if (len == 0)
        return ASKR_CODEC_MORE;
    if (before == 0 && parse(buf, most, limits, out)) {
        *scanned = 0;
        return ASKR_CODEC_REQUEST;
    }
    found = judge_bytes(buf, most, before);
    if (found == INCOMPLETE && most == len && !is_line_too_long(buf, len, before, limits->target_bytes)) {
        *scanned = (uint32_t)len;
        return ASKR_CODEC_MORE;
    }
    if (found == COMPLETE && before > 0 && parse(buf, most, limits, out)) {
        *scanned = 0;
        return ASKR_CODEC_REQUEST;
    }
    return ASKR_CODEC_DEFER;
}
