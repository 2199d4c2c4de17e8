#ifndef ASKR_WIRE_H
#define ASKR_WIRE_H

#include "askr_answers.h"
#include "askr_base.h"
#include "askr_site.h"

/* cffi:begin */
/*
 * The native wire: connections, HTTP/1 and the hot paths of one front, on a thread of its own that never touches Python.
 *
 *     create ─▶ (answer rows, media types) ─▶ start ─▶ [events, give_back ...] ─▶ drain ─▶ stop ─▶ log ─▶ destroy
 *
 * What needs policy leaves the wire as an event that carries the connection itself: a descriptor with plain bytes and what was read from
 * it already.  The event loop's thread runs the pure wire on it and gives the connection back between two requests (ADR 7).
 *
 * Threads: all functions are for one thread, the event loop's, but for what the wire's own thread does inside.  None of them waits, but for
 *          stop, which joins.
 */
typedef struct askr_wire askr_wire;

typedef struct {
    /* Texts and lists are copied by create, which also duplicates the listeners: the caller may close his. */
    askr_site_config site;
    int https;             /* SCHEME for PHP */
    const char *spool_dir; /* for responses that are read slowly */
    const int *listener_fds;
    uint32_t listener_count;
    /* The pool's descriptors stay the caller's, and open until destroy. */
    int pool_fd;
    uint32_t front; /* this wire's number in the pool */
    int front_eventfd;
    int spool_fd;
    int wants_access_log;
    /* limits: bytes, counts, nanoseconds; askr_http.limits says what each is for */
    uint32_t head_bytes; /* of a head that the codec reads; a longer one is Python's */
    uint32_t target_bytes;
    uint64_t body_bytes;
    uint64_t body_memory_bytes; /* a larger body is Python's */
    uint64_t response_memory_bytes;
    uint64_t buffer_bytes; /* of all connections together; beyond it none is accepted, and bodies under way are 503 */
    uint32_t connections;
    uint32_t connections_per_address; /* 0: no limit */
    uint64_t header_read_timeout_ns;
    uint64_t keepalive_timeout_ns;
    uint64_t body_read_timeout_ns;
    uint64_t write_timeout_ns;
    uint64_t linger_timeout_ns;
    uint64_t queue_timeout_ns;
} askr_wire_config;

/* ASKR_OK; ASKR_ESYS: errno, and *what (static text) names the step that failed. */
int askr_wire_create(const askr_wire_config *config, askr_wire **out, const char **what);
int askr_wire_set_answer(askr_wire *w, uint32_t id, const askr_answer *row);
int askr_wire_add_type(askr_wire *w, askr_slice extension, askr_slice content_type, int is_compressible);
int askr_wire_set_default_type(askr_wire *w, askr_slice content_type);
/* Starts the thread.  ASKR_EINVAL: an answer row is missing. */
int askr_wire_start(askr_wire *w);

typedef enum {
    ASKR_EVENT_CONNECTION = 1, /* a connection whose next request is Python's */
    ASKR_EVENT_DRAINED = 2     /* after drain: no connection is left, handed over or not */
} askr_event_kind;

typedef struct {
    uint32_t kind;
    int32_t fd;           /* CONNECTION: now the receiver's */
    uint64_t connection;  /* its number: to be named in give_back or closed, exactly once */
    const uint8_t *bytes; /* read from it and not consumed; askr_wire_free lets them go */
    uint32_t len;
    uint32_t is_timed;      /* a head is arriving: its deadline is head_since_mono_ns + header_read_timeout */
    uint64_t since_mono_ns; /* when its first byte came */
} askr_event;

/* Readable when there are events or lines of the access log, or when accept_pauses or spool_failures has grown. */
int askr_wire_eventfd(const askr_wire *w);
/* Takes up to cap events; how many.  Fewer than cap: none are left, and the eventfd tells of the next ones. */
int askr_wire_events(askr_wire *w, askr_event *out, uint32_t cap);
void askr_wire_free(const uint8_t *bytes);
/*
 * The wire goes on with the connection between two requests: `fd`, which does not block and is the wire's from now on, and bytes read
 * ahead, which are copied.  ASKR_ESYS: no memory, ASKR_EINVAL: fd below 0; then it is still the caller's, who closes it and says so.
 */
int askr_wire_give_back(askr_wire *w, uint64_t connection, int fd, const uint8_t *bytes, uint32_t len);
/* The receiver has closed it. */
int askr_wire_closed(askr_wire *w, uint64_t connection);
/* Complete lines of the access log, into 64 KiB or more; bytes copied, 0: none now.  After stop it gives what is left. */
int64_t askr_wire_log(askr_wire *w, uint8_t *buf, size_t cap);

/* One row per counter: name, sentence.  The wire's thread is the only writer. */
typedef struct {
    uint64_t accepted;       /* connections accepted */
    uint64_t turned_away;    /* connections answered with 503 because there were too many, in all or from one address */
    uint64_t open;           /* connections open now, handed over ones included */
    uint64_t away;           /* of them, handed over to Python now */
    uint64_t handed_over;    /* hand-overs so far */
    uint64_t requests;       /* answered by the wire itself */
    uint64_t responses[6];   /* by class: [0] none (the client left), 1xx .. 5xx */
    uint64_t body_bytes;     /* of their bodies, given to the transport */
    uint64_t timeouts;       /* connections closed or cut by a deadline */
    uint64_t accept_pauses;  /* times that accepting was paused (no descriptors, no memory) */
    uint64_t held_bytes;     /* memory in buffers of connections now */
    uint64_t log_dropped;    /* lines of the access log that found no room */
    uint64_t turns;          /* returns of epoll_wait: 0 per second when idle */
    uint64_t spool_failures; /* responses that the disk did not take: their workers wait for their readers */
} askr_wire_counters;
void askr_wire_counters_get(const askr_wire *w, askr_wire_counters *out);

/* Accept no more, close what is idle, end keep-alive.  DRAINED follows. */
void askr_wire_drain(askr_wire *w);
/* Cuts what is left, ends the thread and joins it; returns how many connections were cut.  Events that nobody took are let go. */
uint32_t askr_wire_stop(askr_wire *w);
void askr_wire_destroy(askr_wire *w);
/* cffi:end */

#endif
