/*
 * The template boots, then forks; a worker is a fork that serves.
 *
 *   per-request mode             start modules ─ READY ─ [fork] ─ worker: serve, serve, … ─ exit
 *   worker mode, shared boot     start modules ─ run script … askr_cow_ready() ─ READY ─ [fork] ─ worker: script goes on, askr_handle_request() … ─ exit
 *   worker mode, plain script    start modules ─ run script … askr_handle_request() ─ unwind ─ READY ─ [fork] ─ worker: run script from its start ─ exit
 *
 * A script that does not call askr_cow_ready() may have opened connections while it booted, which two processes must not share; so its boot in the
 * template is thrown away and every worker boots by itself.
 */
#include "php_template.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "php_accel.h"
#include "php_context.h"
#include "php_deadline.h"
#include "php_fork.h"
#include "php_log.h"
#include "php_request.h"
#include "php_response.h"
#include "php_sapi.h"
#include "php_script.h"

static bool is_ready_told;   /* READY went to the master */
static bool is_script_plain; /* see above */
static volatile sig_atomic_t is_term_pending;

/* ---- signals: a worker drains on SIGTERM; SIGINT and SIGHUP are the master's business ---- */

static void on_term(int signo)
{
    (void)signo;
    if (askr_ctx.role == ASKR_ROLE_WORKER)
        is_term_pending = 1;
}

static void set_signals(void)
{
    struct sigaction sa = {.sa_handler = on_term};
    sigset_t none;

    sigemptyset(&sa.sa_mask);
    sigaction(SIGTERM, &sa, NULL); /* without SA_RESTART: waiting ends */
    sa.sa_handler = SIG_IGN;
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGHUP, &sa, NULL);
    sa.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &sa, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * A child that the application forks (pcntl_fork) has the worker's or template's memory, but exchange, record and control socket are not its own: it ends where a
 * request or the worker script would, and leaves the request's uploads to the worker.
 */
static void on_stranger(void)
{
    askr_ctx.role = ASKR_ROLE_STRANGER;
    SG(rfc1867_uploaded_files) = NULL;
    askr_accel_forget();
    askr_deadline_forget();
    signal(SIGTERM, SIG_DFL);
}

/* ---- the control socket ---- */

