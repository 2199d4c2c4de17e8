#include "askr_output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "askr_unnamed_file.h"

/*
 * Order: memory, then the file.  While the file holds something, further bytes go behind it.  It is read and sent piece by piece, not with
 * sendfile: the socket would refer to the file's pages until the peer has acknowledged them, and a hole punched meanwhile clears pages
 * that share a large folio with it.  When all of it is sent the file is closed, so its pages are never written twice either.
 *
 * A lent file is not written to, so it goes by sendfile.
 */
#define LEAST_BYTES 4096u
#define MOST_BYTES  (UINT32_C(1) << 30) /* at, len and cap are 32 bits wide */
#define PIECE_BYTES 32768u         /* of the file without a name, on the stack (of 128 KiB where it is small: musl) */
#define HOLE_BYTES  (256u * 1024u) /* its holes are multiples of this: some µs each */

void askr_output_init(askr_output *o)
{
    *o = (askr_output){.fd = -1};
}

uint64_t askr_output_pending(const askr_output *o)
{
    return o->len + o->file_left;
}

static void free_memory(askr_output *o, const askr_output_policy *p)
{
    *p->held_bytes -= o->cap;
    free(o->bytes);
    o->bytes = NULL;
    o->at = o->len = o->cap = 0;
}

static void let_file_go(askr_output *o)
{
    void (*done)(void *) = o->done;
    void *arg = o->done_arg;
    int fd = o->fd;
    o->fd = -1;
    o->file_at = o->file_left = 0;
    o->done = NULL;
    o->done_arg = NULL;
    o->is_spool = 0;
    if (done != NULL)
        done(arg);
    else if (fd >= 0)
        (void)close(fd);
}

/* Moves what waits into memory of `cap` bytes. */
static int resize(askr_output *o, const askr_output_policy *p, uint32_t cap)
{
    uint8_t *bytes = malloc(cap);
    if (bytes == NULL)
        return ASKR_ESYS;
    if (o->len > 0)
        memcpy(bytes, o->bytes + o->at, o->len);
    free(o->bytes);
    *p->held_bytes += (uint64_t)cap - o->cap; /* modulo 2^64 */
    o->bytes = bytes;
    o->at = 0;
    o->cap = cap;
    return ASKR_OK;
}

/*
 * Makes room for n bytes behind those that wait.  Growth is by half of what is needed, and bytes are moved to the front only when a quarter
 * of the memory is free there: so each byte is moved a bounded number of times, and cap is at most 1.5 times what was ever needed.
 */
static int make_room(askr_output *o, const askr_output_policy *p, uint32_t n)
{
    uint32_t needed = o->len + n;
    if (o->at + needed <= o->cap && o->bytes != NULL)
        return ASKR_OK;
    if (needed <= o->cap && o->at >= o->cap / 4) {
        memmove(o->bytes, o->bytes + o->at, o->len);
        o->at = 0;
        return ASKR_OK;
    }
    uint32_t wanted = needed + needed / 2;
    return resize(o, p, wanted > LEAST_BYTES ? wanted : LEAST_BYTES);
}

static int put_in_memory(askr_output *o, const askr_output_policy *p, const uint8_t *buf, size_t n)
{
    int rc = make_room(o, p, (uint32_t)n);
    if (rc != ASKR_OK)
        return rc;
    memcpy(o->bytes + o->at + o->len, buf, n);
    o->len += (uint32_t)n;
    return ASKR_OK;
}

static int put_in_file(askr_output *o, const askr_output_policy *p, const uint8_t *buf, size_t n)
{
    int fd = o->fd >= 0 ? o->fd : askr_unnamed_file_open(p->directory);
    if (fd < 0)
        return ASKR_ESYS;
    int rc = askr_unnamed_file_write(fd, o->file_at + o->file_left, buf, n);
    if (rc == ASKR_OK) {
        o->fd = fd;
        o->is_spool = 1;
        o->file_left += n;
    } else if (o->fd < 0) {
        int saved = errno;
        (void)close(fd);
        errno = saved;
    }
    return rc;
}

/* How many further bytes memory may take. */
static size_t room_in_memory(const askr_output *o, const askr_output_policy *p)
{
    size_t most = p->memory_bytes < MOST_BYTES ? p->memory_bytes : MOST_BYTES;
    return o->file_left == 0 && o->len < most ? most - o->len : 0;
}

/* Whether memory is the better place for n bytes that it may take. */
static int is_for_memory(const askr_output *o, const askr_output_policy *p, size_t n)
{
    return p->most_held == 0 || *p->held_bytes < p->most_held || n <= o->cap - o->at - o->len; /* it is there already */
}

int askr_output_put(askr_output *o, const askr_output_policy *p, const uint8_t *buf, size_t n)
{
    if (n == 0)
        return ASKR_OK;
    if (o->fd >= 0 && !o->is_spool) {
        errno = EBUSY;
        return ASKR_ESYS;
    }
    size_t room = room_in_memory(o, p);
    if (n <= room && is_for_memory(o, p, n))
        return put_in_memory(o, p, buf, n);
    int rc = put_in_file(o, p, buf, n);
    return rc != ASKR_OK && n <= room ? put_in_memory(o, p, buf, n) : rc;
}

void askr_output_put_file(askr_output *o, int fd, uint64_t at, uint64_t n, void (*done)(void *), void *arg)
{
    o->fd = fd;
    o->file_at = at;
    o->file_left = n;
    o->done = done;
    o->done_arg = arg;
    o->is_spool = 0;
    if (n == 0)
        let_file_go(o);
}

