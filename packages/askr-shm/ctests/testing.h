#ifndef ASKR_TESTING_H
#define ASKR_TESTING_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the C tests share.  A test that fails says where and ends; memory is then the sanitizer's to judge. */

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);                                    \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#define CHECK_EQUAL(got, wanted)                                                                                       \
    do {                                                                                                               \
        long long got_ = (long long)(got), wanted_ = (long long)(wanted);                                              \
        if (got_ != wanted_) {                                                                                         \
            fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #got, got_, wanted_);                 \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

typedef struct {
    uint8_t
        *mem; /* `size` bytes that end where the unreadable page begins, or up to 63 bytes before it for alignment */
    void *mapping;
    size_t mapped;
} guarded;

/* Zeroed shared memory whose end, rounded up to `align`, is a page that cannot be touched. */
static inline guarded guarded_new(size_t size, size_t align)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t aligned = (size + align - 1) / align * align;
    size_t body = (aligned + page - 1) / page * page;
    guarded g = {.mapped = body + page};
    g.mapping = mmap(NULL, g.mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(g.mapping != MAP_FAILED);
    CHECK_EQUAL(mprotect((uint8_t *)g.mapping + body, page, PROT_NONE), 0);
    g.mem = (uint8_t *)g.mapping + body - aligned;
    return g;
}

static inline void guarded_free(guarded g)
{
    (void)munmap(g.mapping, g.mapped);
}

/* Small, fast, the same on every machine. */
static inline uint32_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 32);
}

/* 1 when `pid` was killed or aborted, 0 when it ended with exit code 0; anything else fails the test. */
static inline int wait_is_dead(pid_t pid)
{
    int status;
    CHECK_EQUAL(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status)) {
        CHECK_EQUAL(WEXITSTATUS(status), 0);
        return 0;
    }
    return 1;
}

#endif
