#ifndef ASKR_OUTPUT_H
#define ASKR_OUTPUT_H

#include "askr_base.h"
#include "askr_transport.h"

/*
 * What a connection has still to send: bytes in memory, and behind them bytes of a file, in order.  The file is one that a static answer
 * sends, or, for a response that is read more slowly than it comes, one without a name that takes what memory should not hold.
 * An empty output owns nothing, so an idle connection costs nothing.  What waits in a file costs no memory, so that slow readers, however
 * many, cost descriptors and disk.
 *
 * Threads: the wire's.  Memory is counted in *policy->held_bytes, which the wire bounds.
 */
typedef struct {
    size_t memory_bytes;   /* what one output keeps in memory; beyond it goes to the file */
    const char *directory; /* where the file is made */
    uint64_t *held_bytes;  /* what all outputs of the wire have allocated: each at most 1.5 * memory_bytes */
    uint64_t most_held;    /* from this sum on, bytes go to the file at once while that is possible; 0: no bound */
} askr_output_policy;

typedef struct {
    uint8_t *bytes;        /* malloc, NULL when there are none */
    uint32_t at, len, cap; /* the bytes that wait are bytes[at .. at + len) */
    int fd;                /* -1: no file */
    uint64_t file_at;      /* next byte to be sent */
    uint64_t file_left;    /* how many are to be sent */
    void (*done)(void *);  /* of a file that somebody lent: called when it is not needed any more; NULL: it is ours */
    void *done_arg;
    int is_spool; /* the file is the one without a name */
} askr_output;

#define ASKR_OUTPUT_SHARE 1 /* the turn's share is used up, there is more and it could be sent */

void askr_output_init(askr_output *o);
/* Bytes that are waiting. */
uint64_t askr_output_pending(const askr_output *o);
/* Appends all of buf, or nothing: ASKR_ESYS (errno: no memory, disk full; EBUSY: a lent file waits, and nothing goes behind it). */
int askr_output_put(askr_output *o, const askr_output_policy *p, const uint8_t *buf, size_t n);
/*
 * Sends buf at once as far as the transport takes it, and keeps the rest; bytes that wait already go first (where some wait in a file,
 * nothing is sent and buf goes behind them).  ASKR_OK, ASKR_ESYS: broken, or no room to keep the rest.
 */
int askr_output_send_or_put(askr_output *o, const askr_output_policy *p, askr_transport *t, const uint8_t *buf,
                            size_t n);
/*
 * The same for who can keep the rest himself: how many bytes of buf were sent or kept; fewer than n: there is no room now (disk full), and
 * then something waits in the output, so that its being sent is the moment to offer the rest again.  ASKR_ESYS: the transport is broken.
 */
int64_t askr_output_offer(askr_output *o, const askr_output_policy *p, askr_transport *t, const uint8_t *buf, size_t n);
/* Appends n bytes of a lent file from `at` on; only to an output without a file.  done NULL: the descriptor is ours now. */
void askr_output_put_file(askr_output *o, int fd, uint64_t at, uint64_t n, void (*done)(void *), void *arg);
/*
 * Sends up to `most` bytes.  ASKR_OK: nothing waits any more; ASKR_EAGAIN: the transport is full; ASKR_OUTPUT_SHARE; ASKR_ESYS: the connection is
 * broken, or the file ended early: cut it.
 */
int askr_output_send(askr_output *o, const askr_output_policy *p, askr_transport *t, size_t most);
/* Forgets everything. */
void askr_output_drop(askr_output *o, const askr_output_policy *p);

#endif
