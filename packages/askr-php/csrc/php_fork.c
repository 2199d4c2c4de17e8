#include "php_fork.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * glibc's fork() takes no flags, so this is the system call that it makes (clone with CHILD_SETTID and CHILD_CLEARTID), plus CLONE_PARENT.  What glibc does
 * around it does not concern a single-threaded process (locks of other threads) but for two things:
 *
 *  - the thread id that glibc caches must be the child's: the kernel writes it to the address that glibc itself gave to set_tid_address(2), which
 *    prctl(PR_GET_TID_ADDRESS) tells;
 *  - pthread_atfork handlers do not run: of what is loaded here, none needs them (OpenSSL 3 compares process ids; PHP's generators are reseeded by the caller).
 *
 * Kernels without that prctl (no CONFIG_CHECKPOINT_RESTORE) get two forks: the middle process ends at once, and its child falls to the next subreaper, which is
 * the master.
 */
pid_t askr_fork_twice(void)
{
    int pipe_fds[2];
    pid_t child = -1;

    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return -1;
    pid_t middle = fork();
    if (middle == 0) {
        pid_t self = getpid();
        child = fork();
        if (child == 0) {
            close(pipe_fds[0]);
            close(pipe_fds[1]);
            while (getppid() == self) /* it ends at once, and then the parent is the subreaper */
                poll(NULL, 0, 1);
            return 0;
        }
        ssize_t n = write(pipe_fds[1], &child, sizeof child);
        _exit(n == (ssize_t)sizeof child ? 0 : 1);
    }
    close(pipe_fds[1]);
    if (middle > 0) {
        if (read(pipe_fds[0], &child, sizeof child) != (ssize_t)sizeof child)
            child = -1;
        while (waitpid(middle, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    close(pipe_fds[0]);
    return child;
}

pid_t askr_fork_sibling(void)
{
    int *tid_address = NULL;

    if (prctl(PR_GET_TID_ADDRESS, &tid_address) != 0 || !tid_address)
        return askr_fork_twice();
#if defined(__x86_64__) || defined(__aarch64__)
    unsigned long flags =
        CLONE_PARENT | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID; /* CLONE_PARENT takes the caller's exit signal */
#if defined(__x86_64__)
    return (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, tid_address, NULL);
#else
    return (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, tid_address);
#endif
#else
    return askr_fork_twice(); /* the order of clone's arguments is the architecture's */
#endif
}

int askr_fork_die_with(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return -1;
    return getppid() == parent ? 0 : -1;
}
