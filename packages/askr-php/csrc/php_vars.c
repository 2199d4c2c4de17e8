#include "php_vars.h"

#include <dlfcn.h>
#include <string.h>
#include <strings.h>

#include "php_context.h"
#include "php_environ.h"
#include "php_watch.h"

/* Variables that always have the same value. */
static const askr_constant CONSTANTS[] = {
    {"GATEWAY_INTERFACE", "CGI/1.1"},
    {"SERVER_SOFTWARE", "askr"},
    {"REDIRECT_STATUS", "200"}, /* what cgi.force_redirect and some applications look for */
    {NULL, NULL},
};

/* Header fields that clients send all the time, as variables; the names of others are made for each request. */
static const char *const USUAL[] = {
    "HTTP_ACCEPT",
    "HTTP_ACCEPT_ENCODING",
    "HTTP_ACCEPT_LANGUAGE",
    "HTTP_AUTHORIZATION",
    "HTTP_CACHE_CONTROL",
    "HTTP_CONNECTION",
    "HTTP_COOKIE",
    "HTTP_DNT",
    "HTTP_FORWARDED",
    "HTTP_HOST",
    "HTTP_IF_MODIFIED_SINCE",
    "HTTP_IF_NONE_MATCH",
    "HTTP_ORIGIN",
    "HTTP_PRAGMA",
    "HTTP_PRIORITY",
    "HTTP_RANGE",
    "HTTP_REFERER",
    "HTTP_SEC_CH_UA",
    "HTTP_SEC_CH_UA_MOBILE",
    "HTTP_SEC_CH_UA_PLATFORM",
    "HTTP_SEC_FETCH_DEST",
    "HTTP_SEC_FETCH_MODE",
    "HTTP_SEC_FETCH_SITE",
    "HTTP_SEC_FETCH_USER",
    "HTTP_SEC_GPC",
    "HTTP_TE",
    "HTTP_UPGRADE_INSECURE_REQUESTS",
    "HTTP_USER_AGENT",
    "HTTP_VIA",
    "HTTP_X_CSRF_TOKEN",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REAL_IP",
    "HTTP_X_REQUEST_ID",
    "HTTP_X_REQUESTED_WITH",
};

static zend_string *field_names[ASKR_FIELD_COUNT];
static zend_string *php_self_name, *content_type_name, *https_name, *on_value;
static HashTable usual_names;
static char in_variable[256]; /* a byte of a field name, as it stands in a variable's name; 0: it has no variable */

static zend_string *intern(const char *text)
{
    return zend_string_init_interned(text, strlen(text), 1);
}

void askr_vars_startup(void)
{
    for (int i = 0; i < ASKR_VARIABLE_ROWS; i++)
        field_names[askr_variables[i].field] = intern(askr_variables[i].name);
    php_self_name = intern("PHP_SELF");
    content_type_name = intern("CONTENT_TYPE");
    https_name = intern("HTTPS");
    on_value = intern("on");
    zend_hash_init(&usual_names, sizeof USUAL / sizeof *USUAL, NULL, NULL, 1);
    for (size_t i = 0; i < sizeof USUAL / sizeof *USUAL; i++) {
        zend_string *name = intern(USUAL[i]);
        zend_hash_add_ptr(&usual_names, name, name);
    }
    for (int c = 'A'; c <= 'Z'; c++)
        in_variable[c] = in_variable[c - 'A' + 'a'] = (char)c;
    for (int c = '0'; c <= '9'; c++)
        in_variable[c] = (char)c;
    in_variable['-'] = '_';
    askr_environ_startup(CONSTANTS);
}

typedef void (*putter)(HashTable *vars, zend_string *name, askr_slice value);

static void put(HashTable *vars, zend_string *name, askr_slice value)
{
    zval zv;

    ZVAL_STRINGL_FAST(&zv, value.at, value.len);
    zend_hash_update(vars, name, &zv);
}

/* ---- the input filter ---- */

