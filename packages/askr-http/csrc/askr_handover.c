#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "askr_turn.h"

/* Leaving to Python and coming back: the slot stays, so that caps and the drain count the connection. */

askr_course askr_hand_over(askr_wire *w, askr_connection *c)
{
    askr_course course = askr_batch_send(w, c); /* answers come in the order of the requests */
    if (course != ASKR_WAIT)
        return course;
    uint8_t *bytes = malloc(w->view.len > 0 ? w->view.len : 1);
    if (bytes == NULL || askr_mailbox_is_full(w->events)) {
        free(bytes);
        return askr_refuse(w, c, ASKR_ANSWER_BUSY, (askr_slice){(const uint8_t *)"-", 1},
                           (askr_slice){(const uint8_t *)"-", 1});
    }
    if (w->view.len > 0)
        memcpy(bytes, w->view.at, w->view.len);
    (void)epoll_ctl(w->epoll, EPOLL_CTL_DEL, c->transport.fd, NULL);
    const askr_event event = {.kind = ASKR_EVENT_CONNECTION,
                              .fd = c->transport.fd,
                              .connection = c->number,
                              .bytes = bytes,
                              .len = (uint32_t)w->view.len,
                              .is_timed = 1,
                              .since_mono_ns = c->is_head_timed ? c->since_mono_ns : w->clock.now_mono_ns};
    (void)askr_mailbox_put(w->events, &event);
    askr_view_consume(w, c, w->view.len);
    askr_label_drop(w, c);
    askr_wheel_clear(&w->wheel, &c->timer);
    c->transport.fd = -1;
    c->deadline_mono_ns = 0;
    c->need_bytes = 0;
    c->phase = ASKR_PHASE_AWAY;
    w->away++;
    w->rings = 1;
    askr_tally_add(&w->tally.handed_over, 1);
    return ASKR_WAIT;
}

static askr_connection *find_away(askr_wire *w, uint64_t number)
{
    askr_connection *c = askr_slots_find(w->connections, number);
    if (c == NULL || c->phase != ASKR_PHASE_AWAY)
        return NULL;
    w->away--;
    c->phase = ASKR_PHASE_HEAD;
    return c;
}

void askr_connection_left(askr_wire *w, uint64_t number)
{
    askr_connection *c = find_away(w, number);
    if (c != NULL)
        askr_connection_cut(w, c, 0);
}

void askr_connection_return(askr_wire *w, uint64_t number, int fd, uint8_t *bytes, uint32_t len)
{
    askr_connection *c = find_away(w, number);
    struct epoll_event registration = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u64 = number};
    if (c == NULL) {
        (void)close(fd);
        free(bytes);
        return;
    }
    c->transport.fd = fd;
    c->scanned = 0;
    c->is_head_timed = 0;
    c->is_readable = c->has_fin = c->has_eof = c->is_broken = 0; /* registering tells them again */
    if (len > 0)
        askr_input_adopt(&c->in, bytes, len, &w->held_bytes);
    else
        free(bytes);
    if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &registration) != 0)
        askr_connection_cut(w, c, 0);
    else
        askr_connection_run(w, c);
}
