#include "askr_fields.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "askr_h1_writer.h"
#include "askr_put.h"

#define LATEST_S INT64_C(9000000000) /* its nanoseconds are an int64_t */

static const char *const codings[ASKR_REPRESENTATIONS] = {"", "br", "gzip"};

static void put_hex(askr_put *p, uint64_t n)
{
    uint8_t digits[16];
    size_t at = sizeof digits;
    do {
        digits[--at] = (uint8_t) "0123456789abcdef"[n & 15];
        n >>= 4;
    } while (n != 0);
    askr_put_bytes(p, digits + at, sizeof digits - at);
}

/* A strong validator: size, time to the nanosecond, and the coding, because the bytes differ. */
static void put_etag(askr_put *p, const askr_identity *id, uint32_t i)
{
    askr_put_text(p, "\"");
    put_hex(p, (uint64_t)id->size_bytes);
    askr_put_text(p, "-");
    put_hex(p, (uint64_t)id->modified_s * 1000000000u + id->modified_ns);
    if (i != ASKR_ORIGINAL) {
        askr_put_text(p, "-");
        askr_put_bytes(p, codings[i], strlen(codings[i]));
    }
    askr_put_text(p, "\"");
}

/* Whether a component of the path is "build": what bundlers put there has a hash in its name (contract, "static files"). */
static int is_fingerprinted(const char *path, size_t len)
{
    for (const char *end = path + len;;) {
        const char *slash = memchr(path, '/', (size_t)(end - path));
        const char *stop = slash != NULL ? slash : end;
        if (stop - path == 5 && memcmp(path, "build", 5) == 0)
            return 1;
        if (slash == NULL)
            return 0;
        path = slash + 1;
    }
}

static void put_validators(askr_put *p, askr_file *f, uint32_t i)
{
    askr_representation *r = &f->of[i];
    uint8_t date[ASKR_DATE_BYTES];
    askr_date_write(r->seen.modified_s, date);
    r->validators_at = (uint32_t)p->at;
    askr_put_text(p, "ETag: ");
    r->etag_at = (uint32_t)p->at;
    put_etag(p, &r->seen, i);
    r->etag_len = (uint32_t)p->at - r->etag_at;
    askr_put_text(p, "\r\nLast-Modified: ");
    askr_put_bytes(p, date, sizeof date);
    askr_put_text(p, "\r\nCache-Control: public, max-age=");
    if (is_fingerprinted(f->names + f->path_at, f->path_len))
        askr_put_text(p, "31536000, immutable\r\n");
    else
        askr_put_text(p, "3600\r\n");
    if (f->has_siblings)
        askr_put_text(p, "Vary: Accept-Encoding\r\n");
    r->validators_len = (uint32_t)p->at - r->validators_at;
}

int askr_fields_make(askr_file *f, uint32_t i, askr_slice content_type)
{
    askr_representation *r = &f->of[i];
    uint8_t text[ASKR_FIELDS_BYTES];
    askr_put p = askr_put_in(text, sizeof text);
    errno = ERANGE;
    if (r->seen.modified_s < 0 || r->seen.modified_s > LATEST_S)
        return ASKR_ESYS;
    askr_put_text(&p, "Content-Type: ");
    askr_put_slice(&p, content_type);
    askr_put_text(&p, "\r\n");
    put_validators(&p, f, i);
    askr_put_text(&p, "Accept-Ranges: bytes\r\n");
    if (i != ASKR_ORIGINAL) {
        askr_put_text(&p, "Content-Encoding: ");
        askr_put_bytes(&p, codings[i], strlen(codings[i]));
        askr_put_text(&p, "\r\n");
    }
    if (askr_put_end(&p) < 0)
        return ASKR_ESYS;
    r->fields = malloc(p.at);
    if (r->fields == NULL)
        return ASKR_ESYS;
    memcpy(r->fields, text, p.at);
    r->fields_len = (uint32_t)p.at;
    return ASKR_OK;
}
