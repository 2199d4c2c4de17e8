#include "php_watch.h"

#include <string.h>

bool askr_watch(const char *name, zif_handler handler, zif_handler *before)
{
    zend_function *f = zend_hash_str_find_ptr(CG(function_table), name, strlen(name));

    if (!f || f->type != ZEND_INTERNAL_FUNCTION)
        return false;
    *before = f->internal_function.handler;
    f->internal_function.handler = handler;
    return true;
}
