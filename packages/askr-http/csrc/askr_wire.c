#include "askr_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "askr_wire_parts.h"

enum { EVENTS = 1024 }; /* hand-overs that Python has not taken; then 503 */
#define LOG_BYTES     (1024 * 1024)
#define SCRATCH_BYTES (256 * 1024) /* of the calls: a response of half of it goes out in one send */
#define STACK_BYTES   (256 * 1024)

static int fail(const char **what, const char *step)
{
    *what = step;
    return ASKR_ESYS;
}

/* ---- making and unmaking ---- */

static int copy_texts(askr_wire *w)
{
    askr_wire_config *config = &w->config;
    config->site.root = strdup(config->site.root);
    config->site.front_controller = strdup(config->site.front_controller);
    config->spool_dir = config->spool_dir == NULL ? NULL : strdup(config->spool_dir);
    return config->site.root != NULL && config->site.front_controller != NULL ? ASKR_OK : ASKR_ESYS;
}

static int make_buffers(askr_wire *w)
{
    void *answers = calloc(1, askr_answers_sizeof());
    w->answers = answers == NULL ? NULL : askr_answers_init(answers);
    w->batch = malloc(ASKR_BATCH_BYTES);
    w->received = malloc(ASKR_RECEIVE_BYTES);
    w->scratch = malloc(SCRATCH_BYTES);
    w->log_line = malloc(ASKR_LOG_LINE_BYTES);
    return w->answers && w->batch && w->received && w->scratch && w->log_line ? ASKR_OK : ASKR_ESYS;
}

static int make_tables(askr_wire *w)
{
    const askr_wire_config *config = &w->config;
    int rc = askr_slots_create(config->connections, sizeof(askr_connection), &w->connections);
    if (rc == ASKR_OK && config->connections_per_address > 0)
        rc = askr_addresses_create(config->connections, &w->addresses);
    if (rc == ASKR_OK)
        rc = askr_mailbox_create(config->connections < EVENTS ? config->connections + 1 : EVENTS, sizeof(askr_event),
                                 &w->events);
    if (rc == ASKR_OK) /* one for each connection, so that it is never full */
        rc = askr_mailbox_create(config->connections, sizeof(askr_command), &w->commands);
    if (rc == ASKR_OK && config->wants_access_log)
        rc = askr_logring_create(LOG_BYTES, &w->log);
    return rc;
}

/* Descriptors of its own: the caller closes his when he likes. */
static int take_listeners(askr_wire *w, const int *fds)
{
    const int one = 1;
    w->listeners = calloc(w->config.listener_count + 1, sizeof *w->listeners);
    if (w->listeners == NULL)
        return ASKR_ESYS;
    for (uint32_t i = 0; i < w->config.listener_count; i++)
        w->listeners[i].fd = -1;
    for (uint32_t i = 0; i < w->config.listener_count; i++) {
        askr_listener *l = &w->listeners[i];
        l->index = i;
        l->fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
        if (l->fd < 0 || fcntl(l->fd, F_SETFL, O_RDWR | O_NONBLOCK) != 0)
            return ASKR_ESYS;
        (void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* accepted sockets inherit it */
        askr_peer_of_socket(l->fd, &l->server, &l->is_any);
    }
    return ASKR_OK;
}

static int join_pool(askr_wire *w)
{
    const askr_wire_config *config = &w->config;
    int rc = askr_pool_attach(config->pool_fd, &w->pool);
    if (rc == ASKR_OK)
        rc = askr_pool_bind_front(w->pool, config->front, config->front_eventfd);
    if (rc == ASKR_OK && config->spool_fd >= 0)
        rc = askr_pool_bind_spool(w->pool, config->spool_fd);
    if (rc == ASKR_OK)
        askr_front_defer_wakes(w->pool);
    return rc;
}

static int make_calls(askr_wire *w)
{
    const askr_wire_config *config = &w->config;
    const char *scheme = config->https ? "https" : "http";
    const askr_calls_config calls = {
        .pool = w->pool,
        .front = config->front,
        .cgi = {.document_root = {(const uint8_t *)config->site.root, strlen(config->site.root)},
                .scheme = {(const uint8_t *)scheme, strlen(scheme)}},
        .queue_timeout_ns = config->queue_timeout_ns,
        .output = w->output,
        .scratch = w->scratch,
        .scratch_bytes = SCRATCH_BYTES,
    };
    return askr_calls_create(&calls, &w->calls);
}

static int watch(askr_wire *w)
{
    struct epoll_event pool = {.events = EPOLLIN, .data.u64 = ASKR_TOKEN_POOL};
    struct epoll_event commands = {.events = EPOLLIN, .data.u64 = ASKR_TOKEN_COMMANDS};
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (w->epoll < 0 || epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->config.front_eventfd, &pool) != 0 ||
        epoll_ctl(w->epoll, EPOLL_CTL_ADD, askr_mailbox_fd(w->commands), &commands) != 0)
        return ASKR_ESYS;
    for (uint32_t i = 0; i < w->config.listener_count; i++)
        if (askr_listener_open(w, &w->listeners[i]) != ASKR_OK)
            return ASKR_ESYS;
    return ASKR_OK;
}

