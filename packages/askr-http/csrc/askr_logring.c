#include "askr_logring.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/*
 * [order-logring-1] The writer copies a line and stores `tail` behind it (seq_cst, which is a release); the reader loads `tail` and then
 * copies, stores `head` (release), which the writer loads (acquire) before it writes there again.  tail is always the end of a line.
 *
 * [order-logring-2] The reader is told of the first line after it looked: reader: store 0 in is_told, then load tail; writer: store tail, then
 * exchange is_told with 1, and tell when that was 0.  All seq_cst: an exchange that finds 1 comes before the reader's store of 0, whose
 * load of tail then sees the line.
 */
struct askr_logring {
    uint8_t *bytes;
    uint64_t size;
    uint8_t pad0[ASKR_CACHE_LINE - 16];
    _Atomic uint64_t tail;
    uint8_t pad1[ASKR_CACHE_LINE - 8];
    _Atomic uint64_t head;
    uint8_t pad2[ASKR_CACHE_LINE - 8];
    _Atomic uint32_t is_told;
};

int askr_logring_create(uint32_t bytes, askr_logring **out)
{
    if (bytes < ASKR_LOG_LINE_BYTES || (bytes & (bytes - 1)) != 0)
        return ASKR_EINVAL;
    askr_logring *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ASKR_ESYS;
    r->size = bytes;
    r->bytes = malloc(bytes);
    if (r->bytes == NULL) {
        free(r);
        return ASKR_ESYS;
    }
    *out = r;
    return ASKR_OK;
}

void askr_logring_destroy(askr_logring *r)
{
    if (r == NULL)
        return;
    free(r->bytes);
    free(r);
}

int askr_logring_put(askr_logring *r, const uint8_t *line, size_t n)
{
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    uint64_t used = tail - atomic_load_explicit(&r->head, memory_order_acquire); /* [order-logring-1] */
    uint64_t at = tail & (r->size - 1), quarter = r->size / 4;
    size_t before_end = n < r->size - at ? n : (size_t)(r->size - at);
    if (n > ASKR_LOG_LINE_BYTES)
        return ASKR_E2BIG;
    if (n > r->size - used)
        return ASKR_EFULL;
    memcpy(r->bytes + at, line, before_end);
    memcpy(r->bytes, line + before_end, n - before_end);
    atomic_store_explicit(&r->tail, tail + n, memory_order_seq_cst); /* [order-logring-2] */
    int is_first = atomic_load_explicit(&r->is_told, memory_order_relaxed) == 0 &&
                   atomic_exchange_explicit(&r->is_told, 1, memory_order_seq_cst) == 0;
    return is_first || (used < quarter && used + n >= quarter);
}

int64_t askr_logring_take(askr_logring *r, uint8_t *buf, size_t cap)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    atomic_store_explicit(&r->is_told, 0, memory_order_seq_cst); /* [order-logring-2] */
    uint64_t ready = atomic_load_explicit(&r->tail, memory_order_seq_cst) - head;
    size_t n = ready < cap ? (size_t)ready : cap;
    uint64_t at = head & (r->size - 1);
    size_t before_end = n < r->size - at ? n : (size_t)(r->size - at);
    memcpy(buf, r->bytes + at, before_end);
    memcpy(buf + before_end, r->bytes, n - before_end);
    if (n < ready) /* the last line is not whole */
        while (n > 0 && buf[n - 1] != '\n')
            n--;
    if (n == 0)
        return ready == 0 ? 0 : ASKR_E2BIG;
    atomic_store_explicit(&r->head, head + n, memory_order_release); /* [order-logring-1] */
    return (int64_t)n;
}
