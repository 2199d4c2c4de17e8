#include "askr_answers.h"

#include <string.h>

#define ROW_BYTES 1024

typedef struct {
    askr_answer answer; /* its slices point into bytes */
    uint32_t is_set;
    uint8_t bytes[ROW_BYTES];
} row;

struct askr_answers {
    row rows[ASKR_ANSWER_COUNT];
};

size_t askr_answers_sizeof(void)
{
    return sizeof(askr_answers);
}

askr_answers *askr_answers_init(void *mem)
{
    return mem; /* zeroed: no row is set */
}

static askr_slice keep(row *r, size_t *at, askr_slice text)
{
    askr_slice kept = {r->bytes + *at, text.len};
    if (text.len > 0)
        memcpy(r->bytes + *at, text.at, text.len);
    *at += text.len;
    return kept;
}

int askr_answers_set(askr_answers *a, uint32_t id, const askr_answer *from)
{
    size_t at = 0;
    row *r;
    if (id >= ASKR_ANSWER_COUNT)
        return ASKR_EINVAL;
    if (from->phrase.len > ROW_BYTES || from->headers.len > ROW_BYTES - from->phrase.len ||
        from->content.len > ROW_BYTES - from->phrase.len - from->headers.len)
        return ASKR_E2BIG;
    r = &a->rows[id];
    r->answer.status = from->status;
    r->answer.phrase = keep(r, &at, from->phrase);
    r->answer.headers = keep(r, &at, from->headers);
    r->answer.content = keep(r, &at, from->content);
    r->is_set = 1;
    return ASKR_OK;
}

int askr_answers_are_complete(const askr_answers *a)
{
    for (uint32_t id = 0; id < ASKR_ANSWER_COUNT; id++)
        if (!a->rows[id].is_set)
            return 0;
    return 1;
}

const askr_answer *askr_answers_get(const askr_answers *a, uint32_t id)
{
    return id < ASKR_ANSWER_COUNT && a->rows[id].is_set ? &a->rows[id].answer : NULL;
}
