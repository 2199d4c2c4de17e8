#include "askr_cgi.h"

#include <string.h>

#include "askr_ascii.h"
#include "askr_head.h"
#include "askr_put.h"

/*
 * What PHP is told about a request.  One pass finds names that come again, one writes; the rules are those of askr_http.cgi.
 *
 * Equal names are found by the codec's hash: a set of 64 bits says that a hash is new, which it nearly always is, and only otherwise are the
 * fields before it looked through.  The codec's limits bound what a client can make of that whose names were made to have one hash: 8,128
 * comparisons of names that are 16 KiB in all, which are made by words for its sake (130 us; by bytes it was 700).
 */
#define RECORD_BYTES 8u

static askr_slice literal(const char *text, size_t len)
{
    return (askr_slice){.at = (const uint8_t *)text, .len = len};
}
#define LITERAL(text) literal("" text, sizeof(text) - 1)

/* As askr_record_put, but for the value, of which the caller appends that many bytes. */
static void put_record(askr_put *out, uint16_t tag, askr_slice name, size_t value_bytes)
{
    const uint16_t name_len = (uint16_t)name.len;
    const uint32_t value_len = (uint32_t)value_bytes;
    uint8_t head[RECORD_BYTES];
    if (name.len > UINT16_MAX || value_bytes > UINT32_MAX)
        out->is_full = 1;
    memcpy(head, &tag, sizeof tag);
    memcpy(head + 2, &name_len, sizeof name_len);
    memcpy(head + 4, &value_len, sizeof value_len);
    askr_put_bytes(out, head, sizeof head);
    askr_put_slice(out, name);
}

static void put_header(askr_put *out, askr_slice name, askr_slice value)
{
    put_record(out, ASKR_FIELD_HEADER, name, value.len);
    askr_put_slice(out, value);
}

static void put_field(askr_put *out, uint16_t tag, askr_slice value)
{
    put_record(out, tag, (askr_slice){.at = NULL, .len = 0}, value.len);
    askr_put_slice(out, value);
}

static void put_number(askr_put *out, uint16_t tag, uint64_t number)
{
    uint8_t digits[20];
    askr_put text = askr_put_in(digits, sizeof digits);
    askr_put_number(&text, number);
    put_field(out, tag, (askr_slice){.at = digits, .len = text.at});
}

/* ---- the header fields (askr_http.cgi.request_headers) ---- */

/* Of each field: which one of the same name comes next (its index + 1, 0: none), and whether one came before. */
typedef struct {
    uint8_t next[ASKR_REQUEST_FIELDS];
    uint8_t is_later[ASKR_REQUEST_FIELDS];
} name_chains;
_Static_assert(ASKR_REQUEST_FIELDS < UINT8_MAX, "an index + 1 is one byte");

static int is_same_name(askr_slice a, askr_slice b)
{
    return a.len == b.len && askr_ascii_same(a.at, b.at, a.len);
}

static void find_chains(const askr_request *rq, uint32_t count, name_chains *chains)
{
    uint64_t seen = 0;
    uint8_t last[ASKR_REQUEST_FIELDS]; /* of the chain that begins here */
    for (uint32_t i = 0; i < count; i++) {
        const askr_request_field *f = &rq->fields[i];
        uint64_t bit = (uint64_t)1 << (f->hash & 63u);
        chains->next[i] = chains->is_later[i] = 0;
        last[i] = (uint8_t)i;
        if ((seen & bit) == 0) {
            seen |= bit;
            continue;
        }
        for (uint32_t j = 0; j < i; j++) {
            if (rq->fields[j].hash != f->hash || !is_same_name(rq->fields[j].name, f->name))
                continue; /* the first one that matches began the chain */
            chains->next[last[j]] = (uint8_t)(i + 1);
            chains->is_later[i] = 1;
            last[j] = (uint8_t)i;
            break;
        }
    }
}

/*
 * `Proxy` would become HTTP_PROXY (CVE-2016-5385); `X_Foo` would forge what a proxy says in `X-Foo`; the framing is CONTENT_LENGTH's;
 * Host is written from the authority.
 */
