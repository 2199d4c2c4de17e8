#ifndef ASKR_ASCII_H
#define ASKR_ASCII_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Text without regard to case, in ASCII only.  Not strcasecmp: that goes by the process's locale, and where the locale is Turkish `I` is no
 * capital of `i`, so that "x.PHTML.ORIG" would be another name than "x.phtml.orig".
 */
static inline uint8_t askr_ascii_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* `lower` is in lower case. */
static inline int askr_ascii_is(const uint8_t *at, size_t len, const char *lower)
{
    for (size_t i = 0; i < len; i++)
        if (lower[i] == '\0' || askr_ascii_lower(at[i]) != (uint8_t)lower[i])
            return 0;
    return lower[len] == '\0';
}

/* Whether two texts of one length are the same.  By words first: few bytes tell most texts apart, and those that a client made alike are long. */
static inline int askr_ascii_same(const uint8_t *a, const uint8_t *b, size_t len)
{
    const uint64_t but_case = UINT64_C(0xdfdfdfdfdfdfdfdf);
    size_t at = 0;
    for (; at + 8 <= len; at += 8) {
        uint64_t of_a, of_b;
        memcpy(&of_a, a + at, 8);
        memcpy(&of_b, b + at, 8);
        if (((of_a ^ of_b) & but_case) != 0)
            return 0;
    }
    for (at = 0; at < len; at++)
        if (askr_ascii_lower(a[at]) != askr_ascii_lower(b[at]))
            return 0;
    return 1;
}

#endif
