#ifndef FLOOR_H
#define FLOOR_H

/*
 * The floor: what a request costs when a server does nothing but receive it and send an answer that lies ready.
 *
 * Each process runs one loop.  A request is complete when the bytes that arrived end with an empty line, which is all that is looked at:
 * the load generator sends one request at a time over a connection, without a body.
 */
#include <stddef.h>
#include <stdint.h>

#define FLOOR_RECEIVE_BYTES 4096
#define FLOOR_EVENTS        256 /* of one turn; as many as the wire takes */

typedef enum {
    FLOOR_REUSEPORT, /* a listening socket for each process; the kernel chooses by the connection's addresses */
    FLOOR_SHARED,    /* one socket in every process's epoll: each connection wakes all that sleep */
    FLOOR_EXCLUSIVE  /* one socket with EPOLLEXCLUSIVE: each connection wakes one that sleeps */
} floor_way;

/* In memory that the processes share; each process writes its own only. */
typedef struct {
    uint64_t accepted;
    uint64_t requests;
    uint64_t turns;         /* returns from the wait */
    uint64_t empty_accepts; /* turns for the listener that found another process had been faster */
} floor_counters;

typedef struct {
    int listener;
    floor_way way;
    int accepts_many; /* all connections that wait in one turn, or one */
    int closes;       /* the connection after each answer */
    const uint8_t *answer;
    size_t answer_len;
    floor_counters *counters;
} floor_plan;

/* They return on an error only, with errno set. */
void floor_epoll(const floor_plan *plan);
void floor_uring(const floor_plan *plan);
void floor_uring_multishot(const floor_plan *plan);

static inline int floor_is_request(const uint8_t *bytes, size_t n)
{
    return n >= 4 && bytes[n - 4] == '\r' && bytes[n - 3] == '\n' && bytes[n - 2] == '\r' && bytes[n - 1] == '\n';
}

#endif
