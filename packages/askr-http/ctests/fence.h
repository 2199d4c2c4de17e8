#ifndef ASKR_FENCE_H
#define ASKR_FENCE_H

#include "../../askr-shm/ctests/testing.h"

/* Memory between two pages that cannot be touched: a read before the first or behind the last byte of an input ends the test. */
typedef struct {
    uint8_t *body;
    size_t size, page;
} fence;

static inline fence fence_new(size_t least)
{
    fence f = {.page = (size_t)sysconf(_SC_PAGESIZE)};
    uint8_t *mapping;
    f.size = (least + f.page - 1) / f.page * f.page;
    mapping = mmap(NULL, f.size + 2 * f.page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mapping != MAP_FAILED);
    f.body = mapping + f.page;
    CHECK_EQUAL(mprotect(f.body, f.size, PROT_READ | PROT_WRITE), 0);
    return f;
}

static inline void fence_free(fence f)
{
    (void)munmap(f.body - f.page, f.size + 2 * f.page);
}

/* A copy of the bytes that begins behind the first page (side 0) or ends before the last (side 1). */
static inline uint8_t *fence_copy(fence f, int side, const void *bytes, size_t n)
{
    uint8_t *at = side ? f.body + f.size - n : f.body;
    CHECK(n <= f.size);
    if (n > 0)
        memcpy(at, bytes, n);
    return at;
}

#endif
