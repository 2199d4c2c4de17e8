/* PHP without a server: what `askr doctor` asks, and one script for commands and tests. */
#include <stdio.h>
#include <string.h>

#include "askr_php.h"
#include "php_context.h"
#include "php_request.h"
#include "php_sapi.h"

static void put_line(char *buf, size_t cap, size_t *at, const char *key, const char *value)
{
    int n = snprintf(buf + *at, cap - *at, "%s %s\n", key, value);
    *at = n < 0 || (size_t)n >= cap - *at ? cap : *at + (size_t)n;
}

int64_t askr_php_describe(const char *ini, char *buf, size_t cap)
{
    char number[24], *ini_file = NULL;
    size_t at = 0;
    zend_module_entry *module;

    int rc = askr_sapi_startup(ini);
    if (rc != ASKR_OK)
        return rc;
    put_line(buf, cap, &at, "version", PHP_VERSION);
    snprintf(number, sizeof number, "%d", PHP_VERSION_ID);
    put_line(buf, cap, &at, "version_id", number);
    put_line(buf, cap, &at, "zts", USING_ZTS ? "1" : "0");
    put_line(buf, cap, &at, "debug", ZEND_DEBUG ? "1" : "0");
    put_line(buf, cap, &at, "sapi", sapi_module.name);
    put_line(buf, cap, &at, "ini", cfg_get_string("cfg_file_path", &ini_file) == SUCCESS && ini_file ? ini_file : "");
    ZEND_HASH_FOREACH_PTR(&module_registry, module)
    {
        put_line(buf, cap, &at, "extension", module->name);
    }
    ZEND_HASH_FOREACH_END();
    if (zend_get_extension("Zend OPcache") && !zend_hash_str_exists(&module_registry, ZEND_STRL("zend opcache")))
        put_line(buf, cap, &at, "extension", "Zend OPcache");
    return at < cap ? (int64_t)at : ASKR_E2BIG;
}

int askr_php_run_script(const char *ini, const char *script, int out_fd)
{
    askr_ctx.out_fd = out_fd;
    int rc = askr_sapi_startup(ini);
    if (rc != ASKR_OK)
        return rc;
    askr_request_begin_boot(script);
    if (php_request_startup() == FAILURE)
        return ASKR_EINVAL;
    int status = askr_request_run_script(script);
    php_request_shutdown(NULL);
    return status;
}
