#ifndef ASKR_READY_H
#define ASKR_READY_H

#include "askr_connection.h"

/* Connections that could go on and have had their share of the turn, in the order in which they will. */
typedef struct {
    askr_connection *first, *last;
} askr_ready;

void askr_ready_put(askr_ready *r, askr_connection *c); /* to the end, if it is not there yet */
void askr_ready_remove(askr_ready *r, askr_connection *c);
askr_connection *askr_ready_take(askr_ready *r);

#endif
