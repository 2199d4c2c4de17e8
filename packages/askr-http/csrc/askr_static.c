#include "askr_site_parts.h"

#include <assert.h>

#include "askr_conditions.h"
#include "askr_put.h"

static_assert(ASKR_CODING_NONE == (int)ASKR_ORIGINAL && ASKR_CODING_BR == (int)ASKR_BR &&
                  ASKR_CODING_GZIP == (int)ASKR_GZIP,
              "a coding is the number of its representation");

/* askr_http.errors.ServerAnswer.RANGE_NOT_SATISFIABLE; a test compares. */
static const uint8_t not_satisfiable[] = "askr: range not satisfiable";

static askr_slice part_of(const askr_representation *r, size_t at, size_t end)
{
    return (askr_slice){r->fields + at, end - at};
}

static void answer_not_modified(const askr_representation *r, askr_static *out)
{
    *out = (askr_static){.status = 304, .content_length = ASKR_NO_LENGTH, .fd = r->fd};
    out->headers = part_of(r, r->validators_at, r->validators_at + r->validators_len);
}

static void answer_not_satisfiable(askr_site *s, const askr_representation *r, askr_static *out)
{
    askr_put p = askr_put_in(s->fields, sizeof s->fields);
    askr_put_slice(&p, part_of(r, r->validators_at, r->validators_at + r->validators_len));
    askr_put_text(&p, "Accept-Ranges: bytes\r\nContent-Range: bytes */");
    askr_put_number(&p, (uint64_t)r->seen.size_bytes);
    askr_put_text(&p, "\r\nContent-Type: text/plain; charset=utf-8\r\n");
    uint64_t length = sizeof not_satisfiable - 1;
    *out = (askr_static){.status = 416, .content_length = length, .content = not_satisfiable, .fd = r->fd};
    out->length = length;
    out->headers = (askr_slice){s->fields, p.at};
}

static void add_range(askr_site *s, const askr_representation *r, askr_static *out)
{
    askr_put p = askr_put_in(s->fields, sizeof s->fields);
    askr_put_slice(&p, part_of(r, 0, r->fields_len));
    askr_put_text(&p, "Content-Range: bytes ");
    askr_put_number(&p, out->offset);
    askr_put_text(&p, "-");
    askr_put_number(&p, out->offset + out->length - 1);
    askr_put_text(&p, "/");
    askr_put_number(&p, (uint64_t)r->seen.size_bytes);
    askr_put_text(&p, "\r\n");
    out->headers = (askr_slice){s->fields, p.at};
}

/* Content of a small file comes from memory, once it is sure what it is. */
static const uint8_t *small_content(askr_site *s, askr_file *f, uint32_t i, int64_t now_wall_s)
{
    askr_representation *r = &f->of[i];
    if (r->content != NULL || (uint64_t)r->seen.size_bytes > s->small_bytes || !f->is_cached)
        return r->content;
    if (askr_file_read(f, i, now_wall_s) == ASKR_OK)
        askr_file_cache_charge(&s->cache, f, (size_t)r->seen.size_bytes);
    return r->content;
}

static void answer_with(askr_site *s, askr_file *f, uint32_t i, const askr_request *rq, int64_t now_wall_s,
                        askr_static *out)
{
    const askr_representation *r = &f->of[i];
    out->content_length = out->length;
    if (out->status == 206)
        add_range(s, r, out);
    else
        out->headers = part_of(r, 0, r->fields_len);
    if (rq->method_id == ASKR_METHOD_HEAD)
        out->length = 0;
    if (out->length > 0 && small_content(s, f, i, now_wall_s) != NULL)
        out->content = r->content + out->offset;
}

int askr_static_answer(askr_site *s, askr_file *f, const askr_request *rq, int64_t now_wall_s, askr_static *out)
{
    uint32_t i = ASKR_ORIGINAL;
    if (f->has_siblings)
        i = askr_choose_coding(rq, f->of[ASKR_BR].presence == ASKR_OPEN, f->of[ASKR_GZIP].presence == ASKR_OPEN);
    const askr_representation *r = &f->of[i];
    askr_validators v = {
        {r->fields + r->etag_at, r->etag_len}, r->seen.modified_s, now_wall_s, (uint64_t)r->seen.size_bytes};
    if (v.modified_s > now_wall_s) /* Last-Modified is never in the future (RFC 9110 section 8.8.2.1), so it changes */
        return ASKR_EAGAIN;
    askr_verdict verdict = askr_judge_preconditions(rq, &v);
    if (verdict == ASKR_ASK_PYTHON)
        return ASKR_EAGAIN;
    if (verdict == ASKR_NOT_MODIFIED) {
        answer_not_modified(r, out);
        return ASKR_OK;
    }
    *out = (askr_static){.status = 200, .fd = r->fd, .length = v.size_bytes};
    switch (askr_choose_range(rq, &v, &out->offset, &out->length)) {
    case ASKR_RANGE_ASK_PYTHON: return ASKR_EAGAIN;
    case ASKR_RANGE_UNSATISFIABLE: answer_not_satisfiable(s, r, out); return ASKR_OK;
    case ASKR_RANGE_PART: out->status = 206; break;
    case ASKR_RANGE_WHOLE: /* a list may have written there */
        out->offset = 0;
        out->length = v.size_bytes;
        break;
    }
    answer_with(s, f, i, rq, now_wall_s, out);
    return ASKR_OK;
}
