#ifndef ASKR_WIRE_PARTS_H
#define ASKR_WIRE_PARTS_H

#include <pthread.h>

#include "askr_addresses.h"
#include "askr_calls.h"
#include "askr_clock.h"
#include "askr_connection.h"
#include "askr_listener.h"
#include "askr_logring.h"
#include "askr_mailbox.h"
#include "askr_ready.h"
#include "askr_slots.h"
#include "askr_tally.h"

/*
 * Private to the wire: what its thread has.  What the event loop's thread touches after start is named in the second half.
 */

#define ASKR_RECEIVE_BYTES (64 * 1024)
#define ASKR_BATCH_BYTES   (96 * 1024) /* answers of one turn of one connection, sent together */
#define ASKR_HEAD_ROOM     (24 * 1024) /* room that a head needs at most: Location fields repeat a target */
#define ASKR_TURN_REQUESTS 16
#define ASKR_TURN_RECEIVED ASKR_RECEIVE_BYTES
#define ASKR_TURN_SENT     (256 * 1024) /* 256 of them in a turn keep the others waiting for 10 ms */

/* Python gives a connection back (fd >= 0), or has closed it. */
typedef struct {
    uint64_t connection;
    uint8_t *bytes; /* malloc */
    uint32_t len;
    int32_t fd;
} askr_command;

struct askr_wire {
    /* The turn, and the connection whose turn it is. */
    askr_clock clock;
    int epoll;
    int turn_events;  /* of epoll, in this turn */
    int is_news_left; /* of calls: more than a turn's share */
    int is_draining;
    int has_drained; /* DRAINED has been put */
    askr_slice view; /* bytes of the connection that are not used up: in `received`, or kept in its input */
    int is_view_kept;
    uint32_t turn_requests, turn_received;
    size_t batch_len;
    uint8_t *batch;    /* ASKR_BATCH_BYTES */
    uint8_t *received; /* ASKR_RECEIVE_BYTES */
    uint8_t *scratch;  /* of the calls */
    uint8_t *log_line; /* ASKR_LOG_LINE_BYTES */
    askr_request request;

    askr_codec_limits codec;
    askr_wire_config config; /* its pointers are ours */
    askr_output_policy output;
    askr_output_policy heads; /* of heads that a file follows: they stay in memory */
    uint64_t held_bytes;
    askr_slots *connections;
    askr_addresses *addresses; /* NULL: no limit per address */
    askr_ready ready;
    askr_wheel wheel;
    askr_site *site;
    askr_answers *answers;
    askr_pool *pool;
    askr_calls *calls;
    askr_listener *listeners;
    uint32_t away;
    uint64_t spool_failures;
    uint64_t wake_again_mono_ns; /* 0: nothing is queued that no worker takes */

    /* Between the threads. */
    askr_mailbox *events;   /* to Python */
    askr_mailbox *commands; /* from Python */
    askr_logring *log;      /* to Python; NULL: no access log */
    askr_tally tally;
    _Atomic uint32_t orders; /* ASKR_ORDER_*, and the bell of `commands` */
    uint32_t cut;            /* by stop; read after the join */
    int rings;               /* this turn Python is to be told */

    /* The event loop's thread. */
    pthread_t thread;
    int is_running;
};

enum { ASKR_ORDER_DRAIN = 1, ASKR_ORDER_STOP = 2 };

/* What epoll gives back for what is no connection; a connection's number is above. */
enum { ASKR_TOKEN_LISTENER = 0, ASKR_TOKEN_POOL = 1 << 16, ASKR_TOKEN_COMMANDS = 2 << 16 };

/* The thread: from start to stop. */
void *askr_loop_main(void *wire);

/* A request has been answered or given up: counters, and a line of the access log. */
void askr_account(askr_wire *w, const askr_connection *c, askr_slice method, askr_slice path, uint64_t unsent_bytes);

#endif
