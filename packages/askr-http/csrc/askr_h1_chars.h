#ifndef ASKR_H1_CHARS_H
#define ASKR_H1_CHARS_H

#include <stddef.h>
#include <stdint.h>

/* Which bytes may stand where in HTTP/1, as one table; and names without regard to case. */
enum {
    ASKR_TOKEN = 1,    /* RFC 9110 section 5.6.2 */
    ASKR_IN_PATH = 2,  /* visible, and neither the end of a path nor an escape */
    ASKR_IN_QUERY = 4, /* visible, and no fragment; RFC 3986 allows less, browsers send more */
    ASKR_IN_HOST = 8,  /* what askr_http.target takes in a name */
    ASKR_HEX = 16,
};

extern const uint8_t askr_h1_classes[256];

static inline int askr_is_a(uint8_t c, int class)
{
    return (askr_h1_classes[c] & class) != 0;
}

/* `lower` holds letters and `-` only: then no other byte that a field's name or value may hold is taken for one of them. */
static inline int askr_is_named(const uint8_t *at, size_t len, const char *lower)
{
    for (size_t i = 0; i < len; i++)
        if ((at[i] | 0x20) != lower[i])
            return 0;
    return 1;
}

#endif
