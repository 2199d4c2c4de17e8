/*
 * Worker mode: what PHP keeps per request, given up and made anew while the script that called askr_handle_request() stays on the stack.
 *
 * php_request_shutdown() and php_request_startup() do far more than that: they destroy every object, class and constant of the application.  So the parts
 * that belong to one HTTP request are done here one by one, in PHP's own order (main/main.c):
 *
 *   part                          given up by                              made anew by
 *   ----------------------------  ---------------------------------------  ------------------------------------------
 *   shutdown functions            called and freed                         an empty table; boot's own table is set aside
 *   output layer                  php_output_end_all, _deactivate          php_output_activate, output_buffering
 *   modules with request state    their RSHUTDOWN                          their RINIT (MODULES below)
 *   what lies around elsewhere    php_leftovers.c                          php_leftovers.c
 *   superglobals                  zval_ptr_dtor of each of PG(http_globals) php_hash_environment, auto globals again
 *   SAPI: headers, body, uploads  sapi_deactivate                          sapi_activate (reads a POST body)
 *   errors, stat cache            cleared
 *   time limit                    php_deadline.c                           php_deadline.c
 *
 * [leak-renew-1] php_hash_environment() overwrites PG(http_globals) without freeing it, because request start-up finds it empty; the input filter's arrays
 * are overwritten by sapi_activate() the same way.  Both are destroyed before.
 */
#include <string.h>

#include "php_context.h"
#include "php_deadline.h"
#include "php_leftovers.h"
#include "php_request.h"
#include "php_response.h"

/* Extensions whose request state would pass from one request to the next; the order is that of RSHUTDOWN. */
static const char *const MODULES[] = {"session", "filter", "zlib"};
enum { MODULE_COUNT = sizeof MODULES / sizeof *MODULES };

static HashTable *boot_shutdown_functions;
static bool is_boot_over;

/* What is looked up by name: once, since the registries stay as they are when PHP's modules have started. */
static zend_module_entry *modules[MODULE_COUNT]; /* NULL: not in this PHP */
static zend_string *eager[4], *session_name;
static zend_auto_global *late[3];

static void look_up(void)
{
    static const char *const EAGER[] = {"_GET", "_POST", "_COOKIE", "_FILES"};
    static const char *const LATE[] = {"_SERVER", "_ENV", "_REQUEST"};

    if (session_name)
        return;
    for (int i = 0; i < MODULE_COUNT; i++)
        modules[i] = zend_hash_str_find_ptr(&module_registry, MODULES[i], strlen(MODULES[i]));
    for (size_t i = 0; i < sizeof EAGER / sizeof *EAGER; i++)
        eager[i] = zend_string_init(EAGER[i], strlen(EAGER[i]), 1);
    for (size_t i = 0; i < sizeof LATE / sizeof *LATE; i++)
        late[i] = zend_hash_str_find_ptr(CG(auto_globals), LATE[i], strlen(LATE[i]));
    session_name = zend_string_init(ZEND_STRL("_SESSION"), 1);
}

static void modules_shutdown(void)
{
    for (int i = 0; i < MODULE_COUNT; i++) {
        zend_module_entry *m = modules[i];
        if (m && m->request_shutdown_func)
            m->request_shutdown_func(m->type, m->module_number);
    }
    zend_hash_del(&EG(symbol_table), session_name);
}

static void modules_startup(void)
{
    for (int i = MODULE_COUNT - 1; i >= 0; i--) {
        zend_module_entry *m = modules[i];
        if (m && m->request_startup_func)
            m->request_startup_func(m->type, m->module_number);
    }
}

static void superglobals_destroy(void)
{
    for (size_t i = 0; i < sizeof eager / sizeof *eager; i++) /* now, so that no destructor runs in the next request */
        zend_hash_del(&EG(symbol_table), eager[i]);
    for (int i = 0; i < NUM_TRACK_VARS; i++) { /* [leak-renew-1] */
        zval_ptr_dtor_nogc(&PG(http_globals)[i]);
        ZVAL_UNDEF(&PG(http_globals)[i]);
    }
}

/*
 * $_SERVER, $_ENV and $_REQUEST are filled when code that names them is compiled, and the application was compiled long ago: those that were filled before (and are not
 * armed any more) are filled now, the others when they are first named.
 */
static void superglobals_create(void)
{
    bool was_filled[sizeof late / sizeof *late];

    for (size_t i = 0; i < sizeof late / sizeof *late; i++)
        was_filled[i] = late[i] && !late[i]->armed;
    php_hash_environment();
    for (size_t i = 0; i < sizeof late / sizeof *late; i++)
        if (was_filled[i] && late[i]->armed)
            late[i]->armed = late[i]->auto_global_callback(late[i]->name);
}

