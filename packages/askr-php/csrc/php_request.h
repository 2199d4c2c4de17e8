#ifndef ASKR_PHP_REQUEST_H
#define ASKR_PHP_REQUEST_H

#include <stdbool.h>

#include "askr_pool.h"
#include "php_compat.h"

/*
 * From an exchange to PHP's request and back.  All setjmp of this SAPI is here: everything that may bail out (zend_bailout, from a fatal error or the
 * memory limit) is called from a function of this file or from PHP's own php_execute_script.
 */

/* Takes x over: decodes its head and fills SG(request_info).  False: the exchange was no good and is finished as failed. */
bool askr_request_begin(askr_xid x);
/* SG(request_info) and PHP's options for a script that runs without a request (boot). */
void askr_request_begin_boot(const char *script);
/* Forgets the request; SG(request_info) holds nothing of its memory afterwards. */
void askr_request_end(void);

/* Per-request mode: one whole PHP life for x.  False when the interpreter is not fit for another request. */
bool askr_request_serve(askr_xid x);
/* A script between php_request_startup and php_request_shutdown.  PHP's exit status. */
int askr_request_run_script(const char *script);

/*
 * Worker mode, called by askr_handle_request: PHP's request state is given up and renewed between two requests while the application stays.
 * See php_renew.c.
 */
void askr_renew_leave_boot(void); /* once, before the first request; later calls do nothing */
void askr_renew_begin(void);
void askr_renew_end(void);
/* Puts back the shutdown functions that boot had registered: after a fatal error, when the script is not to run on. */
void askr_renew_restore_boot(void);
/* The same, and request state for the rest of the script: when the loop is over. */
void askr_renew_leave(void);

/* Logs and forgets the exception that `where` threw; in worker mode passes a fatal error on that PHP swallowed there. */
void askr_request_settle(const char *where);

/* What getMessage() would say; the exception's own bytes. */
const char *askr_exception_message(zend_object *exception);

/* Runs what askr_defer() was given; errors are logged and swallowed. */
void askr_deferred_run(void);
bool askr_deferred_add(zval *callback); /* false: full, or too late */
uint32_t askr_deferred_count(void);

#endif
