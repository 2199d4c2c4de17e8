/*
 * Invariant: for any bytes, however they are cut,
 *   - where the codec says REQUEST, the pure wire (askr_http.h1 with h11) reads the same request from the same number of bytes;
 *   - where it says MORE, the pure wire waits as well, and has not refused;
 *   - the verdict is that of the whole, and every slice lies inside of the head;
 *   - the two ways to find the end of text find the same end.
 * What it defers may be anything: the pure wire judges it.
 *
 * The input is what a client sends: requests, one behind the other.  Where the cuts are follows from the bytes.  The limits are small, so that
 * inputs reach them; oracle.py has the same ones.
 */
#include "askr_h1_codec.h"
#include "askr_h1_scan.h"
#include "ask.h"
#include "random.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD_BYTES = 1500, TARGET_BYTES = 200 };
static const askr_codec_limits limits = {HEAD_BYTES, TARGET_BYTES};

/* ---- What is told to the oracle ---- */

static message told;

static void tell_slice(askr_slice s)
{
    message_number(&told, s.len);
    message_bytes(&told, s.at, s.len);
}

/* One request; oracle.py writes what it read in the same form. */
static void tell_request(const askr_request *rq)
{
    tell_slice(rq->method);
    tell_slice(rq->target);
    tell_slice(rq->raw_path);
    tell_slice(rq->query);
    tell_slice(rq->authority);
    tell_slice(rq->host);
    message_number(&told, rq->content_length);
    message_number(&told, rq->head_bytes);
    message_number(&told, rq->method_id);
    message_number(&told, rq->is_1_1);
    message_number(&told, rq->keeps_alive);
    message_number(&told, rq->has_escapes);
    message_number(&told, rq->field_count);
    for (uint32_t i = 0; i < rq->field_count; i++) {
        tell_slice(rq->fields[i].name);
        tell_slice(rq->fields[i].value);
        message_number(&told, rq->fields[i].known);
    }
}

/* ---- What the codec alone must hold to ---- */

static int is_inside(askr_slice s, const uint8_t *buf, size_t len)
{
    return s.at >= buf && s.at <= buf + len && s.len <= (size_t)(buf + len - s.at);
}

static int are_equal_names(askr_slice a, askr_slice b)
{
    if (a.len != b.len)
        return 0;
    for (size_t i = 0; i < a.len; i++) {
        uint8_t x = a.at[i], y = b.at[i];
        if (x != y && !((x ^ y) == 0x20 && (x | 0x20) >= 'a' && (x | 0x20) <= 'z'))
            return 0;
    }
    return 1;
}

static void check_request(const askr_request *rq, const uint8_t *buf, size_t len)
{
    uint8_t counts[ASKR_KNOWN_COUNT] = {0};
    CHECK(rq->head_bytes <= len && rq->head_bytes <= HEAD_BYTES && rq->field_count <= ASKR_REQUEST_FIELDS);
    len = rq->head_bytes;
    CHECK(is_inside(rq->method, buf, len) && is_inside(rq->target, buf, len) && is_inside(rq->raw_path, buf, len));
    CHECK(is_inside(rq->query, buf, len) && is_inside(rq->authority, buf, len) && rq->target.len <= TARGET_BYTES);
    for (uint32_t i = 0; i < rq->field_count; i++) {
        const askr_request_field *field = &rq->fields[i];
        CHECK(is_inside(field->name, buf, len) && is_inside(field->value, buf, len) && field->known < ASKR_KNOWN_COUNT);
        if (field->known != ASKR_KNOWN_NONE && counts[field->known]++ == 0)
            CHECK(rq->known[field->known] == i);
        for (uint32_t j = 0; j < i; j++)
            if (are_equal_names(field->name, rq->fields[j].name))
                CHECK(field->hash == rq->fields[j].hash && field->known == rq->fields[j].known);
    }
    CHECK(memcmp(counts, rq->known_count, sizeof counts) == 0);
}

static void check_the_same(const askr_request *a, const uint8_t *a_buf, const askr_request *b, const uint8_t *b_buf)
{
    CHECK(a->head_bytes == b->head_bytes && a->field_count == b->field_count && a->keeps_alive == b->keeps_alive);
    CHECK(a->content_length == b->content_length && a->has_escapes == b->has_escapes && a->is_1_1 == b->is_1_1);
    CHECK(a->target.at - a_buf == b->target.at - b_buf && a->target.len == b->target.len);
    CHECK(a->authority.at - a_buf == b->authority.at - b_buf && a->authority.len == b->authority.len);
    for (uint32_t i = 0; i < a->field_count; i++) {
        CHECK(a->fields[i].name.at - a_buf == b->fields[i].name.at - b_buf && a->fields[i].hash == b->fields[i].hash);
        CHECK(a->fields[i].value.at - a_buf == b->fields[i].value.at - b_buf);
        CHECK(a->fields[i].value.len == b->fields[i].value.len && a->fields[i].known == b->fields[i].known);
    }
}

/* Gives the bytes in pieces, and checks that the verdict about every beginning is the same with and without a past. */
static void check_cut(const uint8_t *data, size_t size, askr_codec_verdict whole, const askr_request *wanted)
{
    static askr_request rq, fresh_rq;
    size_t step = 1 + random_below(random_below(4) == 0 ? 200 : 20), len = 0;
    askr_codec_verdict verdict = ASKR_CODEC_MORE;
    uint32_t scanned = 0;
    while (verdict == ASKR_CODEC_MORE) {
        uint8_t *buf = guarded(data, len);
        uint32_t fresh = 0;
        verdict = askr_codec_read(buf, len, &limits, &scanned, &rq);
        CHECK(verdict != ASKR_CODEC_MORE || scanned == len);
        CHECK(askr_codec_read(buf, len, &limits, &fresh, &fresh_rq) == verdict);
        if (verdict == ASKR_CODEC_REQUEST) {
            check_the_same(&rq, buf, wanted, data);
            check_the_same(&fresh_rq, buf, wanted, data);
        }
        free(buf);
        if (len == size)
            break;
        len += 1 + random_below(step);
        len = len < size ? len : size;
    }
    CHECK(verdict == whole);
}

static void check_scan(const uint8_t *data, size_t size)
{
    for (size_t at = 0; at <= size; at += 1 + size / 8)
        CHECK(askr_scan_text(data + at, data + size) == askr_scan_text_portable(data + at, data + size));
}

/* ---- The target ---- */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    ask_start();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static askr_request rq;
    askr_codec_verdict verdict;
    uint64_t requests = 0;
    size_t at = 0;
    random_from(data, size);
    check_scan(data, size);
    message_clear(&told);
    for (;;) {
        uint8_t *buf = guarded(data + at, size - at);
        size_t len = size - at;
        uint32_t scanned = 0;
        verdict = askr_codec_read(buf, len, &limits, &scanned, &rq);
        if (verdict == ASKR_CODEC_REQUEST) {
            check_request(&rq, buf, len);
            tell_request(&rq);
        }
        check_cut(buf, len, verdict, &rq);
        free(buf);
        if (verdict != ASKR_CODEC_REQUEST)
            break;
        requests++;
        at += rq.head_bytes;
        if (rq.content_length > size - at) /* the body has not come */
            break;
        at += (size_t)rq.content_length;
    }
    if (requests > 0 || verdict == ASKR_CODEC_MORE)
        ask(data, size, requests, verdict == ASKR_CODEC_MORE, &told);
    return 0;
}
