/*
 * The floor over io_uring, twice: with one operation for each receive, and with everything that was added since for servers (multishot
 * accept and receive, a ring of buffers, descriptors that only the ring knows, no completion for a send that succeeded).
 * Both have the flags for one thread that waits for its own completions.
 */
#include "floor.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ENTRIES      4096
#define FILES        16384 /* connections at once */
#define BUFFERS      1024  /* of the buffer ring: a power of two */
#define BUFFER_GROUP 1

enum { ACCEPT = 1, RECEIVE = 2, SEND = 3, CLOSE = 4 };

static uint64_t tag(uint64_t operation, int fd)
{
    return operation << 32 | (uint32_t)fd;
}

static int ring_open(struct io_uring *ring)
{
    struct io_uring_params params = {
        .flags =
            IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_CQSIZE,
        .cq_entries = 4 * ENTRIES,
    };
    int code = io_uring_queue_init_params(ENTRIES, ring, &params);
    if (code == 0)
        code = io_uring_register_ring_fd(ring) < 0 ? -EINVAL : 0;
    if (code < 0)
        errno = -code;
    return code;
}

static struct io_uring_sqe *entry(struct io_uring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    while (sqe == NULL) { /* full: hand over what there is */
        io_uring_submit(ring);
        sqe = io_uring_get_sqe(ring);
    }
    return sqe;
}

/* --- one operation for each receive --------------------------------------------------------------------------------------------- */

static void receive(struct io_uring *ring, uint8_t *buffers, int fd)
{
    struct io_uring_sqe *sqe = entry(ring);
    io_uring_prep_recv(sqe, fd, buffers + (size_t)fd * FLOOR_RECEIVE_BYTES, FLOOR_RECEIVE_BYTES, 0);
    io_uring_sqe_set_data64(sqe, tag(RECEIVE, fd));
}

static void accept_again(struct io_uring *ring, const floor_plan *plan)
{
    struct io_uring_sqe *sqe = entry(ring);
    io_uring_prep_multishot_accept(sqe, plan->listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, tag(ACCEPT, plan->listener));
}

static void complete(struct io_uring *ring, const floor_plan *plan, uint8_t *buffers, const struct io_uring_cqe *cqe)
{
    uint64_t operation = cqe->user_data >> 32;
    int fd = (int)(uint32_t)cqe->user_data;
    if (operation == ACCEPT) {
        if (cqe->res >= FILES) {
            close(cqe->res);
        } else if (cqe->res >= 0) {
            plan->counters->accepted++;
            receive(ring, buffers, cqe->res);
        }
        if (!(cqe->flags & IORING_CQE_F_MORE))
            accept_again(ring, plan);
        return;
    }
    if (operation != RECEIVE)
        return; /* a send that failed: the receive after it will find the same */
    if (cqe->res <= 0) {
        close(fd);
        return;
    }
    if (floor_is_request(buffers + (size_t)fd * FLOOR_RECEIVE_BYTES, (size_t)cqe->res)) {
        struct io_uring_sqe *sqe = entry(ring);
        plan->counters->requests++;
        io_uring_prep_send(sqe, fd, plan->answer, plan->answer_len, MSG_NOSIGNAL);
        io_uring_sqe_set_data64(sqe, tag(SEND, fd));
        io_uring_sqe_set_flags(sqe, IOSQE_CQE_SKIP_SUCCESS);
    }
    receive(ring, buffers, fd);
}

