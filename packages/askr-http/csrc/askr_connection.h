#ifndef ASKR_CONNECTION_H
#define ASKR_CONNECTION_H

#include "askr_calls.h"
#include "askr_input.h"
#include "askr_peer.h"
#include "askr_wheel.h"
#include "askr_wire.h"

/*
 * One connection of the native wire, from accept to close: the same phases, deadlines and answers as askr_http.front.connection.
 *
 *     HEAD ──complete, static or fixed──▶ answered ─▶ HEAD | SEND | LINGER
 *       │ ╲─────for PHP, body missing───▶ BODY ─▶ HEAD (the head is read again, with its body)
 *       │ ╲─────for PHP────────────────▶ CALL ─▶ HEAD | SEND | LINGER
 *       ╰───────what needs policy──────▶ AWAY ─▶ HEAD, when it is given back
 *
 *   HEAD    idle, or a request's head is arriving
 *   BODY    the head is complete, its body is arriving; both stay in `in`
 *   CALL    a worker has the request
 *   SEND    the answer is complete and not sent; nothing is read meanwhile
 *   LINGER  everything is sent, FIN too; what still comes is dropped, because closing with unread bytes would reset the connection and could
 *           take the answer with it
 *   AWAY    Python has the descriptor; the slot counts it
 *
 * The socket is registered once, edge-triggered; is_readable and so on remember the edges until the phase cares.
 * An idle connection owns its slot and nothing else.
 */
typedef enum {
    ASKR_PHASE_HEAD = 0,
    ASKR_PHASE_BODY,
    ASKR_PHASE_CALL,
    ASKR_PHASE_SEND,
    ASKR_PHASE_LINGER,
    ASKR_PHASE_AWAY
} askr_phase;

typedef struct askr_connection askr_connection;

struct askr_connection {
    askr_transport transport;
    uint64_t number;
    uint64_t deadline_mono_ns; /* 0: none; the timer may fire before and is then set again */
    uint64_t since_mono_ns;    /* HEAD: when the head's first byte came; then: when the head was complete */
    uint32_t scanned;          /* of the head, by the codec */
    uint32_t address;          /* entry of askr_addresses */
    uint64_t need_bytes;       /* BODY: head and body together */
    askr_input in;
    askr_connection *ready_next, *ready_before;
    uint8_t phase;
    uint8_t is_readable : 1;     /* the socket may have bytes */
    uint8_t is_writable : 1;     /* it has room again */
    uint8_t has_fin : 1;         /* the client sends no more than what the socket has */
    uint8_t has_eof : 1;         /* and that has been read */
    uint8_t is_broken : 1;       /* reset, or closed on both sides */
    uint8_t has_news : 1;        /* of its call */
    uint8_t is_ready : 1;        /* it is in the ready list */
    uint8_t is_head_timed : 1;   /* HEAD: the deadline is that of a head which is arriving */
    uint8_t is_request_read : 1; /* all of the last request's body was there */
    uint8_t is_under_way : 1;    /* a request that is not accounted for yet; its label is kept */
    uint8_t is_write_timed : 1;  /* CALL: the deadline is that of a slow reader */
    uint8_t has_server : 1;      /* `server` is its own */
    askr_timer timer;
    askr_writer writer;
    askr_output out;
    askr_call call;
    askr_peer client;
    const askr_peer
        *server; /* the listener's, or malloc when that is bound to no address in particular; NULL: not looked up */
    uint32_t listener;
    /* What the access log says of a request that lasts longer than the turn. */
    uint16_t method_len;
    uint32_t path_len;
    uint8_t *long_label; /* malloc, when `label` is too short */
    uint8_t label[48];
};

/* A socket that was accepted.  ASKR_EFULL, ASKR_ESYS: the caller has to close it. */
int askr_connection_open(askr_wire *w, int fd, uint32_t listener, const struct sockaddr_storage *client,
                         uint32_t address);
/* Edges of epoll. */
void askr_connection_on_edges(askr_wire *w, askr_connection *c, uint32_t events);
/* Goes on with it as far as its share of the turn goes. */
void askr_connection_run(askr_wire *w, askr_connection *c);
void askr_connection_on_timer(askr_wire *w, askr_connection *c);
/* Python gives it back, between two requests; takes over `fd` and `bytes`. */
void askr_connection_return(askr_wire *w, uint64_t number, int fd, uint8_t *bytes, uint32_t len);
/* Python has closed it. */
void askr_connection_left(askr_wire *w, uint64_t number);
/* Closes it if nothing is under way. */
void askr_connection_drain(askr_wire *w, askr_connection *c);
/* Cuts it, and lets its slot go. */
void askr_connection_cut(askr_wire *w, askr_connection *c, int is_reset);

#endif
