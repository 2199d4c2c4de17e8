#include "php_head.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEAD_BYTES_MAX = 1 << 20 };

/* Notes a field that PHP asks for by name. */
static void note(askr_head *h, const askr_header *hd)
{
    static const struct {
        const char *name;
        size_t len, at;
    } WANTED[] = {
        {"content-type", 12, offsetof(askr_head, content_type)},
        {"authorization", 13, offsetof(askr_head, authorization)},
        {"cookie", 6, offsetof(askr_head, cookie)},
    };

    for (size_t i = 0; i < sizeof WANTED / sizeof *WANTED; i++) {
        askr_slice *slot = (askr_slice *)(void *)((char *)h + WANTED[i].at);
        if (hd->name_len == WANTED[i].len && !slot->at && strncasecmp(hd->name, WANTED[i].name, WANTED[i].len) == 0)
            *slot = hd->value;
    }
}

/*
 * A value is terminated where the next record begins, so all records are decoded before the first NUL is written; the last one ends at the
 * byte that the buffer has more than the head.
 */
int askr_head_decode(askr_head *h, size_t n)
{
    size_t at = 0;
    askr_record rec;
    int rc;

    memset(h->field, 0, sizeof h->field);
    h->content_type = h->authorization = h->cookie = (askr_slice){NULL, 0};
    h->headers = 0;
    while ((rc = askr_record_next(h->buf, n, &at, &rec)) == ASKR_OK) {
        if (rec.tag == ASKR_FIELD_HEADER) {
            if (h->headers == ASKR_HEADERS_MAX)
                return ASKR_E2BIG;
            askr_header *hd = &h->header[h->headers++];
            hd->name = (const char *)rec.name;
            hd->name_len = rec.name_len;
            hd->value = (askr_slice){(const char *)rec.value, rec.value_len};
            note(h, hd);
        } else if (rec.tag > 0 && rec.tag < ASKR_FIELD_COUNT) {
            h->field[rec.tag] = (askr_slice){(const char *)rec.value, rec.value_len};
        }
    }
    if (rc != ASKR_EAGAIN)
        return ASKR_EINVAL;
    for (size_t i = 0; i < ASKR_FIELD_COUNT; i++)
        if (h->field[i].at)
            h->buf[h->field[i].at + h->field[i].len - (char *)h->buf] = 0;
    for (uint32_t i = 0; i < h->headers; i++)
        h->buf[h->header[i].value.at + h->header[i].value.len - (char *)h->buf] = 0;
    return ASKR_OK;
}

int askr_head_load(askr_head *h, askr_pool *pool, askr_xid x)
{
    size_t n = askr_request_head_bytes(pool, x), have = 0;

    if (n > HEAD_BYTES_MAX)
        return ASKR_E2BIG;
    if (n + 1 > h->cap) {
        size_t cap = (n + 1 + 4095) & ~(size_t)4095;
        uint8_t *buf = realloc(h->buf, cap);
        if (!buf)
            return ASKR_E2BIG;
        h->buf = buf;
        h->cap = cap;
    }
    while (have < n) {
        int64_t got = askr_request_read(pool, x, h->buf + have, n - have);
        if (got <= 0)
            return ASKR_ESTALE;
        have += (size_t)got;
    }
    return askr_head_decode(h, n);
}

const askr_variable askr_variables[ASKR_VARIABLE_ROWS] = {
    {"REQUEST_METHOD", ASKR_FIELD_METHOD, false},
    {"REQUEST_URI", ASKR_FIELD_TARGET, false},
    {"QUERY_STRING", ASKR_FIELD_QUERY, false},
    {"SCRIPT_NAME", ASKR_FIELD_SCRIPT_NAME, false},
    {"SCRIPT_FILENAME", ASKR_FIELD_SCRIPT_FILENAME, false},
    {"PATH_INFO", ASKR_FIELD_PATH_INFO, true},
    {"DOCUMENT_ROOT", ASKR_FIELD_DOCUMENT_ROOT, false},
    {"SERVER_PROTOCOL", ASKR_FIELD_PROTOCOL, false},
    {"REQUEST_SCHEME", ASKR_FIELD_SCHEME, false},
    {"SERVER_NAME", ASKR_FIELD_SERVER_NAME, false},
    {"SERVER_PORT", ASKR_FIELD_SERVER_PORT, false},
    {"SERVER_ADDR", ASKR_FIELD_SERVER_ADDR, false},
    {"REMOTE_ADDR", ASKR_FIELD_REMOTE_ADDR, false},
    {"REMOTE_PORT", ASKR_FIELD_REMOTE_PORT, false},
    {"CONTENT_LENGTH", ASKR_FIELD_CONTENT_LENGTH, true},
};

static bool header_matches(const askr_header *hd, const char *name, size_t n)
{
    if (hd->name_len != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = hd->name[i] == '-' ? '_' : (char)toupper((unsigned char)hd->name[i]);
        if (c != name[i] || hd->name[i] == '_') /* X_Foo has no variable, or it could forge X-Foo (php_vars.c) */
            return false;
    }
    return true;
}

askr_slice askr_head_variable(const askr_head *h, const char *name, size_t name_len)
{
    if (name_len > 5 && memcmp(name, "HTTP_", 5) == 0)
        for (uint32_t i = h->headers; i-- > 0;) /* of several the last, as in $_SERVER */
            if (header_matches(&h->header[i], name + 5, name_len - 5))
                return h->header[i].value;
    if (name_len == 12 && memcmp(name, "CONTENT_TYPE", 12) == 0)
        return h->content_type;
    for (int i = 0; i < ASKR_VARIABLE_ROWS; i++)
        if (strlen(askr_variables[i].name) == name_len && memcmp(askr_variables[i].name, name, name_len) == 0)
            return h->field[askr_variables[i].field];
    return (askr_slice){NULL, 0};
}
