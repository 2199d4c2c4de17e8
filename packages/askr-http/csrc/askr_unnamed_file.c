#include "askr_unnamed_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int askr_unnamed_file_open(const char *directory)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)
        return askr_unnamed_file_open_by_name(directory);
    return ASKR_ESYS;
}

int askr_unnamed_file_open_by_name(const char *directory)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/askr-response-XXXXXX", directory);
    if (n < 0 || (size_t)n >= sizeof path) {
        errno = ENAMETOOLONG;
        return ASKR_ESYS;
    }
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return ASKR_ESYS;
    (void)unlink(path);
    return fd;
}

int askr_unnamed_file_write(int fd, uint64_t at, const uint8_t *buf, size_t n)
{
    while (n > 0) {
        ssize_t written = pwrite(fd, buf, n, (off_t)at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return ASKR_ESYS;
        buf += written;
        at += (uint64_t)written;
        n -= (size_t)written;
    }
    return ASKR_OK;
}

int64_t askr_unnamed_file_read(int fd, uint64_t at, uint8_t *buf, size_t n)
{
    for (;;) {
        ssize_t got = pread(fd, buf, n, (off_t)at);
        if (got > 0)
            return got;
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = EIO; /* shorter than what was written to it */
        return ASKR_ESYS;
    }
}

void askr_unnamed_file_forget(int fd, uint64_t from, uint64_t to)
{
    (void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(to - from));
}