/* n bytes of memory have been sent. */
static void consume(askr_output *o, const askr_output_policy *p, uint32_t n)
{
    o->at += n;
    o->len -= n;
    if (o->len == 0) {
        o->at = 0;
        if (o->cap > 0)
            free_memory(o, p);
    }
}

/* What is sent or kept of buf behind what waits in memory. */
static int64_t send_now(askr_output *o, const askr_output_policy *p, askr_transport *t, const uint8_t *buf, size_t n)
{
    struct iovec parts[2];
    int count = 0;
    uint32_t waiting = o->len;
    if (waiting > 0)
        parts[count++] = (struct iovec){.iov_base = o->bytes + o->at, .iov_len = waiting};
    parts[count++] = (struct iovec){.iov_base = (void *)(uintptr_t)buf, .iov_len = n};
    int64_t sent = t->ops->send(t, parts, count, 0);
    if (sent < 0)
        return sent == ASKR_EAGAIN ? 0 : sent;
    uint32_t of_memory = sent < waiting ? (uint32_t)sent : waiting;
    if (of_memory > 0)
        consume(o, p, of_memory);
    return sent - of_memory;
}

int64_t askr_output_offer(askr_output *o, const askr_output_policy *p, askr_transport *t, const uint8_t *buf, size_t n)
{
    int64_t sent = 0;
    if (n == 0)
        return 0;
    if (o->fd < 0) {
        sent = send_now(o, p, t, buf, n);
        if (sent < 0 || (size_t)sent == n)
            return sent;
    }
    const uint8_t *rest = buf + sent;
    size_t left = n - (size_t)sent;
    if (askr_output_put(o, p, rest, left) == ASKR_OK)
        return (int64_t)n;
    int saved = errno;
    size_t room = o->fd < 0 || o->is_spool ? room_in_memory(o, p) : 0;
    if (o->len == 0 && o->file_left == 0 && room == 0)
        room = LEAST_BYTES; /* something has to wait: see the header */
    size_t part = left < room ? left : room;
    if (part > 0 && put_in_memory(o, p, rest, part) == ASKR_OK)
        sent += (int64_t)part;
    errno = saved;
    return sent;
}

int askr_output_send_or_put(askr_output *o, const askr_output_policy *p, askr_transport *t, const uint8_t *buf,
                            size_t n)
{
    int64_t taken = askr_output_offer(o, p, t, buf, n);
    return taken >= 0 && (size_t)taken == n ? ASKR_OK : ASKR_ESYS;
}

static int64_t send_memory(askr_output *o, const askr_output_policy *p, askr_transport *t, size_t most)
{
    uint32_t n = o->len < most ? o->len : (uint32_t)most;
    const struct iovec part = {.iov_base = o->bytes + o->at, .iov_len = n};
    int is_more = o->file_left > 0 && n < most; /* the head of a file: in one segment with the file's first bytes */
    int64_t sent = t->ops->send(t, &part, 1, is_more);
    if (sent >= 0)
        consume(o, p, (uint32_t)sent);
    return sent >= 0 && sent < n ? ASKR_EAGAIN : sent;
}

static int64_t send_spool(askr_output *o, askr_transport *t, size_t most)
{
    uint8_t piece[PIECE_BYTES];
    size_t n = most < sizeof piece ? most : sizeof piece;
    if (n > o->file_left)
        n = (size_t)o->file_left;
    int64_t got = askr_unnamed_file_read(o->fd, o->file_at, piece, n);
    if (got < 0)
        return got;
    const struct iovec part = {.iov_base = piece, .iov_len = (size_t)got};
    int64_t sent = t->ops->send(t, &part, 1, o->file_left > (uint64_t)got && most > (size_t)got);
    if (sent < 0)
        return sent;
    uint64_t before = o->file_at / HOLE_BYTES * HOLE_BYTES;
    o->file_at += (uint64_t)sent;
    o->file_left -= (uint64_t)sent;
    uint64_t after = o->file_at / HOLE_BYTES * HOLE_BYTES;
    if (o->file_left == 0)
        let_file_go(o);
    else if (after > before)
        askr_unnamed_file_forget(o->fd, before, after);
    return sent < got ? ASKR_EAGAIN : sent;
}

static int64_t send_lent_file(askr_output *o, askr_transport *t, size_t most)
{
    size_t n = o->file_left < most ? (size_t)o->file_left : most;
    int64_t sent = t->ops->send_file(t, o->fd, &o->file_at, n);
    if (sent == 0) {
        errno = EIO; /* it is shorter than what was announced */
        return ASKR_ESYS;
    }
    if (sent > 0) {
        o->file_left -= (uint64_t)sent;
        if (o->file_left == 0)
            let_file_go(o);
    }
    return sent;
}

int askr_output_send(askr_output *o, const askr_output_policy *p, askr_transport *t, size_t most)
{
    while (o->len > 0 || o->file_left > 0) {
        if (most == 0)
            return ASKR_OUTPUT_SHARE;
        int64_t sent;
        if (o->len > 0)
            sent = send_memory(o, p, t, most);
        else
            sent = o->is_spool ? send_spool(o, t, most) : send_lent_file(o, t, most);
        if (sent < 0)
            return (int)sent;
        most -= (size_t)sent;
    }
    return ASKR_OK;
}

void askr_output_drop(askr_output *o, const askr_output_policy *p)
{
    if (o->cap > 0)
        free_memory(o, p);
    if (o->fd >= 0)
        let_file_go(o);
}
