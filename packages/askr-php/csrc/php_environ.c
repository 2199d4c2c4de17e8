#include "php_environ.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "php_context.h"
#include "php_watch.h"

enum {
    ROOM = 40
}; /* a request's variables: about 25 of CGI and PHP, and the header fields that a browser sends; it grows if there are more */

#define KEPT_BYTES_MOST                                                                                                \
    (256u * 1024u) /* an environment has some KiB; one whose values are always new is imported instead */

static const askr_constant *constant_rows;
static HashTable made; /* by malloc: it outlives requests */
static HashTable kept; /* the strings in it that were made after startup */
static size_t kept_bytes;
static bool has_table;
static char **seen; /* the entries of `environ` that it was made from */
static size_t seen_count;

/* Worker mode, where putenv() lasts. */
static bool is_stale;          /* it was called since the table was made */
static bool is_loud, is_quiet; /* it was called in this request; was not in the one before */
static zif_handler putenv_of_php;

/*
 * An entry that is replaced is another pointer.  Per request that is all there is to know: PHP puts the environment's own entries back at the end.  In worker mode putenv() frees what it
 * set before, a new entry may stand in the old one's place, and so putenv() is watched, too.
 */
static bool is_as_seen(void)
{
    size_t n = 0;

    for (; environ && environ[n]; n++)
        if (n == seen_count || environ[n] != seen[n])
            return false;
    return n == seen_count;
}

static bool is_worker_mode(void)
{
    return askr_ctx.config && askr_ctx.config->mode == ASKR_WORKER_MODE;
}

static bool see(void)
{
    size_t n = 0;

    while (environ && environ[n])
        n++;
    char **entries = realloc(seen, (n + 1) * sizeof *entries);
    if (!entries)
        return false;
    if (n)
        memcpy(entries, environ, n * sizeof *entries);
    seen = entries;
    seen_count = n;
    return true;
}

/*
 * A string of the table lives for ever: the application may hold it longer than any table does, and PHP takes a string that it holds alone, and that is not
 * interned, for one of a request's own memory, which it may make longer in place.  (ini_get() copies its values for the same reason.)
 */
static zend_string *lasting(const char *text, size_t n, bool is_startup)
{
    if (is_startup)
        return zend_string_init_interned(text, n, 1);
    zend_string *string = zend_hash_str_find_ptr(&kept, text, n);
    if (string)
        return string;
    string = zend_string_init(text, n, 1);
    zend_string_hash_val(string);
    GC_ADD_FLAGS(string, IS_STR_INTERNED | IS_STR_PERMANENT);
    zend_hash_add_new_ptr(&kept, string, string);
    kept_bytes += n;
    return string;
}

static void put(zend_string *key, zend_ulong number, const char *text, size_t n, bool is_startup)
{
    zval zv;

    ZVAL_STR(&zv, lasting(text, n, is_startup));
    if (key) {
        zend_string *name = lasting(ZSTR_VAL(key), ZSTR_LEN(key), is_startup);
        zend_hash_update(&made, name, &zv);
        zend_string_release(name);
    } else {
        zend_hash_index_update(&made, number, &zv);
    }
}

/* All strings in it are interned, so that it can be copied as bytes. */
static void make(bool is_startup)
{
    zval imported, *value;
    zend_string *key;
    zend_ulong number;

    array_init(&imported);
    php_import_environment_variables(&imported); /* a pointer, which an extension may have set */
    if (has_table)
        zend_hash_destroy(&made);
    zend_hash_init(&made, zend_hash_num_elements(Z_ARRVAL(imported)) + ROOM, NULL, ZVAL_INTERNAL_PTR_DTOR, 1);
    zend_hash_real_init_mixed(&made);
    ZEND_HASH_FOREACH_KEY_VAL(Z_ARRVAL(imported), number, key, value)
    {
        if (Z_TYPE_P(value) == IS_STRING)
            put(key, number, Z_STRVAL_P(value), Z_STRLEN_P(value), is_startup);
    }
    ZEND_HASH_FOREACH_END();
    zval_ptr_dtor(&imported);
    for (const askr_constant *row = constant_rows; row->name; row++) {
        zend_string *name = lasting(row->name, strlen(row->name), is_startup);
        put(name, 0, row->value, strlen(row->value), is_startup);
        zend_string_release(name);
    }
    GC_ADD_FLAGS(&made, IS_ARRAY_IMMUTABLE);
    has_table = true;
    is_stale = !see();
}

static void on_putenv(INTERNAL_FUNCTION_PARAMETERS)
{
    is_stale = is_loud = true;
    putenv_of_php(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

void askr_environ_startup(const askr_constant *constants)
{
    constant_rows = constants;
    zend_hash_init(&kept, 0, NULL, NULL, 1);
    make(true);
}

void askr_environ_watch(void)
{
    if (is_worker_mode())
        askr_watch("putenv", on_putenv, &putenv_of_php);
}

/* As PHP's other SAPIs do it, every time. */
static HashTable *import(void)
{
    zval vars, value;

    array_init(&vars);
    php_import_environment_variables(&vars);
    for (const askr_constant *row = constant_rows; row->name; row++) {
        ZVAL_STRING(&value, row->value);
        zend_hash_str_update(Z_ARRVAL(vars), row->name, strlen(row->name), &value);
    }
    return Z_ARRVAL(vars);
}

HashTable *askr_environ_copy(void)
{
    if (is_stale || !is_as_seen()) {
        if (!is_quiet || !is_worker_mode() || kept_bytes > KEPT_BYTES_MOST)
            return import();
        make(false);
    }
    return zend_array_dup(&made);
}

void askr_environ_end(void)
{
    is_quiet = !is_loud;
    is_loud = false;
}
