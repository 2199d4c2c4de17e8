#ifndef ASKR_PHP_COMPAT_H
#define ASKR_PHP_COMPAT_H

/*
 * Every difference between PHP 8.2, 8.3, 8.4 and 8.5 that this SAPI meets, and PHP's headers in their one order.
 * Nothing else includes a PHP header and nothing else tests PHP_VERSION_ID.
 */
#include <stdbool.h>

#include "main/php.h"

#include "Zend/zend_exceptions.h"
#include "Zend/zend_extensions.h"
#include "Zend/zend_interfaces.h"
#include "Zend/zend_smart_str.h"
#include "ext/random/php_random.h"
#include "ext/session/php_session.h"
#include "ext/standard/basic_functions.h"
#include "ext/standard/head.h"
#include "ext/standard/info.h"
#include "main/SAPI.h"
#include "main/php_ini.h"
#include "main/php_main.h"
#include "main/php_output.h"
#include "main/php_variables.h"
#include "main/php_version.h"

#if PHP_VERSION_ID < 80200 || PHP_VERSION_ID >= 80600
#error "askr-php is written for PHP 8.2 to 8.5"
#endif
#ifdef ZTS
#error "askr-php needs a non-thread-safe PHP (NTS): one interpreter per process"
#endif

/*
 * Until 8.4 OPcache is a zend_extension of its own, which refuses SAPI names that are not in its list; a static build registers it by hand.
 * From 8.5 on it is part of PHP and has no such list.
 */
#if PHP_VERSION_ID < 80500
#define ASKR_OPCACHE_WANTS_KNOWN_SAPI 1
#ifdef ASKR_PHP_STATIC
#define ASKR_OPCACHE_REGISTERED_BY_HAND 1
extern zend_extension zend_extension_entry;
#endif
#endif

/* Some distributions have the session extension in a file of its own: then &ps_globals is NULL. */
#pragma weak ps_globals

/* The functions of session_set_save_handler(), in PHP's order; a struct or an array of the same zvals, by version. */
enum { ASKR_SESSION_FUNCTIONS = sizeof(((php_ps_globals *)0)->mod_user_names) / sizeof(zval) };

static inline zval *askr_compat_session_functions(void)
{
    return (zval *)(void *)&PS(mod_user_names);
}

/*
 * The generators that a forked worker must not share with its siblings: mt_rand(), lcg_value() and uniqid(), and the descriptor of
 * /dev/urandom.  A generator that is not seeded seeds itself at its next use.
 */
static inline void askr_compat_reseed(void)
{
    RANDOM_G(combined_lcg_seeded) = false;
    RANDOM_G(mt19937_seeded) = false;
}

/* error_get_last() of the request before. */
static inline void askr_compat_clear_last_error(void)
{
    if (PG(last_error_message)) {
        zend_string_release(PG(last_error_message));
        PG(last_error_message) = NULL;
    }
    if (PG(last_error_file)) {
        zend_string_release(PG(last_error_file));
        PG(last_error_file) = NULL;
    }
    PG(last_error_type) = 0;
    PG(last_error_lineno) = 0;
}

#endif
