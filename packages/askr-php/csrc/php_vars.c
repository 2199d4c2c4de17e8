#include "php_vars.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "php_context.h"

/* Variables that always have the same value. */
static const struct {
    const char *name, *value;
} CONSTANTS[] = {
    {"GATEWAY_INTERFACE", "CGI/1.1"},
    {"SERVER_SOFTWARE", "askr"},
    {"REDIRECT_STATUS", "200"}, /* what cgi.force_redirect and some applications look for */
};
enum { CONSTANT_ROWS = sizeof CONSTANTS / sizeof *CONSTANTS };

static zend_string *field_names[ASKR_FIELD_COUNT], *constant_names[CONSTANT_ROWS], *constant_values[CONSTANT_ROWS];
static zend_string *php_self_name, *content_type_name, *https_name, *on_value;

static zend_string *intern(const char *text)
{
    return zend_string_init_interned(text, strlen(text), 1);
}

void askr_vars_startup(void)
{
    for (int i = 0; i < ASKR_VARIABLE_ROWS; i++)
        field_names[askr_variables[i].field] = intern(askr_variables[i].name);
    for (int i = 0; i < CONSTANT_ROWS; i++) {
        constant_names[i] = intern(CONSTANTS[i].name);
        constant_values[i] = intern(CONSTANTS[i].value);
    }
    php_self_name = intern("PHP_SELF");
    content_type_name = intern("CONTENT_TYPE");
    https_name = intern("HTTPS");
    on_value = intern("on");
}

/* Through the input filter, as every SAPI does, so that filter_input(INPUT_SERVER, …) sees the same. */
static void put(HashTable *vars, zend_string *name, const char *value, size_t len)
{
    zval zv;

    if (sapi_module.input_filter) {
        char *copy = estrndup(value, len);
        size_t new_len = len;
        if (sapi_module.input_filter(PARSE_SERVER, ZSTR_VAL(name), &copy, len, &new_len)) {
            ZVAL_STRINGL_FAST(&zv, copy, new_len);
            zend_hash_update(vars, name, &zv);
        }
        efree(copy);
        return;
    }
    ZVAL_STRINGL_FAST(&zv, value, len);
    zend_hash_update(vars, name, &zv);
}

/*
 * HTTP_X_FOO from X-Foo.  Only letters, digits and "-" in a name have one reading: "X_Foo" and "X.Foo" would fall together with "X-Foo" and let a client
 * forge what a proxy set, so they are left out ($_SERVER only; getallheaders() has them).  "Proxy" would become HTTP_PROXY (httpoxy, CVE-2016-5385).
 */
static void put_header(HashTable *vars, const askr_header *h)
{
    char name[5 + 256];

    if (h->name_len == 0 || h->name_len > sizeof name - 5)
        return;
    if ((h->name_len == 12 && strncasecmp(h->name, "content-type", 12) == 0) ||
        (h->name_len == 14 && strncasecmp(h->name, "content-length", 14) == 0) ||
        (h->name_len == 5 && strncasecmp(h->name, "proxy", 5) == 0))
        return;
    memcpy(name, "HTTP_", 5);
    for (uint32_t i = 0; i < h->name_len; i++) {
        unsigned char c = (unsigned char)h->name[i];
        if (c == '-')
            name[5 + i] = '_';
        else if (isalnum(c))
            name[5 + i] = (char)toupper(c);
        else
            return;
    }
    zend_string *key = zend_string_init(name, 5 + h->name_len, 0);
    put(vars, key, h->value.at, h->value.len);
    zend_string_release(key);
}

void askr_vars_register(zval *track_vars_array)
{
    const askr_head *head = &askr_ctx.head;

    php_import_environment_variables(track_vars_array);
    HashTable *vars = Z_ARRVAL_P(track_vars_array); /* only now: the import may have put another array in its place */
    for (int i = 0; i < CONSTANT_ROWS; i++) {
        zval zv;
        ZVAL_STR(&zv, constant_values[i]);
        zend_hash_update(vars, constant_names[i], &zv);
    }
    if (askr_ctx.xid == 0) { /* boot: only what is true without a request */
        const char *script = SG(request_info).path_translated;
        if (script)
            put(vars, field_names[ASKR_FIELD_SCRIPT_FILENAME], script, strlen(script));
        if (askr_ctx.config && askr_ctx.config->document_root)
            put(vars, field_names[ASKR_FIELD_DOCUMENT_ROOT], askr_ctx.config->document_root,
                strlen(askr_ctx.config->document_root));
        return;
    }
    for (uint32_t i = 0; i < head->headers; i++)
        put_header(vars, &head->header[i]);
    for (int i = 0; i < ASKR_VARIABLE_ROWS; i++) {
        const askr_variable *row = &askr_variables[i];
        askr_slice value = head->field[row->field];
        if (value.at && (value.len || !row->is_optional))
            put(vars, field_names[row->field], value.at, value.len);
        else if (!row->is_optional)
            put(vars, field_names[row->field], "", 0);
    }
    askr_slice type = askr_head_find(head, "content-type");
    if (type.at)
        put(vars, content_type_name, type.at, type.len);
    askr_slice scheme = head->field[ASKR_FIELD_SCHEME];
    if (scheme.len == 5 && memcmp(scheme.at, "https", 5) == 0)
        put(vars, https_name, ZSTR_VAL(on_value), ZSTR_LEN(on_value));

    /* PHP_SELF: the script with its PATH_INFO, as PHP-FPM and mod_php have it. */
    askr_slice script = head->field[ASKR_FIELD_SCRIPT_NAME], path = head->field[ASKR_FIELD_PATH_INFO];
    zend_string *self = zend_string_alloc((size_t)script.len + path.len, 0);
    if (script.len)
        memcpy(ZSTR_VAL(self), script.at, script.len);
    if (path.len)
        memcpy(ZSTR_VAL(self) + script.len, path.at, path.len);
    ZSTR_VAL(self)[ZSTR_LEN(self)] = 0;
    put(vars, php_self_name, ZSTR_VAL(self), ZSTR_LEN(self));
    zend_string_release(self);
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
