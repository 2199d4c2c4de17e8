#ifndef ASKR_PHP_WATCH_H
#define ASKR_PHP_WATCH_H

#include "php_compat.h"

/*
 * PHP's own functions that we see first, because they change or read what we keep from request to request or make late.  OPcache watches chdir() the same way.
 */

/* Puts `handler` before PHP's function of that name, which `*before` then is; false where it is switched off or not there.  Once, when PHP's modules have started. */
bool askr_watch(const char *name, zif_handler handler, zif_handler *before);

#endif
