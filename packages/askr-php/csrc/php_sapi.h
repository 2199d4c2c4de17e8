#ifndef ASKR_PHP_SAPI_H
#define ASKR_PHP_SAPI_H

#include "php_compat.h"

/*
 * Module start-up: once per process, before any fork, on the thread that will run PHP.  `ini` (may be NULL) follows the built-in lines.
 * ASKR_OK, or ASKR_EINVAL when PHP refused to start (its reason is in the log).
 */
int askr_sapi_startup(const char *ini);

#endif
