#ifndef ASKR_WAKE_H
#define ASKR_WAKE_H

#include <stdatomic.h>

#include "askr_base.h"

/*
 * How a process sleeps until another one has something for it: futex words in shared memory for workers,
 * eventfds for fronts (whose event loop sleeps in epoll).
 *
 * [order-wake-1] Every sleep follows one pattern, with all four accesses seq_cst:
 *
 *     sleeper:  announce (set a flag or bit);  look for work once more;  sleep if there is none
 *     waker:    publish work;                  look at the announcement; wake if it is there
 *
 * In the single order of seq_cst accesses either the sleeper's announcement comes before the waker's look, and
 * the waker wakes; or the waker's publication comes before the sleeper's second look, and the sleeper finds
 * the work.  So no work is left while its only taker sleeps.
 *
 * [order-wake-2] The waker changes the futex word before it calls futex_wake, and the sleeper reads the word
 * before it announces itself.  If the wake-up comes between the second look and the sleep, the kernel sees
 * another value than the sleeper's and returns at once.
 *
 * A waker that is killed between taking the announcement away and waking leaves a sleeper that nobody
 * knows.  The repair of a dead process therefore rings every doorbell and writes every eventfd; a sleeper that
 * finds nothing announces itself again.
 */

/* Sleeps while *word == seen, at most timeout_ns (-1: no bound).  ASKR_EAGAIN: time is up, or a signal came. */
int askr_futex_wait(_Atomic uint32_t *word, uint32_t seen, int64_t timeout_ns);
void askr_futex_wake(_Atomic uint32_t *word, uint32_t sleepers);
/* Both do nothing for a descriptor below 0. */
void askr_eventfd_write(int fd);
void askr_eventfd_clear(int fd);
uint64_t askr_mono_ns(void);

#endif
