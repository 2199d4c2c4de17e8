#include "php_request.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "php_context.h"
#include "php_environ.h"
#include "php_log.h"
#include "php_response.h"
#include "php_script.h"

static char *field_text(enum askr_field f)
{
    const char *at = askr_ctx.head.field[f].at;
    return (char *)(uintptr_t)(at ? at : "");
}

/* SG(request_info) borrows the head's bytes; askr_request_end takes them out again before the head is reused. */
static void fill_request_info(void)
{
    const askr_head *head = &askr_ctx.head;
    sapi_request_info *info = &SG(request_info);
    askr_slice protocol = head->field[ASKR_FIELD_PROTOCOL];

    memset(info, 0, sizeof *info);
    info->request_method = field_text(ASKR_FIELD_METHOD);
    info->query_string = field_text(ASKR_FIELD_QUERY);
    info->request_uri = field_text(ASKR_FIELD_TARGET);
    info->path_translated = field_text(ASKR_FIELD_SCRIPT_FILENAME);
    info->content_type = head->content_type.at;
    info->content_length = (zend_long)askr_request_body_bytes(askr_ctx.pool, askr_ctx.xid);
    info->proto_num = protocol.len == 8 && memcmp(protocol.at, "HTTP/1.0", 8) == 0 ? 1000 : 1001;
    SG(server_context) = &askr_ctx; /* not NULL: PHP reads a request body only then */
    SG(sapi_headers).http_response_code = 200;
    php_handle_auth_data(head->authorization.at);
}

bool askr_request_begin(askr_xid x)
{
    askr_ctx.xid = x;
    askr_ctx.head_is_sent = askr_ctx.is_finished = askr_ctx.is_aborted = false;
    askr_ctx.is_cut = askr_ctx.is_refused = askr_ctx.is_ending = false;
    askr_ctx.served++;
    int rc = askr_head_load(&askr_ctx.head, askr_ctx.pool, x);
    if (rc == ASKR_OK) {
        fill_request_info();
        return true;
    }
    askr_logf(ASKR_LOG_ERROR, "worker %u: a request head could not be read (%d); answering 502", askr_ctx.index, rc);
    askr_worker_finish(askr_ctx.pool, askr_ctx.index, x, 1);
    askr_request_end();
    return false;
}

void askr_request_begin_boot(const char *script)
{
    memset(&SG(request_info), 0, sizeof SG(request_info));
    SG(request_info).request_method = "GET";
    SG(request_info).query_string = (char *)(uintptr_t) "";
    SG(request_info).request_uri = (char *)(uintptr_t) "/";
    SG(request_info).path_translated = (char *)(uintptr_t)script;
    SG(request_info).proto_num = 1001;
    SG(sapi_headers).http_response_code = 200;
    SG(server_context) = &askr_ctx;
}

void askr_request_end(void)
{
    askr_ctx.xid = 0;
    SG(server_context) = NULL;
    SG(request_info).request_method = NULL;
    SG(request_info).query_string = NULL;
    SG(request_info).request_uri = NULL;
    SG(request_info).path_translated = NULL;
    SG(request_info).content_type = NULL;
    SG(request_info).content_type_dup = NULL; /* freed by sapi_deactivate, which leaves the pointer */
    SG(request_info).cookie_data = NULL;
    SG(request_info).content_length = 0;
    askr_environ_end();
}

/* A script that is gone is PHP-FPM's 404, and one that may not be read its 403, with FPM's texts. */
static bool may_run(const char *script)
{
    int error = askr_script_enter(script);
    if (error == 0)
        return true;
    bool is_forbidden = error == EACCES;
    SG(sapi_headers).http_response_code = is_forbidden ? 403 : 404;
    const char *text = is_forbidden ? "Access denied.\n" : "File not found.\n";
    php_output_write(text, strlen(text));
    return false;
}

enum { DEFERRED_MAX = 256 }; /* the contract's bound, per request */
static zval deferred[DEFERRED_MAX];
static uint32_t deferred_count;

static void session_write(void)
{
    zval name, result;

    ZVAL_STRING(&name, "session_write_close");
    if (zend_hash_exists(EG(function_table), Z_STR(name)) &&
        call_user_function(NULL, NULL, &name, &result, 0, NULL) == SUCCESS)
        zval_ptr_dtor(&result);
    zval_ptr_dtor(&name);
}

/*
 * What is deferred runs when the client has its answer, and so does the rest of the shutdown; the response is complete before that, with what shutdown
 * functions (which may defer, too) and the session add to it.
 */
static void complete_then_run_deferred(void)
{
    php_call_shutdown_functions();
    php_free_shutdown_functions();
    if (!deferred_count || askr_ctx.role == ASKR_ROLE_STRANGER)
        return;
    zend_try
    {
        session_write();
    }
    zend_end_try();
    zend_try
    {
        askr_response_complete(false);
    }
    zend_end_try();
    askr_deferred_run();
}

