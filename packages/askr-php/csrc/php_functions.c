#include "php_functions.h"

#include <strings.h>

#include "php_context.h"
#include "php_log.h"
#include "php_request.h"
#include "php_response.h"
#include "php_template.h"
#include "php_vars.h"

/* ---- the request as an array, for handlers that take it ---- */

static bool is_multipart(void)
{
    askr_slice type = askr_ctx.head.content_type;
    return type.len >= 19 && strncasecmp(type.at, "multipart/form-data", 19) == 0;
}

static void add_body(zval *request)
{
    zend_string *body = NULL;

    if (!is_multipart() && SG(request_info).content_length > 0) {
        php_stream *s = php_stream_open_wrapper("php://input", "rb", 0, NULL);
        if (s) {
            body = php_stream_copy_to_mem(s, PHP_STREAM_COPY_ALL, 0);
            php_stream_close(s);
        }
    }
    add_assoc_str(request, "body", body ? body : ZSTR_EMPTY_ALLOC());
}

/* One upload as {field, name, type, tmp_name, size, error}; `at` picks an element where the field is an array. */
static void add_file(zval *files, zend_string *field, HashTable *file, zend_ulong at, bool is_array)
{
    static const char *const KEYS[] = {"name", "type", "tmp_name", "size", "error"};
    zval row;

    array_init(&row);
    add_assoc_str(&row, "field", zend_string_copy(field));
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++) {
        zval *v = zend_hash_str_find_deref(file, KEYS[i], strlen(KEYS[i]));
        if (v && is_array)
            v = Z_TYPE_P(v) == IS_ARRAY ? zend_hash_index_find_deref(Z_ARRVAL_P(v), at) : NULL;
        if (v) {
            Z_TRY_ADDREF_P(v);
            add_assoc_zval(&row, KEYS[i], v);
        }
    }
    add_next_index_zval(files, &row);
}

static void add_files(zval *request)
{
    zval files, *entry;
    zend_string *field;

    array_init(&files);
    if (Z_TYPE(PG(http_globals)[TRACK_VARS_FILES]) == IS_ARRAY) {
        ZEND_HASH_FOREACH_STR_KEY_VAL(Z_ARRVAL(PG(http_globals)[TRACK_VARS_FILES]), field, entry)
        {
            if (!field || Z_TYPE_P(entry) != IS_ARRAY)
                continue;
            zval *names = zend_hash_str_find_deref(Z_ARRVAL_P(entry), "name", 4);
            if (names && Z_TYPE_P(names) == IS_ARRAY) {
                zend_ulong at;
                ZEND_HASH_FOREACH_NUM_KEY(Z_ARRVAL_P(names), at)
                {
                    add_file(&files, field, Z_ARRVAL_P(entry), at, true);
                }
                ZEND_HASH_FOREACH_END();
            } else {
                add_file(&files, field, Z_ARRVAL_P(entry), 0, false);
            }
        }
        ZEND_HASH_FOREACH_END();
    }
    add_assoc_zval(request, "files", &files);
}

static void add_global(zval *request, const char *key, int which)
{
    zval *v = &PG(http_globals)[which];

    if (Z_TYPE_P(v) == IS_ARRAY) {
        Z_ADDREF_P(v);
        add_assoc_zval(request, key, v);
    } else {
        add_assoc_null(request, key);
    }
}

static void build_request(zval *request)
{
    const askr_head *head = &askr_ctx.head;

    array_init_size(request, 8);
    add_assoc_stringl(request, "method", (char *)(uintptr_t)head->field[ASKR_FIELD_METHOD].at,
                      head->field[ASKR_FIELD_METHOD].len);
    add_assoc_stringl(request, "uri", (char *)(uintptr_t)head->field[ASKR_FIELD_TARGET].at,
                      head->field[ASKR_FIELD_TARGET].len);
    askr_slice query = head->field[ASKR_FIELD_QUERY];
    add_assoc_stringl(request, "query", query.at ? (char *)(uintptr_t)query.at : "", query.len);
    zend_is_auto_global_str(ZEND_STRL("_SERVER"));
    add_global(request, "headers", TRACK_VARS_SERVER);
    add_body(request);
    add_global(request, "post", TRACK_VARS_POST);
    add_files(request);
}

/* ---- life cycle ---- */

/* An exception that left the handler: the request fails, the worker stays. */
static void fail_request(zend_object *exception)
{
    askr_logf(
        ASKR_LOG_ERROR,
        "askr-worker: uncaught %s escaped the request handler: %s — failing this request (500), keeping the worker",
        ZSTR_VAL(exception->ce->name), askr_exception_message(exception));
    if (askr_response_take_back()) {
        sapi_header_op(SAPI_HEADER_DELETE_ALL, NULL);
        sapi_header_op(SAPI_HEADER_SET_STATUS, (void *)(zend_uintptr_t)500);
    }
}

