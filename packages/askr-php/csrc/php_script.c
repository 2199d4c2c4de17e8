#include "php_script.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "php_compat.h"
#include "php_watch.h"

/*
 * How long a look is believed.  Long enough that a busy worker hardly ever looks, and short beside anything else that is believed: a deployment that swaps folders is not at once
 * everywhere either, PHP believes OPcache's look for 2 s (opcache.revalidate_freq) and a resolved path for 120 s (realpath_cache_ttl).  The front looks at every request, so a script that was
 * removed is its 404.
 */
enum { LOOK_TTL_NS = 20 * 1000 * 1000 };

static int home = -1; /* the server's directory (O_PATH): it can be gone back to when its path cannot */
static bool is_opcache_on;
static bool is_inside; /* the working directory is that of `seen` */
static char seen[MAXPATHLEN];
static int64_t seen_ns;

/* ---- chdir() and chroot(): after them nobody knows where the process is ---- */

static zif_handler chdir_of_php, chroot_of_php;

static void on_chdir(INTERNAL_FUNCTION_PARAMETERS)
{
    is_inside = false;
    chdir_of_php(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

static void on_chroot(INTERNAL_FUNCTION_PARAMETERS)
{
    is_inside = false;
    chroot_of_php(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

void askr_script_startup(void)
{
    home = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    SG(options) |= SAPI_OPTION_NO_CHDIR;
    is_opcache_on = zend_get_extension("Zend OPcache") && zend_ini_long(ZEND_STRL("opcache.enable"), 0);
    askr_watch("chdir", on_chdir, &chdir_of_php);
    askr_watch("chroot", on_chroot, &chroot_of_php);
}

/* To some milliseconds, which is all that is asked for. */
static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int askr_script_enter(const char *path)
{
    size_t n = strlen(path);
    int64_t now = now_ns();

    if (is_inside && is_opcache_on && now - seen_ns < LOOK_TTL_NS && strcmp(path, seen) == 0)
        return 0;
    is_inside = false;
    if (access(path, R_OK) != 0)
        return errno;
    if (n >= sizeof seen || VCWD_CHDIR_FILE(path) != 0) {
        askr_script_leave(); /* and not where the script before was; whether PHP can run it is for PHP to say */
        return 0;
    }
    memcpy(seen, path, n + 1);
    seen_ns = now;
    is_inside = true;
    return 0;
}

void askr_script_leave(void)
{
    is_inside = false;
    if (home >= 0)
        (void)!fchdir(home);
}
