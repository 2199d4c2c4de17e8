#ifndef ASKR_INPUT_H
#define ASKR_INPUT_H

#include "askr_slice.h"
#include "askr_base.h"

/*
 * Bytes that a connection has received and that could not be used up at once: an incomplete head or body, or requests that wait for
 * the answer before them.  It grows with what has come, and when it is empty it owns nothing.
 *
 * Threads: the wire's.  Memory is counted in *held_bytes.
 */
typedef struct {
    uint8_t *bytes; /* malloc */
    uint32_t at, end, cap;
} askr_input;

static inline askr_slice askr_input_bytes(const askr_input *in)
{
    return (askr_slice){in->bytes == NULL ? NULL : in->bytes + in->at, in->end - in->at};
}
/* Appends; ASKR_ESYS: no memory, nothing was changed. */
int askr_input_put(askr_input *in, const uint8_t *bytes, size_t n, uint64_t *held_bytes);
/* Lets the first n go. */
void askr_input_consume(askr_input *in, size_t n, uint64_t *held_bytes);
/* Takes over n bytes that malloc gave; the input is empty. */
void askr_input_adopt(askr_input *in, uint8_t *bytes, uint32_t n, uint64_t *held_bytes);
void askr_input_drop(askr_input *in, uint64_t *held_bytes);

#endif