static int build(askr_wire *w, const askr_wire_config *config, const char **what)
{
    if (copy_texts(w) != ASKR_OK || make_buffers(w) != ASKR_OK)
        return fail(what, "allocating the wire");
    w->codec = (askr_codec_limits){.head_bytes = config->head_bytes, .target_bytes = config->target_bytes};
    w->output = (askr_output_policy){.memory_bytes = config->response_memory_bytes,
                                     .directory = w->config.spool_dir,
                                     .held_bytes = &w->held_bytes,
                                     .most_held = config->buffer_bytes / 2};
    w->heads = (askr_output_policy){.memory_bytes = ASKR_BATCH_BYTES, .held_bytes = &w->held_bytes};
    askr_wheel_init(&w->wheel, askr_mono_ns());
    if (make_tables(w) != ASKR_OK)
        return fail(what, "making the tables of connections");
    if (take_listeners(w, config->listener_fds) != ASKR_OK)
        return fail(what, "taking the listeners");
    if (askr_site_create(&w->config.site, &w->site) != ASKR_OK)
        return fail(what, "opening the document root");
    if (join_pool(w) != ASKR_OK)
        return fail(what, "joining the pool");
    if (make_calls(w) != ASKR_OK)
        return fail(what, "making the calls to PHP");
    return watch(w) == ASKR_OK ? ASKR_OK : fail(what, "watching the sockets");
}

int askr_wire_create(const askr_wire_config *config, askr_wire **out, const char **what)
{
    askr_wire *w = aligned_alloc(64, (sizeof *w + 63) / 64 * 64);
    if (w == NULL)
        return fail(what, "allocating the wire");
    memset(w, 0, sizeof *w);
    w->epoll = -1;
    w->config = *config;
    w->config.listener_fds = NULL;
    int rc = build(w, config, what);
    if (rc != ASKR_OK) {
        int reason = errno;
        askr_wire_destroy(w);
        errno = reason;
        return rc;
    }
    *out = w;
    return ASKR_OK;
}

void askr_wire_destroy(askr_wire *w)
{
    askr_command command;
    askr_event event;
    if (w == NULL)
        return;
    (void)askr_wire_stop(w);
    while (w->commands != NULL && askr_mailbox_take(w->commands, &command, 1) == 1) {
        free(command.bytes);
        if (command.fd >= 0)
            (void)close(command.fd);
    }
    while (w->events != NULL && askr_mailbox_take(w->events, &event, 1) == 1) {
        free((uint8_t *)(uintptr_t)event.bytes);
        if (event.fd >= 0)
            (void)close(event.fd);
    }
    for (uint32_t i = 0; w->listeners != NULL && i < w->config.listener_count; i++)
        if (w->listeners[i].fd >= 0)
            (void)close(w->listeners[i].fd);
    if (w->calls != NULL)
        askr_calls_destroy(w->calls);
    if (w->pool != NULL)
        askr_pool_detach(w->pool);
    if (w->site != NULL)
        askr_site_destroy(w->site);
    askr_slots_destroy(w->connections);
    askr_addresses_destroy(w->addresses);
    askr_mailbox_destroy(w->events);
    askr_mailbox_destroy(w->commands);
    askr_logring_destroy(w->log);
    if (w->epoll >= 0)
        (void)close(w->epoll);
    free(w->listeners);
    free(w->answers);
    free(w->batch);
    free(w->received);
    free(w->scratch);
    free(w->log_line);
    free((char *)(uintptr_t)w->config.site.root);
    free((char *)(uintptr_t)w->config.site.front_controller);
    free((char *)(uintptr_t)w->config.spool_dir);
    free(w);
}