/*
 * Every SAPI shows each variable to the input filter, so that filter_input(INPUT_SERVER, ...) has the same.  ext/filter keeps a copy of it all, which nearly nobody asks for; so it is shown
 * when one of its functions is called.  Not so if the filter can change values (filter.default), or is not PHP's own.
 */
static bool is_filter_late, is_filter_behind;
static zif_handler filter_input_of_php, filter_input_array_of_php, filter_has_var_of_php;

static void put_filtered(HashTable *vars, zend_string *name, askr_slice value)
{
    char *copy = estrndup(value.at, value.len);
    size_t new_len = value.len;

    if (sapi_module.input_filter(PARSE_SERVER, ZSTR_VAL(name), &copy, value.len, &new_len)) {
        zval zv;
        ZVAL_STRINGL_FAST(&zv, copy, new_len);
        zend_hash_update(vars, name, &zv);
    }
    efree(copy);
}

/* ---- $_SERVER ---- */

/*
 * HTTP_X_FOO from X-Foo.  Only letters, digits and "-" in a name have one reading: "X_Foo" and "X.Foo" would fall together with "X-Foo" and let a client
 * forge what a proxy set, so they are left out ($_SERVER only; getallheaders() has them).  "Proxy" would become HTTP_PROXY (httpoxy, CVE-2016-5385).
 */
static void put_header(HashTable *vars, const askr_header *h, putter give)
{
    char text[5 + 256];
    size_t n = 5 + (size_t)h->name_len;

    if (h->name_len == 0 || n > sizeof text)
        return;
    if ((h->name_len == 12 && strncasecmp(h->name, "content-type", 12) == 0) ||
        (h->name_len == 14 && strncasecmp(h->name, "content-length", 14) == 0) ||
        (h->name_len == 5 && strncasecmp(h->name, "proxy", 5) == 0))
        return;
    memcpy(text, "HTTP_", 5);
    for (uint32_t i = 0; i < h->name_len; i++) {
        text[5 + i] = in_variable[(unsigned char)h->name[i]];
        if (!text[5 + i])
            return;
    }
    zend_string *usual = zend_hash_str_find_ptr(&usual_names, text, n);
    if (usual) {
        give(vars, usual, h->value);
        return;
    }
    zend_string *name = zend_string_init(text, n, 0);
    give(vars, name, h->value);
    zend_string_release(name);
}

/* PHP_SELF: the script with its PATH_INFO, as PHP-FPM and mod_php have it. */
static void put_self(HashTable *vars, putter give)
{
    askr_slice script = askr_ctx.head.field[ASKR_FIELD_SCRIPT_NAME], path = askr_ctx.head.field[ASKR_FIELD_PATH_INFO];

    if (script.len && !path.len) {
        give(vars, php_self_name, script);
        return;
    }
    zend_string *self = zend_string_alloc((size_t)script.len + path.len, 0);
    if (script.len)
        memcpy(ZSTR_VAL(self), script.at, script.len);
    if (path.len)
        memcpy(ZSTR_VAL(self) + script.len, path.at, path.len);
    ZSTR_VAL(self)[ZSTR_LEN(self)] = 0;
    give(vars, php_self_name, (askr_slice){ZSTR_VAL(self), script.len + path.len});
    zend_string_release(self);
}

