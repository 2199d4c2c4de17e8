#ifndef ASKR_PHP_SCRIPT_H
#define ASKR_PHP_SCRIPT_H

#include <stdbool.h>

/*
 * Per-request mode: whether the script is there, and the working directory, which is the script's own while it runs and the server's before and after, as
 * under PHP's other SAPIs.  PHP looks and changes it three times per request (getcwd, chdir, chdir), and each look walks a path; here it is known.
 */

/* Once, in the process that forks: finds the server's directory and watches the functions that leave it. */
void askr_script_startup(void);

/*
 * Looks whether `path` can be run and enters its directory.  0, or the errno of access(2).  What was seen a moment ago is believed, if OPcache holds the script
 * anyway: see LOOK_TTL_NS.
 */
int askr_script_enter(const char *path);

/* The script is over, and code of the application may run yet (shutdown functions, destructors, output and session handlers): back to the server's directory. */
void askr_script_leave(void);

#endif