static bool has_output_callback(void)
{
    const zend_stack *handlers = &OG(handlers);

    for (int i = 0; i < handlers->top; i++) {
        const php_output_handler *handler = ((php_output_handler **)handlers->elements)[i];
        if (handler->flags & PHP_OUTPUT_HANDLER_USER)
            return true;
    }
    return false;
}

/* Whether the end of the request has anything to call that the application wrote. */
static bool has_code_to_run_yet(void)
{
    return BG(user_shutdown_function_names) || deferred_count || EG(objects_store).top > 1 || EG(exception) ||
           has_output_callback() || !Z_ISUNDEF(SG(callback_func)) || !Z_ISUNDEF(EG(user_error_handler)) ||
           (&ps_globals && PS(session_status) == php_session_active);
}

bool askr_request_serve(askr_xid x)
{
    if (!askr_request_begin(x))
        return true;
    if (php_request_startup() == FAILURE) {
        askr_logf(ASKR_LOG_ERROR, "worker %u: PHP could not start a request", askr_ctx.index);
        askr_worker_finish(askr_ctx.pool, askr_ctx.index, x, 1);
        php_request_shutdown(NULL);
        askr_request_end();
        return false;
    }
    if (may_run(SG(request_info).path_translated))
        askr_request_run_script(SG(request_info).path_translated);
    if (has_code_to_run_yet())
        askr_script_leave();
    complete_then_run_deferred();
    php_request_shutdown(NULL); /* shutdown functions, destructors, output, session: in PHP's order */
    if (askr_ctx.role == ASKR_ROLE_STRANGER)
        _exit(EG(exit_status));
    if (askr_has_client())
        askr_worker_finish(askr_ctx.pool, askr_ctx.index, askr_ctx.xid, !askr_response_is_whole());
    askr_request_end();
    return true;
}

int askr_request_run_script(const char *script)
{
    zend_file_handle file;

    zend_stream_init_filename(&file, script);
    file.primary_script = 1;
    zend_first_try
    {
        php_execute_script(&file);
    }
    zend_end_try();
    zend_destroy_file_handle(&file);
    return EG(exit_status);
}

/* ---- what a request leaves unfinished ---- */

const char *askr_exception_message(zend_object *exception)
{
    zval rv, *message = zend_read_property_ex(zend_get_exception_base(exception), exception,
                                              ZSTR_KNOWN(ZEND_STR_MESSAGE), 1, &rv);

    return Z_TYPE_P(message) == IS_STRING ? Z_STRVAL_P(message) : "";
}

/*
 * Ends what the application threw where no code of its own can catch it.  As under PHP-FPM, an exception makes the answer a 500 while that is possible, and exit() is
 * nothing to speak of.  PHP swallows a fatal error in some places (shutdown functions, session handlers), having cut the frames and left the heap as it was.
 */
void askr_request_settle(const char *where)
{
    zend_object *exception = EG(exception);

    if (CG(unclean_shutdown) && askr_ctx.is_ending)
        zend_bailout();
    if (!exception)
        return;
    if (!zend_is_unwind_exit(exception) && !zend_is_graceful_exit(exception)) {
        askr_logf(ASKR_LOG_WARN, "askr-worker: uncaught %s in %s: %s", ZSTR_VAL(exception->ce->name), where,
                  askr_exception_message(exception));
        if (!SG(headers_sent) && SG(sapi_headers).http_response_code == 200)
            SG(sapi_headers).http_response_code = 500;
    }
    zend_clear_exception();
}

/* ---- deferred work ---- */

/* Refused at the very end of PHP's request: what destructors defer then would be freed before it could run. */
bool askr_deferred_add(zval *callback)
{
    if (deferred_count == DEFERRED_MAX || (EG(flags) & EG_FLAGS_IN_SHUTDOWN))
        return false;
    ZVAL_COPY(&deferred[deferred_count], callback);
    deferred_count++;
    return true;
}

uint32_t askr_deferred_count(void)
{
    return deferred_count;
}

static void run_deferred(zval *slot)
{
    zval callback, result;

    ZVAL_COPY_VALUE(&callback, slot);
    ZVAL_UNDEF(&result);
    if (call_user_function(NULL, NULL, &callback, &result, 0, NULL) == SUCCESS)
        zval_ptr_dtor(&result);
    zval_ptr_dtor(&callback);
    askr_request_settle("deferred work");
}

/*
 * Per request there is no frame to catch an exception in: PHP logs it and bails out, and the next callback runs all the same.  In worker mode a fatal error
 * passes on, as it does in a handler.
 */
static void run_deferred_guarded(zval *slot)
{
    if (EG(current_execute_data)) {
        run_deferred(slot);
        return;
    }
    zend_try
    {
        run_deferred(slot);
    }
    zend_end_try();
}

/* The list may grow while it runs: what is deferred by deferred work runs too, within the same bound. */
void askr_deferred_run(void)
{
    for (uint32_t i = 0; i < deferred_count; i++)
        run_deferred_guarded(&deferred[i]);
    deferred_count = 0;
}
