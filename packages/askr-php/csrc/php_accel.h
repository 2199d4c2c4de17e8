#ifndef ASKR_PHP_ACCEL_H
#define ASKR_PHP_ACCEL_H

/*
 * OPcache's usage lock, per-request mode.  A process that reads OPcache's memory holds a record lock on byte 1 of OPcache's lock file, so that nobody restarts OPcache meanwhile; PHP takes
 * it and gives it back in every request, at two system calls.  Here a busy worker keeps it from one request to the next.
 *
 * It is given back
 *   - before the worker waits for a request (askr_accel_idle), and
 *   - at the end of a request that did not ask for it: PHP runs such requests while a restart is pending, so a restart waits for one request of each worker, as it does under PHP-FPM.
 *
 * Holding the lock for longer than PHP would is safe in itself: it only keeps others from restarting.  Done in the static PHP only, where the linker gives us PHP's fcntl().
 */

/* In a new worker, which has no lock of its own yet. */
void askr_accel_begin(void);
/* A child that the application has forked: locks are not inherited. */
void askr_accel_forget(void);
/* Whether a lock is kept that must be given back before this process waits. */
int askr_accel_is_kept(void);
void askr_accel_idle(void);

#endif
