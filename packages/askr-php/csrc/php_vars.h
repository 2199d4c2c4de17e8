#ifndef ASKR_PHP_VARS_H
#define ASKR_PHP_VARS_H

#include "php_compat.h"

/*
 * $_SERVER.  Names are interned once, in our module's MINIT: what is interned later lives until the end of a request only.
 */
void askr_vars_startup(void);
/* When PHP's modules have started. */
void askr_vars_watch(void);
/* sapi_module.register_server_variables: the environment, then CGI's variables (RFC 3875) of the request in hand. */
void askr_vars_register(zval *track_vars_array);
/* sapi_module.getenv: CGI's variables of the request in hand; the head's own bytes (PHP copies them) or NULL. */
char *askr_vars_getenv(const char *name, size_t name_len);
/* getallheaders(): the header fields as they were sent. */
void askr_vars_headers(zval *return_value);

#endif
