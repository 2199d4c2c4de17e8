#ifndef ASKR_PHP_FORK_H
#define ASKR_PHP_FORK_H

#include <sys/types.h>

/*
 * fork(), but the child's parent is the caller's parent: a worker forked by the template is the master's child, which then waits for it, sees its exit
 * status, and is what the worker's parent-death signal means.  The caller must be single-threaded.  As fork(2): 0 in the child, -1 with errno.
 */
pid_t askr_fork_sibling(void);
/* What it does where the kernel does not help: two forks, and the caller's parent has to be a child subreaper. */
pid_t askr_fork_twice(void);

/* Kill this process when its parent ends; `parent` is who that must be.  -1 when the parent has gone already. */
int askr_fork_die_with(pid_t parent);

#endif
