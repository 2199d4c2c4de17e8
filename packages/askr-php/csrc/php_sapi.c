#include "php_sapi.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "php_context.h"
#include "php_functions.h"
#include "php_log.h"
#include "php_response.h"
#include "php_vars.h"

askr_context askr_ctx = {.out_fd = -1};

/* The contract's php-functions page; what an operator gives with --ini comes behind and wins. */
static const char BUILT_IN_INI[] = "html_errors=0\n"
                                   "implicit_flush=0\n"
                                   "output_buffering=0\n"
                                   "max_execution_time=0\n"
                                   "display_errors=0\n"
                                   "log_errors=1\n"
                                   "error_reporting=E_ALL\n"
                                   "register_argc_argv=0\n";

/* What PHP itself writes about a request or its start: an error log line, in the phase of whoever logs. */
static void log_message(const char *message, int syslog_type)
{
    askr_log_level level = syslog_type <= LOG_ERR       ? ASKR_LOG_ERROR
                           : syslog_type <= LOG_WARNING ? ASKR_LOG_WARN
                                                        : ASKR_LOG_INFO;
    askr_log_line(level, "php", message);
}

/*
 * A peer that closes its socket must not kill PHP.  A handler and not SIG_IGN, which the commands that PHP starts would inherit.
 */
static void on_broken_pipe(int signo)
{
    (void)signo;
}

/* sapi_module.read_post: at most n bytes of the request body; fewer only at its end. */
static size_t read_post(char *buffer, size_t n)
{
    size_t have = 0;

    while (askr_has_client() && have < n) {
        int64_t got = askr_request_read(askr_ctx.pool, askr_ctx.xid, (uint8_t *)buffer + have, n - have);
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    return have;
}

static char *read_cookies(void)
{
    if (askr_ctx.xid == 0)
        return NULL;
    return (char *)(uintptr_t)askr_ctx.head.cookie.at;
}

/* $_SERVER['REQUEST_TIME_FLOAT']: when the request's head was complete, not when a worker got it. */
static zend_result get_request_time(double *request_time)
{
    askr_slice us = askr_ctx.xid ? askr_ctx.head.field[ASKR_FIELD_REQUEST_TIME_US] : (askr_slice){NULL, 0};

    uint64_t count = 0;

    if (!us.len)
        return FAILURE;
    for (uint32_t i = 0; i < us.len && us.at[i] >= '0' && us.at[i] <= '9'; i++)
        count = count * 10 + (uint64_t)(us.at[i] - '0');
    *request_time = (double)count / 1e6;
    return SUCCESS;
}

static PHP_MINIT_FUNCTION(askr)
{
    (void)type;
    (void)module_number;
    askr_vars_startup();
#ifdef ASKR_OPCACHE_REGISTERED_BY_HAND
    zend_register_extension(&zend_extension_entry, NULL);
#endif
#ifdef ASKR_OPCACHE_WANTS_KNOWN_SAPI
    /* OPcache's start-up comes after the MINITs and refuses SAPI names that it does not know.  PHP_SAPI has its value by now. */
    sapi_module.name = (char *)(uintptr_t) "fpm-fcgi";
#endif
    return SUCCESS;
}

static PHP_MINFO_FUNCTION(askr)
{
    (void)zend_module;
    php_info_print_table_start();
    php_info_print_table_row(
        2, "Askr", askr_ctx.config && askr_ctx.config->mode == ASKR_WORKER_MODE ? "worker mode" : "per-request mode");
    php_info_print_table_end();
}

static zend_module_entry askr_module = {
    STANDARD_MODULE_HEADER,
    "askr",
    askr_functions,
    PHP_MINIT(askr),
    NULL,
    NULL,
    NULL,
    PHP_MINFO(askr),
    ASKR_PHP_VERSION,
    STANDARD_MODULE_PROPERTIES,
};

static int sapi_startup_modules(sapi_module_struct *module)
{
    char *name = module->name;
    int rc = php_module_startup(module, &askr_module);

    sapi_module.name = name; /* a struct of its own, copied from *module */
    return rc;
}

static int deactivate(void)
{
    return SUCCESS;
}

static sapi_module_struct askr_sapi = {
    .name = "embed", /* the contract's PHP_SAPI */
    .pretty_name = "Askr",
    .startup = sapi_startup_modules,
    .shutdown = php_module_shutdown_wrapper,
    .deactivate = deactivate,
    .ub_write = askr_response_ub_write,
    .flush = askr_response_flush_now,
    .getenv = askr_vars_getenv,
    .sapi_error = php_error,
    .send_headers = askr_response_send_headers,
    .read_post = read_post,
    .read_cookies = read_cookies,
    .register_server_variables = askr_vars_register,
    .log_message = log_message,
    .get_request_time = get_request_time,
    .php_ini_ignore_cwd = 1,
};

int askr_sapi_startup(const char *ini)
{
    size_t n = sizeof BUILT_IN_INI + (ini ? strlen(ini) : 0) + 2;
    char *lines = malloc(n); /* PHP keeps the pointer for as long as it runs */

    if (!lines)
        return ASKR_ESYS;
    snprintf(lines, n, "%s%s\n", BUILT_IN_INI, ini ? ini : "");
    signal(SIGPIPE, on_broken_pipe);
    zend_signal_startup();
    sapi_startup(&askr_sapi);
    askr_sapi.ini_entries = lines;
    if (askr_sapi.startup(&askr_sapi) == FAILURE)
        return ASKR_EINVAL;
    askr_vars_watch();
    return ASKR_OK;
}
