#ifndef ASKR_PHP_ENVIRON_H
#define ASKR_PHP_ENVIRON_H

#include "php_compat.h"

/*
 * What $_SERVER begins with: the process's environment as PHP imports it, then what is always the same.  Importing costs as much as all the rest of $_SERVER, so it is
 * done once and copied, and again when the environment is another.
 */

typedef struct {
    const char *name, *value;
} askr_constant;

/* In our module's MINIT, when strings can be interned for good; ends with a row of NULL. */
void askr_environ_startup(const askr_constant *constants);
/* When PHP's modules have started. */
void askr_environ_watch(void);
/* A new array of the request, with room for a request's variables. */
HashTable *askr_environ_copy(void);
/* A request is over. */
void askr_environ_end(void);

#endif