static int is_for_php(const askr_request_field *f)
{
    switch (f->known) {
    case ASKR_KNOWN_HOST:
    case ASKR_KNOWN_PROXY:
    case ASKR_KNOWN_CONTENT_LENGTH:
    case ASKR_KNOWN_TRAILER: return 0;
    case ASKR_KNOWN_NONE: break;
    default: return 1;
    }
    return memchr(f->name.at, '_', f->name.len) == NULL && !is_same_name(f->name, LITERAL("transfer-encoding"));
}

static void put_joined(askr_put *out, const askr_request *rq, const name_chains *chains, uint32_t first)
{
    const askr_request_field *f = &rq->fields[first];
    const askr_slice between = f->known == ASKR_KNOWN_COOKIE ? LITERAL("; ") : LITERAL(", ");
    size_t total = f->value.len;
    for (uint32_t i = chains->next[first]; i != 0; i = chains->next[i - 1])
        total += between.len + rq->fields[i - 1].value.len;
    put_record(out, ASKR_FIELD_HEADER, f->name, total);
    askr_put_slice(out, f->value);
    for (uint32_t i = chains->next[first]; i != 0; i = chains->next[i - 1]) {
        askr_put_slice(out, between);
        askr_put_slice(out, rq->fields[i - 1].value);
    }
}

static void put_headers(askr_put *out, const askr_request *rq)
{
    name_chains chains;
    uint32_t count = rq->field_count < ASKR_REQUEST_FIELDS ? rq->field_count : ASKR_REQUEST_FIELDS;
    find_chains(rq, count, &chains);
    put_header(out, LITERAL("Host"), rq->authority.len > 0 ? rq->authority : LITERAL("localhost"));
    for (uint32_t i = 0; i < count; i++) {
        const askr_request_field *f = &rq->fields[i];
        if (chains.is_later[i] || !is_for_php(f))
            continue;
        if (chains.next[i] == 0)
            put_header(out, f->name, f->value);
        else
            put_joined(out, rq, &chains, i);
    }
}

int64_t askr_cgi_request(const askr_request *rq, const askr_script *script, const askr_cgi_policy *policy,
                         const askr_cgi_peer *peer, uint64_t body_bytes, uint64_t now_wall_us, uint8_t *buf, size_t cap)
{
    askr_put out = askr_put_in(buf, cap);
    put_field(&out, ASKR_FIELD_METHOD, rq->method);
    put_field(&out, ASKR_FIELD_TARGET, rq->target);
    put_field(&out, ASKR_FIELD_QUERY, rq->query);
    put_field(&out, ASKR_FIELD_SCRIPT_NAME, script->name);
    put_field(&out, ASKR_FIELD_SCRIPT_FILENAME, script->filename);
    put_field(&out, ASKR_FIELD_PATH_INFO, script->path_info);
    put_field(&out, ASKR_FIELD_DOCUMENT_ROOT, policy->document_root);
    put_field(&out, ASKR_FIELD_PROTOCOL, rq->is_1_1 ? LITERAL("HTTP/1.1") : LITERAL("HTTP/1.0"));
    put_field(&out, ASKR_FIELD_SCHEME, policy->scheme);
    put_field(&out, ASKR_FIELD_SERVER_NAME, rq->host.len > 0 ? rq->host : LITERAL("localhost"));
    put_field(&out, ASKR_FIELD_SERVER_PORT, peer->server_port);
    put_field(&out, ASKR_FIELD_SERVER_ADDR, peer->server_addr);
    put_field(&out, ASKR_FIELD_REMOTE_ADDR, peer->remote_addr);
    put_field(&out, ASKR_FIELD_REMOTE_PORT, peer->remote_port);
    put_number(&out, ASKR_FIELD_REQUEST_TIME_US, now_wall_us);
    if (body_bytes > 0)
        put_number(&out, ASKR_FIELD_CONTENT_LENGTH, body_bytes);
    put_headers(&out, rq);
    return askr_put_end(&out);
}