/* What a request says, and at boot what is true without one. */
static void put_all(HashTable *vars, putter give)
{
    const askr_head *head = &askr_ctx.head;

    if (askr_ctx.xid == 0) {
        const char *script = SG(request_info).path_translated;
        const char *root = askr_ctx.config ? askr_ctx.config->document_root : NULL;
        if (script)
            give(vars, field_names[ASKR_FIELD_SCRIPT_FILENAME], (askr_slice){script, (uint32_t)strlen(script)});
        if (root)
            give(vars, field_names[ASKR_FIELD_DOCUMENT_ROOT], (askr_slice){root, (uint32_t)strlen(root)});
        return;
    }
    for (uint32_t i = 0; i < head->headers; i++)
        put_header(vars, &head->header[i], give);
    for (int i = 0; i < ASKR_VARIABLE_ROWS; i++) {
        const askr_variable *row = &askr_variables[i];
        askr_slice value = head->field[row->field];
        if (value.at && (value.len || !row->is_optional))
            give(vars, field_names[row->field], value);
        else if (!row->is_optional)
            give(vars, field_names[row->field], (askr_slice){"", 0});
    }
    if (head->content_type.at)
        give(vars, content_type_name, head->content_type);
    askr_slice scheme = head->field[ASKR_FIELD_SCHEME];
    if (scheme.len == 5 && memcmp(scheme.at, "https", 5) == 0)
        give(vars, https_name, (askr_slice){ZSTR_VAL(on_value), (uint32_t)ZSTR_LEN(on_value)});
    put_self(vars, give);
}

void askr_vars_register(zval *track_vars_array)
{
    zval_ptr_dtor_nogc(track_vars_array);
    ZVAL_ARR(track_vars_array, askr_environ_copy());
    is_filter_behind = sapi_module.input_filter && is_filter_late;
    put_all(Z_ARRVAL_P(track_vars_array), sapi_module.input_filter && !is_filter_late ? put_filtered : put);
}

/* Before ext/filter answers: it gets what it has not seen.  It wants an array to write to as well, which is nobody's here. */
static void catch_filter_up(void)
{
    zval *server = &PG(http_globals)[TRACK_VARS_SERVER], given;

    zend_is_auto_global(ZSTR_KNOWN(ZEND_STR_AUTOGLOBAL_SERVER));
    if (!is_filter_behind)
        return;
    is_filter_behind = false;
    ZVAL_COPY_VALUE(&given, server);
    array_init(server);
    put_all(Z_ARRVAL_P(server), put_filtered);
    zval_ptr_dtor_nogc(server);
    ZVAL_COPY_VALUE(server, &given);
}

static void on_filter_input(INTERNAL_FUNCTION_PARAMETERS)
{
    catch_filter_up();
    filter_input_of_php(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

static void on_filter_input_array(INTERNAL_FUNCTION_PARAMETERS)
{
    catch_filter_up();
    filter_input_array_of_php(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

static void on_filter_has_var(INTERNAL_FUNCTION_PARAMETERS)
{
    catch_filter_up();
    filter_has_var_of_php(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

void askr_vars_watch(void)
{
    const char *filter = zend_ini_string(ZEND_STRL("filter.default"), 0);
    Dl_info of_filter, of_php;

    askr_environ_watch();
    is_filter_late = filter && strcmp(filter, "unsafe_raw") == 0 && sapi_module.input_filter &&
                     dladdr((void *)(uintptr_t)sapi_module.input_filter, &of_filter) &&
                     dladdr((void *)(uintptr_t)php_module_startup, &of_php) &&
                     of_filter.dli_fbase == of_php.dli_fbase &&
                     askr_watch("filter_input", on_filter_input, &filter_input_of_php) &&
                     askr_watch("filter_input_array", on_filter_input_array, &filter_input_array_of_php) &&
                     askr_watch("filter_has_var", on_filter_has_var, &filter_has_var_of_php);
}

char *askr_vars_getenv(const char *name, size_t name_len)
{
    if (askr_ctx.xid == 0)
        return NULL;
    return (char *)(uintptr_t)askr_head_variable(&askr_ctx.head, name, name_len).at;
}

void askr_vars_headers(zval *return_value)
{
    array_init(return_value);
    if (askr_ctx.xid == 0)
        return;
    for (uint32_t i = 0; i < askr_ctx.head.headers; i++) {
        const askr_header *h = &askr_ctx.head.header[i];
        add_assoc_stringl_ex(return_value, h->name, h->name_len, (char *)(uintptr_t)h->value.at, h->value.len);
    }
}
