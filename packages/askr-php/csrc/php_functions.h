#ifndef ASKR_PHP_FUNCTIONS_H
#define ASKR_PHP_FUNCTIONS_H

#include "php_compat.h"

/* The functions that applications call: askr_* (the contract's php-functions page) and those of PHP-FPM's SAPI that they expect. */
extern const zend_function_entry askr_functions[];

#endif