static int close_input(zval *entry)
{
    const zend_resource *res = Z_RES_P(entry);

    if (res->type == php_file_le_stream() &&
        strcmp(((php_stream *)res->ptr)->ops->label, "Input") == 0) /* php://input's, not exported */
        zend_list_close(Z_RES_P(entry));
    return ZEND_HASH_APPLY_KEEP;
}

/*
 * [leak-renew-2] sapi_deactivate() forgets the request's body, because at PHP's own request shut-down the resource list is destroyed anyway.  A php://input that
 * the application still has open reads from it, so that is closed first.
 */
static void body_close(void)
{
    php_stream *body = SG(request_info).request_body;

    if (!body)
        return;
    zend_hash_apply(&EG(regular_list), close_input);
    SG(request_info).request_body = NULL;
    php_stream_close(body);
}

/* Boot's request ends here: it had no client, so its headers and output are dropped.  Before the first request is begun. */
void askr_renew_leave_boot(void)
{
    if (is_boot_over)
        return;
    is_boot_over = true;
    look_up();
    boot_shutdown_functions = BG(user_shutdown_function_names);
    BG(user_shutdown_function_names) = NULL;
    askr_leftovers_keep();
    SG(headers_sent) = 1;
    php_output_discard_all();
    php_output_deactivate();
    modules_shutdown();
    sapi_deactivate();
}

/* What php_request_startup() does for a request, in its order. */
static void begin(void)
{
    superglobals_destroy();
    php_output_activate();
    PG(header_is_being_sent) = 0;
    PG(connection_status) = PHP_CONNECTION_NORMAL;
    PG(in_user_include) = 0;
    EG(exit_status) = 0;
    sapi_activate();
    if (PG(expose_php))
        sapi_add_header(SAPI_PHP_VERSION_HEADER, sizeof SAPI_PHP_VERSION_HEADER - 1, 1);
    if (PG(output_handler) && PG(output_handler)[0]) {
        zval handler;
        ZVAL_STRING(&handler, PG(output_handler));
        php_output_start_user(&handler, 0, PHP_OUTPUT_HANDLER_STDFLAGS);
        zval_ptr_dtor(&handler);
    } else if (PG(output_buffering)) {
        php_output_start_user(NULL, PG(output_buffering) > 1 ? (size_t)PG(output_buffering) : 0,
                              PHP_OUTPUT_HANDLER_STDFLAGS);
    } else if (PG(implicit_flush)) {
        php_output_set_implicit_flush(1);
    }
    superglobals_create();
    askr_leftovers_renew();
    modules_startup();
}

/*
 * While PHP reads the request no error handler of the application is asked, as per request, where there is none yet: a body over post_max_size is a warning in the
 * log and an empty $_POST, not an exception that nobody can catch.
 */
void askr_renew_begin(void)
{
    zval handler;

    ZVAL_COPY_VALUE(&handler, &EG(user_error_handler));
    ZVAL_UNDEF(&EG(user_error_handler));
    PG(during_request_startup) = 1;
    begin();
    PG(during_request_startup) = 0;
    ZVAL_COPY_VALUE(&EG(user_error_handler), &handler);
    askr_deadline_begin();
}

static void shutdown_functions(void)
{
    php_call_shutdown_functions();
    php_free_shutdown_functions();
    askr_request_settle("a shutdown function");
}

/* Each part is settled for itself, so that what one of them throws does not keep the others from running. */
void askr_renew_end(void)
{
    askr_ctx.is_ending = true;
    shutdown_functions();
    if (!askr_ctx.is_finished) {
        php_output_end_all();
        askr_request_settle("an output callback");
    }
    modules_shutdown(); /* the session is written before the client has its answer */
    askr_request_settle("a session handler");
    askr_response_complete(false);
    askr_request_settle("a header callback");
    if (askr_deferred_count()) {
        askr_deferred_run();
        shutdown_functions(); /* of deferred work, and so is an open session */
        modules_shutdown();
        askr_request_settle("a session handler");
    }
    askr_deadline_end();
    php_output_discard_all();
    askr_request_settle("an output callback");
    superglobals_destroy();
    askr_request_settle("a destructor");
    php_output_deactivate();
    body_close();
    sapi_deactivate();
    askr_leftovers_clear();
    php_clear_stat_cache(0, NULL, 0);
    askr_compat_clear_last_error();
    zend_memory_reset_peak_usage();
    askr_request_end();
}

void askr_renew_restore_boot(void)
{
    if (!is_boot_over)
        return;
    is_boot_over = false;
    if (BG(user_shutdown_function_names)) { /* a request's own, left over by a fatal error */
        php_call_shutdown_functions();
        php_free_shutdown_functions();
    }
    BG(user_shutdown_function_names) = boot_shutdown_functions;
    boot_shutdown_functions = NULL;
}

void askr_renew_leave(void)
{
    askr_renew_restore_boot();
    askr_request_end();
    sapi_activate();
    php_output_activate();
    superglobals_destroy();
    superglobals_create();
    askr_leftovers_renew();
    modules_startup();
}