static bool tell(uint32_t op, uint32_t a, uint32_t b)
{
    uint32_t words[3] = {op, a, b};
    ssize_t n;

    do
        n = send(askr_ctx.config->control_fd, words, sizeof words, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof words;
}

static void become_worker(uint32_t index)
{
    const askr_php_config *config = askr_ctx.config;

    askr_ctx.role = ASKR_ROLE_WORKER;
    askr_ctx.index = index;
    askr_ctx.served = 0;
    askr_ctx.quota = config->max_requests;
    if (config->max_requests >= 2) /* spread, so that not all leave at once (the contract's formula) */
        askr_ctx.quota += (uint64_t)getpid() % (config->max_requests / 2);
    close(config->control_fd);
    if (askr_fork_die_with(config->master_pid) != 0)
        _exit(ASKR_EXIT_OK);
    prctl(PR_SET_NAME, "askr-worker");
    set_signals(); /* the application may have set its own while it booted */
    askr_compat_reseed();
    askr_deadline_startup();
    askr_worker_assign(askr_ctx.pool, index, (uint32_t)getpid());
}

/* Forks on demand.  Returns true in a worker; false in the template, when it is to end. */
static bool serve_control(void)
{
    if (!is_ready_told && !tell(ASKR_CONTROL_READY, 0, 0))
        return false;
    is_ready_told = true;
    for (;;) {
        uint32_t words[2];
        ssize_t n = recv(askr_ctx.config->control_fd, words, sizeof words, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n != (ssize_t)sizeof words || words[0] != ASKR_CONTROL_FORK)
            return false; /* STOP, or the master is gone */
        pid_t pid = askr_fork_sibling();
        if (pid == 0) {
            become_worker(words[1]);
            return true;
        }
        if (pid < 0)
            tell(ASKR_CONTROL_FAILED, words[1], (uint32_t)errno);
        else
            tell(ASKR_CONTROL_FORKED, words[1], (uint32_t)pid);
    }
}

/* ---- the worker ---- */

int askr_template_take(askr_xid *out)
{
    for (;;) {
        if (is_term_pending || (askr_ctx.quota && askr_ctx.served >= askr_ctx.quota))
            return ASKR_ECANCELED;
        int64_t timeout_ns = askr_accel_is_kept() ? 0 : -1;
        int rc = askr_worker_take(askr_ctx.pool, askr_ctx.index, timeout_ns, out);
        if (rc != ASKR_EAGAIN)
            return rc;
        if (timeout_ns == 0)
            askr_accel_idle();
    }
}

static int serve_per_request(void)
{
    askr_xid x;

    askr_accel_begin();
    askr_worker_ready(askr_ctx.pool, askr_ctx.index);
    while (askr_template_take(&x) == ASKR_OK)
        if (!askr_request_serve(x))
            return ASKR_EXIT_INTERPRETER;
    return ASKR_EXIT_OK;
}

/*
 * The end of a worker script: because the loop is over, or because the interpreter ended inside a request (a fatal error), whose answer then still
 * gets what shutdown functions write.
 */
static int end_script(void)
{
    bool is_inside = askr_ctx.xid != 0;
    int code = ASKR_EXIT_OK;

    if (askr_ctx.role == ASKR_ROLE_STRANGER) {
        php_request_shutdown(NULL);
        _exit(EG(exit_status));
    }
    if (is_inside) {
        askr_logf(
            ASKR_LOG_ERROR,
            "askr-worker: the interpreter ended inside a request (exit_status=%d); exiting for supervisor respawn",
            EG(exit_status));
        code = ASKR_EXIT_INTERPRETER;
        askr_renew_restore_boot();
    }
    php_request_shutdown(NULL);
    if (askr_has_client())
        askr_worker_finish(askr_ctx.pool, askr_ctx.index, askr_ctx.xid, !askr_response_is_whole());
    return code;
}

static int run_worker_script(void)
{
    const char *script = askr_ctx.config->script;

    askr_request_begin_boot(script);
    if (php_request_startup() == FAILURE) {
        askr_logf(ASKR_LOG_ERROR, "PHP could not start a request for %s", script);
        return ASKR_EXIT_BOOT;
    }
    int status = askr_request_run_script(script);
    int code = end_script();
    if (askr_ctx.role == ASKR_ROLE_TEMPLATE && !is_ready_told && !is_script_plain) {
        askr_logf(ASKR_LOG_ERROR,
                  "%s ended with status %d before it called askr_cow_ready() or askr_handle_request(): a worker script "
                  "boots the application and then "
                  "loops: while (askr_handle_request($handler)) {}",
                  script, status);
        return ASKR_EXIT_BOOT;
    }
    if (askr_ctx.role == ASKR_ROLE_WORKER && code == ASKR_EXIT_OK && askr_ctx.served == 0 && status != 0)
        return ASKR_EXIT_BOOT;
    return code;
}

/* ---- what PHP functions call ---- */

void askr_template_fork_here(void)
{
    if (!serve_control())
        _exit(ASKR_EXIT_OK); /* nothing of the application's to shut down: it never served */
    askr_worker_ready(askr_ctx.pool, askr_ctx.index);
}

void askr_template_script_is_plain(void)
{
    is_script_plain = true;
    zend_throw_unwind_exit();
}

/* ---- entry ---- */

static int bind_pool(const askr_php_config *config)
{
    int rc = askr_pool_attach(config->pool_fd, &askr_ctx.pool);

    for (uint32_t i = 0; rc == ASKR_OK && i < config->fronts; i++)
        rc = askr_pool_bind_front(askr_ctx.pool, i, config->front_eventfds[i]);
    if (rc == ASKR_OK)
        rc = askr_pool_bind_master(askr_ctx.pool, config->master_eventfd);
    if (rc == ASKR_OK && config->spool_fd >= 0)
        rc = askr_pool_bind_spool(askr_ctx.pool, config->spool_fd);
    return rc;
}

static int run(const askr_php_config *config)
{
    if (config->mode == ASKR_PER_REQUEST_MODE) {
        askr_script_startup();
        return serve_control() ? serve_per_request() : ASKR_EXIT_OK;
    }
    int code = run_worker_script();
    if (askr_ctx.role == ASKR_ROLE_WORKER || !is_script_plain)
        return code;
    if (!serve_control())
        return ASKR_EXIT_OK;
    askr_worker_ready(askr_ctx.pool, askr_ctx.index);
    return run_worker_script();
}

int askr_template_run(const askr_php_config *config)
{
    askr_log_use_json(config->log_is_json);
    askr_ctx.config = config;
    askr_ctx.role = ASKR_ROLE_TEMPLATE;
    prctl(PR_SET_NAME, "askr-template");
    set_signals(); /* before PHP starts: with zend_signal every request puts back what it found then */
    pthread_atfork(NULL, NULL, on_stranger);
    int rc = bind_pool(config);
    if (rc != ASKR_OK) {
        askr_logf(ASKR_LOG_ERROR, "the template could not map its pool (%d)", rc);
        return ASKR_EXIT_BOOT;
    }
    if (askr_sapi_startup(config->ini) != ASKR_OK) {
        askr_logf(ASKR_LOG_ERROR, "PHP's modules did not start");
        return ASKR_EXIT_BOOT;
    }
    int code = run(config);
    if (askr_ctx.role == ASKR_ROLE_WORKER)
        askr_worker_leave(askr_ctx.pool, askr_ctx.index);
    return code;
}