static void call_handler(zend_fcall_info *fci, zend_fcall_info_cache *fcc)
{
    zval request, result;
    const zend_function *f = fcc->function_handler;
    bool takes_request = f && (f->common.num_args > 0 || (f->common.fn_flags & ZEND_ACC_VARIADIC));

    ZVAL_UNDEF(&request);
    ZVAL_UNDEF(&result);
    if (takes_request) {
        build_request(&request);
        fci->params = &request;
        fci->param_count = 1;
    }
    fci->retval = &result;
    zend_call_function(fci, fcc);
    zval_ptr_dtor(&result);
    zval_ptr_dtor(&request);
    if (!EG(exception) || askr_ctx.role == ASKR_ROLE_STRANGER)
        return;
    if (zend_is_unwind_exit(EG(exception))) {
        zend_clear_exception();
        if (PG(last_error_type) & E_FATAL_ERRORS)
            zend_bailout(); /* not exit(): some builds unwind after the memory limit, too, and the heap is not fit for another request */
        if (!askr_ctx.is_aborted)
            askr_logf(ASKR_LOG_INFO,
                      "askr-worker: request ended via exit()/die() — finishing this response and keeping the worker");
        return;
    }
    zend_object *exception = EG(exception);
    GC_ADDREF(exception);
    zend_clear_exception();
    fail_request(exception);
    OBJ_RELEASE(exception);
}

/* clang-format off: PHP's macros are statements and table rows without the punctuation that the formatter looks for */
ZEND_BEGIN_ARG_INFO_EX(arginfo_handler, 0, 0, 1)
ZEND_ARG_INFO(0, handler)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_INFO_EX(arginfo_callback, 0, 0, 1)
ZEND_ARG_INFO(0, callback)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_INFO_EX(arginfo_none, 0, 0, 0)
ZEND_END_ARG_INFO()
/* clang-format on */

/* bool askr_handle_request(callable $handler): waits for a request, serves it; false when the worker is to stop. */
PHP_FUNCTION(askr_handle_request)
{
    zend_fcall_info fci;
    zend_fcall_info_cache fcc;
    askr_xid x;

    ZEND_PARSE_PARAMETERS_START(1, 1)
    Z_PARAM_FUNC(fci, fcc)
    ZEND_PARSE_PARAMETERS_END();

    if (!askr_ctx.config || askr_ctx.config->mode != ASKR_WORKER_MODE || askr_ctx.role == ASKR_ROLE_ALONE ||
        askr_ctx.role == ASKR_ROLE_STRANGER) {
        zend_throw_error(NULL,
                         "askr_handle_request() works in worker mode only: start askr serve with --worker-script");
        RETURN_THROWS();
    }
    if (askr_ctx.xid != 0) {
        zend_throw_error(NULL, "askr_handle_request() was called inside a request handler");
        RETURN_THROWS();
    }
    if (askr_ctx.role == ASKR_ROLE_TEMPLATE) {
        askr_template_script_is_plain(); /* it does not return here: see there */
        RETURN_FALSE;
    }
    askr_renew_leave_boot();
    do {
        if (askr_template_take(&x) != ASKR_OK) {
            askr_renew_leave();
            RETURN_FALSE;
        }
    } while (!askr_request_begin(x));
    askr_renew_begin();
    call_handler(&fci, &fcc);
    if (askr_ctx.role == ASKR_ROLE_STRANGER) {
        if (!EG(exception))
            zend_throw_unwind_exit(); /* a child that the handler forked: its script ends here */
        RETURN_THROWS();
    }
    askr_renew_end();
    RETURN_TRUE;
}

/* null askr_cow_ready(): workers are forked here, with everything that the script has booted. */
PHP_FUNCTION(askr_cow_ready)
{
    ZEND_PARSE_PARAMETERS_NONE();
    if (askr_ctx.role == ASKR_ROLE_TEMPLATE)
        askr_template_fork_here();
    RETURN_NULL();
}

/* bool askr_defer(callable $callback): runs it when the client has its answer; false when 256 wait already. */
PHP_FUNCTION(askr_defer)
{
    zend_fcall_info fci;
    zend_fcall_info_cache fcc;

    ZEND_PARSE_PARAMETERS_START(1, 1)
    Z_PARAM_FUNC(fci, fcc)
    ZEND_PARSE_PARAMETERS_END();
    RETURN_BOOL(askr_ctx.xid != 0 && askr_deferred_add(&fci.function_name));
}

/* bool fastcgi_finish_request(): the client has its answer now; the script goes on. */
PHP_FUNCTION(askr_finish_request)
{
    ZEND_PARSE_PARAMETERS_NONE();
    RETURN_BOOL(askr_response_complete(false));
}

/* array getallheaders() */
PHP_FUNCTION(askr_getallheaders)
{
    ZEND_PARSE_PARAMETERS_NONE();
    askr_vars_headers(return_value);
}

/* clang-format off: as above */
const zend_function_entry askr_functions[] = {
    PHP_FE(askr_handle_request, arginfo_handler) PHP_FE(askr_cow_ready, arginfo_none)
        PHP_FE(askr_defer, arginfo_callback)
            ZEND_NAMED_FE(fastcgi_finish_request, ZEND_FN(askr_finish_request), arginfo_none)
                ZEND_NAMED_FE(getallheaders, ZEND_FN(askr_getallheaders), arginfo_none)
                    ZEND_NAMED_FE(apache_request_headers, ZEND_FN(askr_getallheaders), arginfo_none) PHP_FE_END};
/* clang-format on */
