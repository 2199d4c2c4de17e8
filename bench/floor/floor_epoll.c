/* The floor over epoll: edge-triggered, each connection registered once, one receive and one send for a request, as in the wire. */
#include "floor.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int accept_one(const floor_plan *plan, int epoll)
{
    int fd = accept4(plan->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return 0;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = fd};
    plan->counters->accepted++;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        close(fd);
    return 1;
}

static void accept_all(const floor_plan *plan, int epoll)
{
    int found = accept_one(plan, epoll);
    if (!found)
        plan->counters->empty_accepts++;
    while (found && plan->accepts_many)
        found = accept_one(plan, epoll);
}

/* Fewer bytes than asked for: nothing is left, so that one receive is enough until the next edge. */
static void serve(const floor_plan *plan, int fd, uint32_t events)
{
    uint8_t bytes[FLOOR_RECEIVE_BYTES];
    ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    int is_over = n == 0 || (n < 0 && errno != EAGAIN) || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
    if (n > 0 && floor_is_request(bytes, (size_t)n)) {
        plan->counters->requests++;
        is_over |= send(fd, plan->answer, plan->answer_len, MSG_NOSIGNAL) != (ssize_t)plan->answer_len || plan->closes;
    }
    if (is_over)
        close(fd);
}

void floor_epoll(const floor_plan *plan)
{
    struct epoll_event events[FLOOR_EVENTS];
    struct epoll_event own = {.events = EPOLLIN, .data.fd = plan->listener};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (plan->way == FLOOR_EXCLUSIVE)
        own.events |= EPOLLEXCLUSIVE;
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, plan->listener, &own) < 0)
        return;
    for (;;) {
        int count = epoll_wait(epoll, events, FLOOR_EVENTS, -1);
        if (count < 0 && errno != EINTR)
            return;
        plan->counters->turns++;
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == plan->listener)
                accept_all(plan, epoll);
            else if (events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
                serve(plan, events[i].data.fd, events[i].events);
        }
    }
}
