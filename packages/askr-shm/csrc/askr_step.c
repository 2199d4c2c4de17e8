#include "askr_base.h"

/*
 * Kill steps, see askr_base.h.  Nothing of this is in a normal build: the file is then empty but for
 * the declaration that ISO C asks of a translation unit.
 */
#ifdef ASKR_STEPS

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

_Thread_local uint32_t askr_step_target = 0;
_Thread_local uint32_t askr_step_count = 0;
void (*askr_step_hook)(const char *label) = NULL;

void askr_step(const char *label)
{
    if (askr_step_hook != NULL)
        askr_step_hook(label);
    askr_step_count++;
    if (askr_step_count == askr_step_target)
        (void)kill(getpid(), SIGKILL);
}

#else

typedef int askr_step_unused;

#endif
