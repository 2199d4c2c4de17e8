#include <errno.h>
#include <sys/epoll.h>

#include "askr_wire_parts.h"

/*
 * The wire's thread.  A turn: what epoll tells, connections that had more to do than their share, timers; then Python is told, once.
 */

/* Workers are woken at the end of a turn, or after so many events: a wake for each request costs a third of a small response. */
enum { EVENTS_A_TURN = 256, COMMANDS_A_TURN = 64, NEWS_A_TURN = 256, WAKE_EVERY = 16 };

#define WAKE_AGAIN_NS 10000000ull

static void take_commands(askr_wire *w)
{
    askr_command commands[COMMANDS_A_TURN];
    uint32_t n;
    do {
        n = askr_mailbox_take(w->commands, commands, COMMANDS_A_TURN);
        for (uint32_t i = 0; i < n; i++) {
            const askr_command *command = &commands[i];
            if (command->fd >= 0)
                askr_connection_return(w, command->connection, command->fd, command->bytes, command->len);
            else
                askr_connection_left(w, command->connection);
        }
    } while (n == COMMANDS_A_TURN);
}

static void take_news(askr_wire *w)
{
    askr_connection *c = NULL;
    for (int i = 0; i < NEWS_A_TURN && (c = askr_calls_next(w->calls)) != NULL; i++) {
        c->has_news = 1;
        askr_connection_run(w, c);
    }
    w->is_news_left = c != NULL; /* until there are none, the eventfd does not tell */
}

static void dispatch(askr_wire *w, const struct epoll_event *event)
{
    uint64_t token = event->data.u64;
    askr_connection *c;
    if (token >> 32 != 0) {
        c = askr_slots_find(w->connections, token); /* it may have gone in this very turn */
        if (c != NULL && c->transport.fd >= 0)
            askr_connection_on_edges(w, c, event->events);
    } else if (token == ASKR_TOKEN_POOL) {
        take_news(w);
    } else if (token == ASKR_TOKEN_COMMANDS) {
        take_commands(w);
    } else {
        askr_listener_accept(w, &w->listeners[token]);
    }
}

static void begin_drain(askr_wire *w)
{
    askr_connection *c;
    uint32_t at = 0;
    w->is_draining = 1;
    for (uint32_t i = 0; i < w->config.listener_count; i++)
        askr_listener_close(w, &w->listeners[i]);
    while ((c = askr_slots_walk(w->connections, &at)) != NULL)
        askr_connection_drain(w, c);
}

static void run_ready(askr_wire *w)
{
    askr_connection *last = w->ready.last, *c = NULL;
    while (last != NULL && c != last && (c = askr_ready_take(&w->ready)) != NULL)
        askr_connection_run(w, c);
}

static void run_timers(askr_wire *w)
{
    askr_timer *t;
    while ((t = askr_wheel_take(&w->wheel, w->clock.now_mono_ns)) != NULL) {
        for (uint32_t i = 0; i < w->config.listener_count; i++)
            if (t == &w->listeners[i].timer) {
                askr_listener_on_timer(w, &w->listeners[i]);
                t = NULL;
                break;
            }
        if (t != NULL)
            askr_connection_on_timer(w, (askr_connection *)((uint8_t *)t - offsetof(askr_connection, timer)));
    }
}

static void end_turn(askr_wire *w)
{
    uint32_t open = askr_slots_used(w->connections);
    askr_tally_set(&w->tally.open, open);
    askr_tally_set(&w->tally.away, w->away);
    askr_tally_set(&w->tally.held_bytes, w->held_bytes);
    uint64_t failures = askr_calls_spool_failures(w->calls);
    if (failures != w->spool_failures) {
        w->spool_failures = failures;
        askr_tally_set(&w->tally.spool_failures, failures);
        w->rings = 1; /* Python says so in its log */
    }
    if (w->is_draining && open == 0 && !w->has_drained) {
        const askr_event drained = {.kind = ASKR_EVENT_DRAINED, .fd = -1};
        w->has_drained = askr_mailbox_put(w->events, &drained) == ASKR_OK;
        w->rings |= w->has_drained;
    }
    if (w->rings)
        askr_mailbox_ring(w->events);
    w->rings = 0;
}

/* What stays queued although a worker was woken is shown to another one after a while: the first may be stopped, or find no CPU. */
static void wake_workers(askr_wire *w)
{
    int is_late = w->wake_again_mono_ns != 0 && w->clock.now_mono_ns >= w->wake_again_mono_ns;
    if (is_late)
        askr_front_wake_another(w->pool);
    if (!askr_front_wake(w->pool))
        w->wake_again_mono_ns = 0;
    else if (is_late || w->wake_again_mono_ns == 0)
        w->wake_again_mono_ns = w->clock.now_mono_ns + WAKE_AGAIN_NS;
}

/* Milliseconds until something has to be done without being told; -1: nothing. */
static int timeout_ms(askr_wire *w)
{
    uint64_t next = askr_wheel_next(&w->wheel);
    if (w->ready.first != NULL || w->is_news_left)
        return 0;
    if (w->wake_again_mono_ns != 0 && w->wake_again_mono_ns < next)
        next = w->wake_again_mono_ns;
    if (next == UINT64_MAX)
        return -1;
    if (next <= w->clock.now_mono_ns)
        return 0;
    uint64_t ms = (next - w->clock.now_mono_ns + 999999) / 1000000;
    return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

static void cut_all(askr_wire *w)
{
    askr_connection *c;
    uint32_t at = 0;
    while ((c = askr_slots_walk(w->connections, &at)) != NULL) {
        w->cut += c->phase != ASKR_PHASE_AWAY;
        askr_connection_cut(w, c, 1);
    }
    for (uint32_t i = 0; i < w->config.listener_count; i++)
        askr_listener_close(w, &w->listeners[i]);
    w->away = 0;
    end_turn(w);
}

void *askr_loop_main(void *wire)
{
    askr_wire *w = wire;
    struct epoll_event events[EVENTS_A_TURN];
    uint32_t orders = 0;
    (void)pthread_setname_np(pthread_self(), "askr-wire");
    askr_clock_update(&w->clock);
    w->is_news_left = 1; /* whose, says the first turn; from then on the eventfd tells */
    while (!(orders & ASKR_ORDER_STOP)) {
        int n = epoll_wait(w->epoll, events, EVENTS_A_TURN, timeout_ms(w));
        askr_clock_update(&w->clock);
        askr_wheel_advance(&w->wheel, w->clock.now_mono_ns);
        askr_tally_add(&w->tally.turns, 1);
        w->turn_events = n;
        for (int i = 0; i < n; i++) {
            dispatch(w, &events[i]);
            if (i % WAKE_EVERY == WAKE_EVERY - 1)
                (void)askr_front_wake(w->pool);
        }
        if (w->is_news_left)
            take_news(w);
        run_ready(w);
        run_timers(w);
        orders = atomic_load_explicit(&w->orders, memory_order_acquire);
        if (orders & ASKR_ORDER_DRAIN && !w->is_draining)
            begin_drain(w);
        wake_workers(w);
        end_turn(w);
    }
    cut_all(w);
    return NULL;
}
