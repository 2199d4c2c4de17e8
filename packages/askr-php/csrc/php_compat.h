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
