#ifndef ASKR_LISTENER_H
#define ASKR_LISTENER_H

#include "askr_peer.h"
#include "askr_wheel.h"
#include "askr_wire.h"

/*
 * A listening socket: accepts a bounded number a turn; nothing that accept(2) says stops it.  When there are no descriptors or no
 * memory for a connection it looks away for a moment (the connections that wait would wake the loop for ever).
 */
typedef struct {
    int fd;           /* -1: closed */
    askr_timer timer; /* when it looks again */
    askr_peer server; /* the address that it is bound to */
    int is_any;       /* it is bound to none in particular */
    uint32_t index;
} askr_listener;

int askr_listener_open(askr_wire *w, askr_listener *l); /* into the wire's epoll; ASKR_ESYS */
void askr_listener_accept(askr_wire *w, askr_listener *l);
void askr_listener_on_timer(askr_wire *w, askr_listener *l);
void askr_listener_close(askr_wire *w, askr_listener *l);

#endif
