#ifndef ASKR_ASCII_H
#define ASKR_ASCII_H

#include <stddef.h>
#include <stdint.h>

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

#endif
