#ifndef ASKR_PUT_H
#define ASKR_PUT_H

#include <stdint.h>
#include <string.h>

#include "askr_base.h"
#include "askr_slice.h"

/*
 * Appends to buf[0..cap).  Once something did not fit nothing more is written, so that only the end has to be looked at:
 * askr_put_end gives the bytes written, or ASKR_E2BIG.
 */
typedef struct {
    uint8_t *buf;
    size_t at, cap;
    int is_full;
} askr_put;

static inline askr_put askr_put_in(uint8_t *buf, size_t cap)
{
    return (askr_put){buf, 0, cap, 0};
}

static inline int64_t askr_put_end(const askr_put *p)
{
    return p->is_full ? ASKR_E2BIG : (int64_t)p->at;
}

static inline void askr_put_bytes(askr_put *p, const void *bytes, size_t n)
{
    if (p->is_full || n > p->cap - p->at) {
        p->is_full = 1;
        return;
    }
    if (n > 0) /* an empty slice may point nowhere, which memcpy must not be given */
        memcpy(p->buf + p->at, bytes, n);
    p->at += n;
}

#define askr_put_text(p, literal) askr_put_bytes(p, literal, sizeof(literal) - 1)

static inline void askr_put_slice(askr_put *p, askr_slice s)
{
    askr_put_bytes(p, s.at, s.len);
}

static inline void askr_put_number(askr_put *p, uint64_t n)
{
    uint8_t digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (uint8_t)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    askr_put_bytes(p, digits + at, sizeof digits - at);
}

#endif
