#ifndef ASKR_PHP_DEADLINE_H
#define ASKR_PHP_DEADLINE_H

#include "php_compat.h"

/*
 * max_execution_time.  PHP arms a timer of CPU time when a request begins and disarms it at the end: two system calls, and two more for the signal's handler per request, though nearly no
 * request ever runs out of time.  Here the timer stays armed from request to request: when it fires, the handler looks whether the request in hand has used its time, and if not, arms it
 * for the rest.  set_time_limit() moves the request's deadline the same way.
 *
 * When a request began is known to 10 ms of CPU time, in its favour: the process's CPU clock costs a system call, so it is read only if the last look is so long ago on the clock that costs
 * none; meanwhile the process can have used no more CPU than time has passed.
 *
 * Done in the static PHP only, where the linker gives us PHP's zend_set_timeout() and no other layer handles signals (zend_signal).
 */

/* In a new worker: timers are not inherited. */
void askr_deadline_startup(void);
/* A child that the application has forked: it has no timer, and a CPU clock of its own. */
void askr_deadline_forget(void);
/* Worker mode: a request begins, and has ended. */
void askr_deadline_begin(void);
void askr_deadline_end(void);

#endif
