#include "askr_wake.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* errno is put back everywhere: a wake-up may happen between a caller's failed call and its look at errno. */

int askr_futex_wait(_Atomic uint32_t *word, uint32_t seen, int64_t timeout_ns)
{
    struct timespec bound;
    struct timespec *at_most = NULL;
    int saved = errno;
    if (timeout_ns >= 0) {
        bound.tv_sec = (time_t)(timeout_ns / 1000000000);
        bound.tv_nsec = (long)(timeout_ns % 1000000000);
        at_most = &bound;
    }
    /* not FUTEX_PRIVATE_FLAG: the word is shared between processes */
    long rc = syscall(SYS_futex, word, FUTEX_WAIT, seen, at_most, NULL, 0);
    int is_changed = rc == 0 || errno == EAGAIN;
    errno = saved;
    return is_changed ? ASKR_OK : ASKR_EAGAIN;
}

void askr_futex_wake(_Atomic uint32_t *word, uint32_t sleepers)
{
    int saved = errno;
    (void)syscall(SYS_futex, word, FUTEX_WAKE, sleepers > INT_MAX ? INT_MAX : (int)sleepers, NULL, NULL, 0);
    errno = saved;
}

void askr_eventfd_write(int fd)
{
    uint64_t one = 1;
    int saved = errno;
    /* It can only fail when the counter is at its end, and then the front is awake anyway. */
    while (fd >= 0 && write(fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
    errno = saved;
}

void askr_eventfd_clear(int fd)
{
    uint64_t count;
    int saved = errno;
    /* The descriptor does not block: that there is nothing to read is an answer, too. */
    while (fd >= 0 && read(fd, &count, sizeof count) < 0 && errno == EINTR) {
    }
    errno = saved;
}

uint64_t askr_mono_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
