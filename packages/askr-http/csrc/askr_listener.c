#include "askr_listener.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "askr_wire_parts.h"

/*
 * Mostly one connection waits, and an accept that finds none costs 3 us; so it is one a turn, and more only in turns that had much to tell.
 */
enum { AT_ONCE = 64, BUSY_TURN = 16 };
#define PAUSE_NS 200000000ull

/*
 * Level-triggered: what is not accepted in this turn is told again.  Each front has a listening socket of its own (SO_REUSEPORT): the kernel spreads
 * connections evenly then, which it does not between those that wait for the same one, with EPOLLEXCLUSIVE least of all (measured: docs/benchmarks.md).
 */
int askr_listener_open(askr_wire *w, askr_listener *l)
{
    struct epoll_event registration = {.events = EPOLLIN, .data.u64 = ASKR_TOKEN_LISTENER + l->index};
    return epoll_ctl(w->epoll, EPOLL_CTL_ADD, l->fd, &registration) == 0 ? ASKR_OK : ASKR_ESYS;
}

static void pause_accepting(askr_wire *w, askr_listener *l)
{
    (void)epoll_ctl(w->epoll, EPOLL_CTL_DEL, l->fd, NULL);
    askr_wheel_set(&w->wheel, &l->timer, w->clock.now_mono_ns + PAUSE_NS);
    askr_tally_add(&w->tally.accept_pauses, 1);
    w->rings = 1; /* Python says so in its log */
}

/* Tells a client that there are too many; it may not read it.  What it has sent is dropped, because closing with unread bytes would reset. */
static void turn_away(askr_wire *w, int fd)
{
    askr_writer writer;
    uint8_t answer[2048];
    askr_writer_init(&writer, 0, 1, 0);
    int64_t n = askr_writer_answer(&writer, askr_answers_get(w->answers, ASKR_ANSWER_BUSY), (askr_slice){NULL, 0},
                                   askr_clock_date(&w->clock), answer, sizeof answer);
    if (n > 0 && send(fd, answer, (size_t)n, MSG_NOSIGNAL) > 0) {
        (void)shutdown(fd, SHUT_WR);
        ssize_t dropped = recv(fd, w->received, ASKR_RECEIVE_BYTES, 0);
        (void)dropped;
    }
    (void)close(fd);
    askr_tally_add(&w->tally.turned_away, 1);
}

static void adopt(askr_wire *w, askr_listener *l, int fd, const struct sockaddr_storage *client)
{
    askr_address_key key;
    uint32_t address = ASKR_NO_ADDRESS;
    if (w->addresses != NULL && askr_peer_key(client, &key)) {
        address = askr_addresses_take(w->addresses, &key, w->config.connections_per_address);
        if (address == ASKR_NO_ADDRESS) {
            turn_away(w, fd);
            return;
        }
    }
    if (askr_connection_open(w, fd, l->index, client, address) == ASKR_OK) {
        askr_tally_add(&w->tally.accepted, 1);
        return;
    }
    if (address != ASKR_NO_ADDRESS)
        askr_addresses_release(w->addresses, address);
    turn_away(w, fd);
}

static int is_exhausted(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

void askr_listener_accept(askr_wire *w, askr_listener *l)
{
    int most = w->turn_events >= BUSY_TURN ? AT_ONCE : 1;
    for (int i = 0; i < most && l->fd >= 0; i++) {
        struct sockaddr_storage client = {.ss_family = AF_UNSPEC};
        socklen_t size = sizeof client;
        if (w->held_bytes > w->config.buffer_bytes) {
            pause_accepting(w, l);
            return;
        }
        int fd = accept4(l->fd, (struct sockaddr *)&client, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            adopt(w, l, fd, &client);
        } else if (errno == EAGAIN) {
            return;
        } else if (is_exhausted(errno)) {
            pause_accepting(w, l);
            return;
        } /* else the error is that of the connection that was to be accepted */
    }
}

void askr_listener_on_timer(askr_wire *w, askr_listener *l)
{
    if (l->fd < 0)
        return;
    if (w->held_bytes > w->config.buffer_bytes || askr_listener_open(w, l) != ASKR_OK)
        askr_wheel_set(&w->wheel, &l->timer, w->clock.now_mono_ns + PAUSE_NS);
}

void askr_listener_close(askr_wire *w, askr_listener *l)
{
    if (l->fd < 0)
        return;
    (void)epoll_ctl(w->epoll, EPOLL_CTL_DEL, l->fd,
                    NULL); /* others may have the socket too: closing alone would not do it */
    (void)close(l->fd);
    l->fd = -1;
    askr_wheel_clear(&w->wheel, &l->timer);
}
