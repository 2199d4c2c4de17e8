#include "askr_ready.h"

void askr_ready_put(askr_ready *r, askr_connection *c)
{
    if (c->is_ready)
        return;
    c->is_ready = 1;
    c->ready_next = NULL;
    c->ready_before = r->last;
    if (r->last != NULL)
        r->last->ready_next = c;
    else
        r->first = c;
    r->last = c;
}

void askr_ready_remove(askr_ready *r, askr_connection *c)
{
    if (!c->is_ready)
        return;
    c->is_ready = 0;
    if (c->ready_before != NULL)
        c->ready_before->ready_next = c->ready_next;
    else
        r->first = c->ready_next;
    if (c->ready_next != NULL)
        c->ready_next->ready_before = c->ready_before;
    else
        r->last = c->ready_before;
}

askr_connection *askr_ready_take(askr_ready *r)
{
    askr_connection *c = r->first;
    if (c != NULL)
        askr_ready_remove(r, c);
    return c;
}
