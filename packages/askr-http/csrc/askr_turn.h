#ifndef ASKR_TURN_H
#define ASKR_TURN_H

#include "askr_wire_parts.h"

/*
 * Private to askr_connection.c, askr_respond.c, askr_label.c and askr_handover.c: the steps of a connection's turn.
 *
 * A turn: the bytes not used up are w->view, answers gather in w->batch.  Each step does what its phase can do now and says how to go on;
 * whoever ends the turn has sent the batch before.
 */
typedef enum {
    ASKR_GO_ON = 0, /* with the step of the phase, which may be another one now */
    ASKR_WAIT,      /* for an edge, news or the timer */
    ASKR_LATER,     /* the share of the turn is used up */
    ASKR_GONE       /* the connection does not exist any more */
} askr_course;

/* Deadlines are moved often: the timer is touched only where it would fire too late. */
void askr_connection_set_deadline(askr_wire *w, askr_connection *c, uint64_t after_ns);

/* The first n bytes of the view are used up; they, and slices of them, are gone. */
void askr_view_consume(askr_wire *w, askr_connection *c, size_t n);

/* Sends the batch.  ASKR_WAIT: everything is sent; else another phase has begun (SEND), or the connection is gone. */
askr_course askr_batch_send(askr_wire *w, askr_connection *c);

/* w->request is complete in the view, and its body if PHP wants it: answer it, or find out who does. */
askr_course askr_respond(askr_wire *w, askr_connection *c);
/* Answers what is no request, or one whose rest is not waited for; the connection ends. */
askr_course askr_refuse(askr_wire *w, askr_connection *c, uint32_t answer, askr_slice method, askr_slice path);
/* A call came to nothing before anything was sent. */
askr_course askr_respond_refused(askr_wire *w, askr_connection *c, uint32_t answer);
/* The answer is in the output: what follows when that is sent. */
askr_course askr_answered(askr_wire *w, askr_connection *c);

/* Everything is sent, and no request will follow: close so that the answer reaches the client. */
askr_course askr_connection_end(askr_wire *w, askr_connection *c);

/* Method and path for the log of a request that lasts. */
void askr_label_keep(askr_wire *w, askr_connection *c, askr_slice method, askr_slice path);
/* It is not accounted for here. */
void askr_label_drop(askr_wire *w, askr_connection *c);
/* The request under way has ended, or is given up with unsent_bytes of its body. */
void askr_label_account(askr_wire *w, askr_connection *c, uint64_t unsent_bytes);

/* The connection leaves to Python. */
askr_course askr_hand_over(askr_wire *w, askr_connection *c);

#endif
