#include "php_accel.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

static bool is_on;     /* this process keeps the lock */
static bool is_held;   /* the kernel has it down for this process */
static bool is_wanted; /* the request in hand has asked for it */

void askr_accel_begin(void)
{
    is_on = true;
    is_held = is_wanted = false;
}

void askr_accel_forget(void)
{
    is_on = is_held = is_wanted = false;
}

int askr_accel_is_kept(void)
{
    return is_held;
}

#ifdef ASKR_PHP_STATIC

/* build_kernel.py: -Wl,--wrap=fcntl, which concerns what is linked into this module, that is PHP and us. */
int __real_fcntl(int fd, int cmd, ...);
int __wrap_fcntl(int fd, int cmd, ...);

static int lock_fd = -1; /* OPcache's lock file; it stays open */

static bool is_usage_byte(const struct flock *l)
{
    return l->l_whence == SEEK_SET && l->l_start == 1 && l->l_len == 1;
}

static bool is_whole_file(const struct flock *l)
{
    return l->l_whence == SEEK_SET && l->l_start == 0 && l->l_len == 0;
}

void askr_accel_idle(void)
{
    struct flock usage = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 1};

    if (is_held)
        (void)__real_fcntl(lock_fd, F_SETLK, &usage);
    is_held = is_wanted = false;
}

/* ZendAccelerator.c, accel_activate_add(). */
static int lock_usage(int fd, struct flock *l)
{
    is_wanted = true;
    if (is_held && fd == lock_fd)
        return 0;
    int rc = __real_fcntl(fd, F_SETLK, l);
    if (rc == 0) {
        is_held = true;
        lock_fd = fd;
    }
    return rc;
}

/* The same, accel_deactivate_sub(), and accel_unlock_all() at the end of a request, when all other locks on the file have been given back one by one. */
static int unlock_usage(int fd, struct flock *l)
{
    bool is_kept = is_wanted;

    if (is_whole_file(l))
        is_wanted = false;
    if (is_kept)
        return 0;
    is_held = false;
    return __real_fcntl(fd, F_SETLK, l);
}

int __wrap_fcntl(int fd, int cmd, ...)
{
    va_list more;

    va_start(more, cmd);
    void *argument = va_arg(more, void *); /* or an int, or nothing: the kernel knows which by `cmd` */
    va_end(more);
    if (is_on && cmd == F_SETLK) {
        struct flock *l = argument;
        if (l->l_type == F_RDLCK && is_usage_byte(l))
            return lock_usage(fd, l);
        if (l->l_type == F_UNLCK && is_held && fd == lock_fd && (is_usage_byte(l) || is_whole_file(l)))
            return unlock_usage(fd, l);
    }
    return __real_fcntl(fd, cmd, argument);
}

#else

void askr_accel_idle(void)
{
}

#endif
