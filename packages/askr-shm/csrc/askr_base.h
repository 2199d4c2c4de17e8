#ifndef ASKR_BASE_H
#define ASKR_BASE_H

#include <stddef.h>
#include <stdint.h>

/*
 * What every kernel of askr-shm shares: error codes and the test's kill steps.
 *
 * ASKR_STEP("label") names an instruction at which a process may be killed.  It is nothing in a
 * normal build.  A test built with -DASKR_STEPS sets `askr_step_target` to the number of the step
 * at which the calling process kills itself (SIGKILL); a run with the target 0 counts the steps.
 * Every place where shared memory is between two consistent states has one.
 */
/* cffi:begin */
#define ASKR_OK        0
#define ASKR_EAGAIN    -1 /* nothing there now; or another party was faster */
#define ASKR_E2BIG     -2 /* does not fit the caller's buffer, or a fixed limit */
#define ASKR_EFULL     -3 /* a bounded table, slab or ring is full */
#define ASKR_ESTALE    -4 /* the exchange is no longer what the caller holds */
#define ASKR_EINVAL    -5 /* an argument is out of range */
#define ASKR_ESYS      -6 /* a system call failed; errno has the reason */
#define ASKR_ECANCELED -7 /* the other party left, or the caller was told to stop */
#define ASKR_EVERSION  -8 /* the region was made by another layout version */
/* cffi:end */

#ifdef ASKR_STEPS
/* Of the calling thread. */
extern _Thread_local uint32_t askr_step_target; /* 0: never die, count only */
extern _Thread_local uint32_t askr_step_count;
extern void (*askr_step_hook)(
    const char *label); /* where not NULL, called first: to note the label, or to let another party in */
void askr_step(const char *label);
#define ASKR_STEP(label) askr_step(label)
#else
#define ASKR_STEP(label) ((void)0)
#endif

#define ASKR_CACHE_LINE 64

#endif