void floor_uring(const floor_plan *plan)
{
    struct io_uring ring;
    uint8_t *buffers = mmap(NULL, (size_t)FILES * FLOOR_RECEIVE_BYTES, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (buffers == MAP_FAILED || ring_open(&ring) < 0)
        return;
    accept_again(&ring, plan);
    for (;;) {
        struct io_uring_cqe *cqe;
        unsigned head, count = 0;
        int code = io_uring_submit_and_wait(&ring, 1);
        if (code < 0 && code != -EINTR) {
            errno = -code;
            return;
        }
        plan->counters->turns++;
        io_uring_for_each_cqe(&ring, head, cqe)
        {
            complete(&ring, plan, buffers, cqe);
            count++;
        }
        io_uring_cq_advance(&ring, count);
    }
}

/* --- multishot ------------------------------------------------------------------------------------------------------------------ */

typedef struct {
    struct io_uring ring;
    struct io_uring_buf_ring *free;
    uint8_t *buffers;
} multishot;

static int buffers_open(multishot *m)
{
    size_t ring_bytes = BUFFERS * sizeof(struct io_uring_buf);
    size_t bytes = ring_bytes + (size_t)BUFFERS * FLOOR_RECEIVE_BYTES;
    uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -1;
    m->free = (struct io_uring_buf_ring *)(void *)memory;
    m->buffers = memory + ring_bytes;
    struct io_uring_buf_reg about = {
        .ring_addr = (uint64_t)(uintptr_t)memory, .ring_entries = BUFFERS, .bgid = BUFFER_GROUP};
    int code = io_uring_register_buf_ring(&m->ring, &about, 0);
    if (code < 0) {
        errno = -code;
        return -1;
    }
    io_uring_buf_ring_init(m->free);
    for (unsigned short i = 0; i < BUFFERS; i++)
        io_uring_buf_ring_add(m->free, m->buffers + (size_t)i * FLOOR_RECEIVE_BYTES, FLOOR_RECEIVE_BYTES, i,
                              io_uring_buf_ring_mask(BUFFERS), i);
    io_uring_buf_ring_advance(m->free, BUFFERS);
    return 0;
}

static void multishot_accept(multishot *m, const floor_plan *plan)
{
    struct io_uring_sqe *sqe = entry(&m->ring);
    io_uring_prep_multishot_accept_direct(sqe, plan->listener, NULL, NULL, 0);
    io_uring_sqe_set_data64(sqe, tag(ACCEPT, plan->listener));
}

static void multishot_receive(multishot *m, int file)
{
    struct io_uring_sqe *sqe = entry(&m->ring);
    io_uring_prep_recv_multishot(sqe, file, NULL, 0, 0);
    sqe->buf_group = BUFFER_GROUP;
    io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT);
    io_uring_sqe_set_data64(sqe, tag(RECEIVE, file));
}

static void multishot_send(multishot *m, const floor_plan *plan, int file)
{
    struct io_uring_sqe *sqe = entry(&m->ring);
    plan->counters->requests++;
    io_uring_prep_send(sqe, file, plan->answer, plan->answer_len, MSG_NOSIGNAL);
    io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS);
    io_uring_sqe_set_data64(sqe, tag(SEND, file));
}

static void multishot_close(multishot *m, int file)
{
    struct io_uring_sqe *sqe = entry(&m->ring);
    io_uring_prep_close_direct(sqe, (unsigned)file);
    io_uring_sqe_set_flags(sqe, IOSQE_CQE_SKIP_SUCCESS);
    io_uring_sqe_set_data64(sqe, tag(CLOSE, file));
}

static void multishot_complete(multishot *m, const floor_plan *plan, const struct io_uring_cqe *cqe)
{
    uint64_t operation = cqe->user_data >> 32;
    int file = (int)(uint32_t)cqe->user_data;
    if (operation == ACCEPT) {
        if (cqe->res >= 0) {
            plan->counters->accepted++;
            multishot_receive(m, cqe->res);
        }
        if (!(cqe->flags & IORING_CQE_F_MORE))
            multishot_accept(m, plan);
        return;
    }
    if (operation != RECEIVE)
        return;
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        unsigned short id = (unsigned short)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        uint8_t *bytes = m->buffers + (size_t)id * FLOOR_RECEIVE_BYTES;
        if (cqe->res > 0 && floor_is_request(bytes, (size_t)cqe->res))
            multishot_send(m, plan, file);
        io_uring_buf_ring_add(m->free, bytes, FLOOR_RECEIVE_BYTES, id, io_uring_buf_ring_mask(BUFFERS), 0);
        io_uring_buf_ring_advance(m->free, 1);
    }
    if (cqe->res == 0 || (cqe->res < 0 && cqe->res != -ENOBUFS))
        multishot_close(m, file);
    else if (!(cqe->flags & IORING_CQE_F_MORE))
        multishot_receive(m, file);
}

void floor_uring_multishot(const floor_plan *plan)
{
    static multishot m;
    if (ring_open(&m.ring) < 0 || buffers_open(&m) < 0)
        return;
    int code = io_uring_register_files_sparse(&m.ring, FILES);
    if (code < 0) {
        errno = -code;
        return;
    }
    multishot_accept(&m, plan);
    for (;;) {
        struct io_uring_cqe *cqe;
        unsigned head, count = 0;
        code = io_uring_submit_and_wait(&m.ring, 1);
        if (code < 0 && code != -EINTR) {
            errno = -code;
            return;
        }
        plan->counters->turns++;
        io_uring_for_each_cqe(&m.ring, head, cqe)
        {
            multishot_complete(&m, plan, cqe);
            count++;
        }
        io_uring_cq_advance(&m.ring, count);
    }
}