/* ---- before the start ---- */

int askr_wire_set_answer(askr_wire *w, uint32_t id, const askr_answer *row)
{
    return askr_answers_set(w->answers, id, row);
}

int askr_wire_add_type(askr_wire *w, askr_slice extension, askr_slice content_type, int is_compressible)
{
    return askr_site_add_type(w->site, extension, content_type, is_compressible);
}

int askr_wire_set_default_type(askr_wire *w, askr_slice content_type)
{
    return askr_site_set_default_type(w->site, content_type);
}

int askr_wire_start(askr_wire *w)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    if (!askr_answers_are_complete(w->answers) || w->is_running)
        return ASKR_EINVAL;
    (void)sigfillset(&all); /* signals are the event loop's */
    int rc = pthread_attr_init(&attributes);
    if (rc == 0) {
        (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        rc = pthread_create(&w->thread, &attributes, askr_loop_main, w);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        (void)pthread_attr_destroy(&attributes);
    }
    w->is_running = rc == 0;
    errno = rc;
    return rc == 0 ? ASKR_OK : ASKR_ESYS;
}

/* ---- while it runs ---- */

int askr_wire_eventfd(const askr_wire *w)
{
    return askr_mailbox_fd(w->events);
}

int askr_wire_events(askr_wire *w, askr_event *out, uint32_t cap)
{
    return (int)askr_mailbox_take(w->events, out, cap);
}

void askr_wire_free(const uint8_t *bytes)
{
    free((uint8_t *)(uintptr_t)bytes);
}

static int command(askr_wire *w, const askr_command *command)
{
    int rc = askr_mailbox_put(w->commands, command);
    if (rc == ASKR_OK)
        askr_mailbox_ring(w->commands);
    return rc;
}

int askr_wire_give_back(askr_wire *w, uint64_t connection, int fd, const uint8_t *bytes, uint32_t len)
{
    askr_command back = {.connection = connection, .len = len, .fd = fd};
    if (fd < 0)
        return ASKR_EINVAL;
    if (len > 0) {
        back.bytes = malloc(len);
        if (back.bytes == NULL)
            return ASKR_ESYS;
        memcpy(back.bytes, bytes, len);
    }
    int rc = command(w, &back);
    if (rc != ASKR_OK)
        free(back.bytes);
    return rc;
}

int askr_wire_closed(askr_wire *w, uint64_t connection)
{
    const askr_command closed = {.connection = connection, .fd = -1};
    return command(w, &closed);
}

int64_t askr_wire_log(askr_wire *w, uint8_t *buf, size_t cap)
{
    return w->log == NULL ? 0 : askr_logring_take(w->log, buf, cap);
}

void askr_wire_counters_get(const askr_wire *w, askr_wire_counters *out)
{
    askr_tally_read(&w->tally, out);
}

/* [order-wire-1] An order is stored (release), then the bell rings; the thread loads the orders (acquire) after it was woken. */
static void give_order(askr_wire *w, uint32_t order)
{
    atomic_fetch_or_explicit(&w->orders, order, memory_order_acq_rel);
    askr_mailbox_ring(w->commands);
}

void askr_wire_drain(askr_wire *w)
{
    give_order(w, ASKR_ORDER_DRAIN);
}

uint32_t askr_wire_stop(askr_wire *w)
{
    if (!w->is_running)
        return 0;
    give_order(w, ASKR_ORDER_STOP);
    (void)pthread_join(w->thread, NULL);
    w->is_running = 0;
    return w->cut;
}
