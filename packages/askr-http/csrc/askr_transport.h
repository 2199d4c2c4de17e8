#ifndef ASKR_TRANSPORT_H
#define ASKR_TRANSPORT_H

#include <sys/uio.h>

#include "askr_base.h"

/*
 * What carries a connection's bytes (ADR 7).  HTTP/1 and the exchanges above see these functions only, so that TLS comes in beside plain
 * TCP as one more table, and HTTP/2 above either.  Nothing here ever waits.
 *
 * receive    bytes read, 0 at the end of the stream, ASKR_EAGAIN: nothing now, ASKR_ESYS: broken
 * send       bytes taken (fewer than given: it is full now), ASKR_EAGAIN, ASKR_ESYS; is_more: further bytes follow at once
 * send_file  as send, from file `fd` at *at, which moves; 0: the file ended early
 * finish     no more will be sent (FIN, or close_notify and FIN)
 * close      lets everything go; is_reset: so that the peer cannot take it for a clean end
 */
typedef struct askr_transport askr_transport;

typedef struct {
    int64_t (*receive)(askr_transport *t, uint8_t *buf, size_t cap);
    int64_t (*send)(askr_transport *t, const struct iovec *parts, int count, int is_more);
    int64_t (*send_file)(askr_transport *t, int fd, uint64_t *at, size_t n);
    int (*finish)(askr_transport *t);
    void (*close)(askr_transport *t, int is_reset);
} askr_transport_ops;

struct askr_transport {
    const askr_transport_ops *ops;
    int fd; /* -1: closed or given away */
};

/* Plain TCP over a socket that does not block. */
extern const askr_transport_ops askr_tcp_ops;

#endif
