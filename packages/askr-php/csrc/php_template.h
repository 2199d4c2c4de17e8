#ifndef ASKR_PHP_TEMPLATE_H
#define ASKR_PHP_TEMPLATE_H

#include "askr_pool.h"

/*
 * The template's and the workers' life (askr_php.h: askr_template_run).  What the functions of php_functions.c call back into:
 */

/* askr_cow_ready() in the template: forks workers from here until it is told to stop; returns in each worker. */
void askr_template_fork_here(void);
/* askr_handle_request() in the template: the script never called askr_cow_ready(), so it must not be shared; unwinds it. */
void askr_template_script_is_plain(void);
/* The worker's next request.  ASKR_OK, or ASKR_ECANCELED when it is to leave (drain, --max-requests). */
int askr_template_take(askr_xid *out);

#endif
