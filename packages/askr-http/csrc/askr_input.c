#include "askr_input.h"

#include <stdlib.h>
#include <string.h>

enum { LEAST = 512, MOST = 1 << 30 };

void askr_input_drop(askr_input *in, uint64_t *held_bytes)
{
    *held_bytes -= in->cap;
    free(in->bytes);
    *in = (askr_input){0};
}

void askr_input_adopt(askr_input *in, uint8_t *bytes, uint32_t n, uint64_t *held_bytes)
{
    *in = (askr_input){.bytes = bytes, .end = n, .cap = n};
    *held_bytes += n;
}

static int grow(askr_input *in, size_t wanted, uint64_t *held_bytes)
{
    size_t cap = in->cap < LEAST ? LEAST : in->cap;
    while (cap < wanted)
        cap *= 2;
    uint8_t *bytes = cap <= MOST ? realloc(in->bytes, cap) : NULL;
    if (bytes == NULL)
        return ASKR_ESYS;
    *held_bytes += cap - in->cap;
    in->bytes = bytes;
    in->cap = (uint32_t)cap;
    return ASKR_OK;
}

int askr_input_put(askr_input *in, const uint8_t *bytes, size_t n, uint64_t *held_bytes)
{
    if (n > in->cap - in->end && in->at > 0) {
        memmove(in->bytes, in->bytes + in->at, in->end - in->at);
        in->end -= in->at;
        in->at = 0;
    }
    if (n > in->cap - in->end && grow(in, in->end + n, held_bytes) != ASKR_OK)
        return ASKR_ESYS;
    memcpy(in->bytes + in->end, bytes, n);
    in->end += (uint32_t)n;
    return ASKR_OK;
}

void askr_input_consume(askr_input *in, size_t n, uint64_t *held_bytes)
{
    in->at += (uint32_t)n;
    if (in->at == in->end)
        askr_input_drop(in, held_bytes);
}
