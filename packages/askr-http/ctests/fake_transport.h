#ifndef ASKR_FAKE_TRANSPORT_H
#define ASKR_FAKE_TRANSPORT_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "../../askr-shm/ctests/testing.h"
#include "askr_transport.h"

/*
 * A peer that takes what a test lets it: `piece` bytes per call and `room` bytes in all, and breaks at call `breaks_at`.
 * What it has taken is in `got`.
 */
typedef struct {
    askr_transport base;
    uint8_t *got;
    size_t len, cap;
    size_t piece, room;
    int calls, breaks_at; /* breaks_at 0: never */
    int file_calls, more_calls;
} fake_transport;

static inline fake_transport *fake_of(askr_transport *t)
{
    return (fake_transport *)(void *)t;
}

/* How many of n bytes are taken now, or an error. */
static inline int64_t fake_takes(fake_transport *f, size_t n)
{
    f->calls++;
    if (f->breaks_at != 0 && f->calls >= f->breaks_at) {
        errno = EPIPE;
        return ASKR_ESYS;
    }
    if (n > f->piece)
        n = f->piece;
    if (n > f->room)
        n = f->room;
    f->room -= n;
    return n > 0 ? (int64_t)n : ASKR_EAGAIN;
}

static inline uint8_t *fake_space(fake_transport *f, size_t n)
{
    if (f->len + n > f->cap) {
        f->cap = (f->len + n) * 2;
        f->got = realloc(f->got, f->cap + 1);
        CHECK(f->got != NULL);
    }
    f->len += n;
    f->got[f->len] = 0; /* so that a head in it can be looked at as text */
    return f->got + f->len - n;
}

static inline int64_t fake_send(askr_transport *t, const struct iovec *parts, int count, int is_more)
{
    fake_transport *f = fake_of(t);
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += parts[i].iov_len;
    int64_t n = fake_takes(f, total);
    f->more_calls += is_more != 0;
    size_t left = n > 0 ? (size_t)n : 0;
    for (int i = 0; left > 0; i++) {
        size_t part = parts[i].iov_len < left ? parts[i].iov_len : left;
        memcpy(fake_space(f, part), parts[i].iov_base, part);
        left -= part;
    }
    return n;
}

static inline int64_t fake_send_file(askr_transport *t, int fd, uint64_t *at, size_t n)
{
    fake_transport *f = fake_of(t);
    int64_t takes = fake_takes(f, n);
    f->file_calls++;
    if (takes <= 0)
        return takes;
    ssize_t got = pread(fd, fake_space(f, (size_t)takes), (size_t)takes, (off_t)*at);
    CHECK(got >= 0);
    f->len -= (size_t)takes - (size_t)got;
    f->got[f->len] = 0;
    *at += (uint64_t)got;
    return got;
}

static const askr_transport_ops fake_ops = {.send = fake_send, .send_file = fake_send_file};

static inline fake_transport fake_new(void)
{
    return (fake_transport){.base = {.ops = &fake_ops, .fd = -1}, .piece = SIZE_MAX, .room = SIZE_MAX};
}

static inline void fake_free(fake_transport *f)
{
    free(f->got);
    f->got = NULL;
    f->len = f->cap = 0;
}

/* ---- books that are the same before and after each test ---- */

static inline int open_descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    CHECK(folder != NULL);
    while (readdir(folder) != NULL)
        count++;
    (void)closedir(folder);
    return count;
}

static inline int entries_of(const char *path)
{
    int count = 0;
    DIR *folder = opendir(path);
    CHECK(folder != NULL);
    while (readdir(folder) != NULL)
        count++;
    (void)closedir(folder);
    return count - 2;
}

/* The byte at `at` of a stream that a test sends: two places of it are mixed up at a test's peril. */
static inline uint8_t stream_byte(uint64_t at)
{
    return (uint8_t)((at * 2654435761u) >> 13);
}

static inline void stream_fill(uint8_t *buf, uint64_t from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf[i] = stream_byte(from + i);
}

static inline void check_stream(const uint8_t *buf, uint64_t from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        CHECK_EQUAL(buf[i], stream_byte(from + i));
}

#endif
