#ifndef ASKR_FUZZ_RANDOM_H
#define ASKR_FUZZ_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Numbers that look random and follow from the input, so that a finding is found again. */
static uint64_t random_state = 1;

static inline size_t random_below(size_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (size_t)((random_state >> 32) % n);
}

static inline void random_from(const uint8_t *data, size_t size)
{
    random_state = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++)
        random_state = (random_state ^ data[i]) * UINT64_C(0x100000001b3);
    random_state |= 1;
}

#endif
