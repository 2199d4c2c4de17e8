#include "php_deadline.h"

#include "php_context.h"
#include "php_watch.h"

#if defined(ASKR_PHP_STATIC) && !defined(ZEND_SIGNALS)

#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

enum { LOOK_TTL_NS = 10 * 1000 * 1000 }; /* no coarser than the timer itself, which the kernel checks at its ticks */

/* build_kernel.py: -Wl,--wrap; PHP calls the first, and these are PHP's. */
void __wrap_zend_set_timeout(zend_long seconds, bool reset_signals);
void __wrap_zend_unset_timeout(void);
void __real_zend_set_timeout(zend_long seconds, bool reset_signals);
void __real_zend_unset_timeout(void);

static bool is_on;
static void (*handler_of_php)(int);

/* Read by the handler; the rest of this file writes them in an order that is right whenever it comes. */
static volatile sig_atomic_t is_installed; /* SIGPROF is ours */
static volatile sig_atomic_t is_armed;     /* by us; a timer of PHP's own is none of it */
static volatile sig_atomic_t is_exact;     /* the timer is PHP's own, or there is none */
static volatile sig_atomic_t is_running;   /* a request with a deadline is in hand */
static volatile int64_t deadline_cpu_ns, fires_cpu_ns;

static int64_t seen_cpu_ns, seen_mono_ns; /* the last look at the process's CPU clock; 0: none */

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* 0 disarms. */
static void set_timer(int64_t ns)
{
    struct itimerval timer = {.it_value = {.tv_sec = ns / 1000000000, .tv_usec = ns % 1000000000 / 1000}};

    if (ns > 0 && timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0)
        timer.it_value.tv_usec = 1;
    setitimer(ITIMER_PROF, &timer, NULL);
}

static void on_sigprof(int signo)
{
    if (!is_exact) {
        if (!is_running) {
            is_armed = 0;
            return;
        }
        int64_t now = now_ns(CLOCK_PROCESS_CPUTIME_ID), left = deadline_cpu_ns - now;
        if (left > 0) {
            fires_cpu_ns = deadline_cpu_ns;
            set_timer(left);
            return;
        }
    }
    is_exact = 1; /* it is PHP's from here on: also the second signal (hard_timeout), and what ends the request */
    is_armed = is_installed = 0;
    handler_of_php(signo);
}

/* PHP's handler and an unblocked signal first, then ours before it. */
static void install(void)
{
    struct sigaction ours = {.sa_handler = on_sigprof, .sa_flags = SA_ONSTACK | SA_NODEFER | SA_RESTART}, of_php;
    zend_long seconds = EG(timeout_seconds);

    __real_zend_set_timeout(0, 1);
    EG(timeout_seconds) = seconds;
    sigemptyset(&ours.sa_mask);
    sigaction(SIGPROF, &ours, &of_php);
    handler_of_php = of_php.sa_handler;
    is_installed = 1;
}

/* The process's CPU time now; never less than it is. */
static int64_t cpu_ns(void)
{
    int64_t now = now_ns(CLOCK_MONOTONIC);

    if (seen_mono_ns == 0 || now - seen_mono_ns > LOOK_TTL_NS) {
        seen_cpu_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID);
        seen_mono_ns = now;
    }
    return seen_cpu_ns + (now - seen_mono_ns);
}

/*
 * From now on the request has so many seconds.  A timer that fires sooner is left as it is, and one without a limit, too: the handler knows.  PHP's own way if the
 * application has taken the signal, which it gets when it is due.
 */
static void begin(zend_long seconds)
{
    zend_atomic_bool_store_ex(&EG(timed_out), false);
    is_running = 0;
    if (!is_installed) {
        is_armed = 0;
        is_exact = 1;
        set_timer(0);
        __real_zend_set_timeout(seconds, 0);
        return;
    }
    is_exact = 0;
    if (seconds <= 0 || seconds > 999999999) /* none, as PHP has it */
        return;
    deadline_cpu_ns = cpu_ns() + seconds * 1000000000;
    is_running = 1;
    if (!is_armed || fires_cpu_ns > deadline_cpu_ns) {
        fires_cpu_ns = deadline_cpu_ns;
        is_armed = 1;
        set_timer(seconds * 1000000000);
    }
}

void __wrap_zend_set_timeout(zend_long seconds, bool reset_signals)
{
    if (!is_on) {
        __real_zend_set_timeout(seconds, reset_signals);
        return;
    }
    EG(timeout_seconds) = seconds;
    if (reset_signals && !is_installed)
        install();
    begin(seconds);
}

void __wrap_zend_unset_timeout(void)
{
    is_running = 0;
    if (!is_on || is_exact)
        __real_zend_unset_timeout();
    else
        zend_atomic_bool_store_ex(&EG(timed_out), false);
}

/*
 * ---- functions that can take the signal from us ----
 *
 * The application then gets it when the request's time is over, and not when our timer fires.  Per request PHP takes the signal back when the next one begins; in worker mode signal
 * handlers last.
 */

static zif_handler pcntl_signal_of_php, pcntl_sigprocmask_of_php;

static void let_go(void)
{
    if (is_running) {
        int64_t left = deadline_cpu_ns - now_ns(CLOCK_PROCESS_CPUTIME_ID);
        set_timer(left > 0 ? left : 1);
    } else if (is_armed) {
        set_timer(0);
    }
    is_running = is_armed = is_installed = 0;
    is_exact = 1;
}

static void on_pcntl_signal(INTERNAL_FUNCTION_PARAMETERS)
{
    zval *signo = ZEND_NUM_ARGS() > 0 ? ZEND_CALL_ARG(execute_data, 1) : NULL;

    if (is_installed && signo && (Z_TYPE_P(signo) != IS_LONG || Z_LVAL_P(signo) == SIGPROF))
        let_go();
    pcntl_signal_of_php(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

static void on_pcntl_sigprocmask(INTERNAL_FUNCTION_PARAMETERS)
{
    if (is_installed)
        let_go();
    pcntl_sigprocmask_of_php(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

void askr_deadline_startup(void)
{
    is_on = true;
    is_installed = is_armed = is_exact = is_running = 0;
    seen_mono_ns = 0;
    handler_of_php = NULL;
    askr_watch("pcntl_signal", on_pcntl_signal, &pcntl_signal_of_php);
    askr_watch("pcntl_sigprocmask", on_pcntl_sigprocmask, &pcntl_sigprocmask_of_php);
}

void askr_deadline_forget(void)
{
    is_armed = is_running = 0;
    seen_mono_ns = 0;
}

void askr_deadline_begin(void)
{
    if (!EG(timeout_seconds))
        return;
    if (!handler_of_php) /* the template's boot has set PHP's */
        install();
    begin(EG(timeout_seconds));
}

void askr_deadline_end(void)
{
    if (EG(timeout_seconds))
        __wrap_zend_unset_timeout();
}

#else

void askr_deadline_startup(void)
{
}

void askr_deadline_forget(void)
{
}

void askr_deadline_begin(void)
{
    if (EG(timeout_seconds))
        zend_set_timeout(EG(timeout_seconds), 0);
}

void askr_deadline_end(void)
{
    if (EG(timeout_seconds))
        zend_unset_timeout();
}

#endif
