#include "askr_mailbox.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/*
 * A ring with one writer and one reader: positions count from 0 and do not wrap in practice.
 *
 * [order-mailbox-1] The writer fills a cell and stores `tail` (release); the reader loads `tail` (acquire) before it reads the cell.  The
 * same the other way round for `head` and the reuse of cells.
 *
 * [order-mailbox-2] `is_rung` is 1 from the moment that the bell is about to be rung until the reader looks.  Writer: store tail, then exchange
 * is_rung with 1; it rings when that was 0.  Reader: empty the eventfd, store 0 in is_rung, then load tail.  All of these are seq_cst: if the
 * writer's exchange finds 1, it comes before the reader's store of 0, and so the reader's load of tail after it sees the record.
 * A reader that finds the eventfd empty has come between the writer's exchange and its ring: it leaves is_rung at 1, because the ring is
 * still to come and has to be taken then (else the eventfd would stay readable, and a loop that waits for it would spin).
 */
struct askr_mailbox {
    uint8_t *cells;
    uint64_t mask;
    uint32_t item_bytes;
    int fd;
    uint8_t pad0[ASKR_CACHE_LINE - 24];
    _Atomic uint64_t tail;
    uint8_t pad1[ASKR_CACHE_LINE - 8];
    _Atomic uint64_t head;
    uint8_t pad2[ASKR_CACHE_LINE - 8];
    _Atomic uint32_t is_rung;
};

int askr_mailbox_create(uint32_t capacity, uint32_t item_bytes, askr_mailbox **out)
{
    uint64_t cells = 1;
    if (capacity == 0 || capacity > 1u << 24 || item_bytes == 0 || item_bytes > 4096)
        return ASKR_EINVAL;
    while (cells < capacity)
        cells *= 2;
    askr_mailbox *m = calloc(1, sizeof *m);
    if (m == NULL)
        return ASKR_ESYS;
    m->mask = cells - 1;
    m->item_bytes = item_bytes;
    m->cells = calloc(cells, item_bytes);
    m->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (m->cells == NULL || m->fd < 0) {
        askr_mailbox_destroy(m);
        return ASKR_ESYS;
    }
    *out = m;
    return ASKR_OK;
}

void askr_mailbox_destroy(askr_mailbox *m)
{
    if (m == NULL)
        return;
    if (m->fd >= 0)
        (void)close(m->fd);
    free(m->cells);
    free(m);
}

int askr_mailbox_fd(const askr_mailbox *m)
{
    return m->fd;
}

int askr_mailbox_is_full(const askr_mailbox *m)
{
    uint64_t tail = atomic_load_explicit(&m->tail, memory_order_relaxed);
    return tail - atomic_load_explicit(&m->head, memory_order_acquire) > m->mask; /* [order-mailbox-1] */
}

int askr_mailbox_put(askr_mailbox *m, const void *item)
{
    uint64_t tail = atomic_load_explicit(&m->tail, memory_order_relaxed);
    if (askr_mailbox_is_full(m))
        return ASKR_EFULL;
    memcpy(m->cells + (tail & m->mask) * m->item_bytes, item, m->item_bytes);
    atomic_store_explicit(&m->tail, tail + 1, memory_order_seq_cst); /* [order-mailbox-2] */
    return ASKR_OK;
}

void askr_mailbox_ring(askr_mailbox *m)
{
    const uint64_t one = 1;
    if (atomic_exchange_explicit(&m->is_rung, 1, memory_order_seq_cst) == 0) {
        ssize_t written = write(m->fd, &one, sizeof one); /* it can only fail when 2^64 - 2 are in it */
        (void)written;
    }
}

uint32_t askr_mailbox_take(askr_mailbox *m, void *items, uint32_t cap)
{
    uint64_t rings, tail, head = atomic_load_explicit(&m->head, memory_order_relaxed);
    uint32_t n = 0;
    if (atomic_load_explicit(&m->is_rung, memory_order_seq_cst) != 0) { /* [order-mailbox-2] */
        if (read(m->fd, &rings, sizeof rings) == (ssize_t)sizeof rings)
            atomic_store_explicit(&m->is_rung, 0, memory_order_seq_cst);
    }
    tail = atomic_load_explicit(&m->tail, memory_order_seq_cst);
    for (; n < cap && head != tail; n++, head++)
        memcpy((uint8_t *)items + (size_t)n * m->item_bytes, m->cells + (head & m->mask) * m->item_bytes,
               m->item_bytes);
    atomic_store_explicit(&m->head, head, memory_order_release); /* [order-mailbox-1] */
    return n;
}
