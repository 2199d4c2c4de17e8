#include "php_leftovers.h"

#include <string.h>

#include "php_compat.h"

static zend_long boot_timeout_s;
static bool has_boot_ticks;
static const zend_ini_entry *save_handler; /* NULL: no session extension */
static zend_string *boot_save_handler;
static zend_function *libxml_clear_errors;
static zval boot_session_functions[ASKR_SESSION_FUNCTIONS];

static void ini_set(const char *key, zend_string *value)
{
    zend_string *name = zend_string_init(key, strlen(key), 0);

    zend_alter_ini_entry(name, value, PHP_INI_USER, PHP_INI_STAGE_RUNTIME);
    zend_string_release(name);
}

/* ---- ext/session: which save handler, and the functions of session_set_save_handler() ---- */

static void session_keep(void)
{
    save_handler = &ps_globals ? zend_hash_str_find_ptr(EG(ini_directives), ZEND_STRL("session.save_handler")) : NULL;
    if (!save_handler)
        return;
    boot_save_handler = zend_string_copy(save_handler->value);
    for (int i = 0; i < ASKR_SESSION_FUNCTIONS; i++)
        ZVAL_COPY(&boot_session_functions[i], &askr_compat_session_functions()[i]);
}

static void session_renew(void)
{
    if (!save_handler)
        return;
    if (!zend_string_equals(save_handler->value, boot_save_handler)) {
        PS(set_handler) = 1; /* or "user" is refused */
        ini_set("session.save_handler", boot_save_handler);
        PS(set_handler) = 0;
    }
    for (int i = 0; i < ASKR_SESSION_FUNCTIONS; i++)
        if (!Z_ISUNDEF(boot_session_functions[i]))
            ZVAL_COPY(&askr_compat_session_functions()[i], &boot_session_functions[i]);
}

/* ---- ext/standard ---- */

static void rewriter_clear(url_adapt_state_ex_t *state)
{
    smart_str_free(&state->form_app);
    smart_str_free(&state->url_app);
    if (!state->active)
        return;
    smart_str_free(&state->result);
    smart_str_free(&state->buf);
    smart_str_free(&state->tag);
    smart_str_free(&state->arg);
    smart_str_free(&state->attr_val);
    state->active = state->tag_type = state->attr_type = 0;
}

static void time_limit_renew(void)
{
    zend_string *seconds = zend_long_to_str(boot_timeout_s);

    ini_set("max_execution_time", seconds);
    zend_string_release(seconds);
}

static void ticks_clear(void)
{
    if (!BG(user_tick_functions) || has_boot_ticks)
        return;
    zend_llist_clean(&PG(tick_functions));
    zend_llist_destroy(BG(user_tick_functions));
    efree(BG(user_tick_functions));
    BG(user_tick_functions) = NULL;
}

static void strtok_clear(void)
{
    if (!BG(strtok_string))
        return;
    zend_string_release(BG(strtok_string));
    BG(strtok_string) = NULL;
    BG(strtok_last) = NULL;
    BG(strtok_len) = 0;
}

/* ---- all of them ---- */

void askr_leftovers_keep(void)
{
    boot_timeout_s = EG(timeout_seconds);
    has_boot_ticks = BG(user_tick_functions) != NULL;
    session_keep();
    libxml_clear_errors = zend_hash_str_find_ptr(EG(function_table), ZEND_STRL("libxml_clear_errors"));
}

void askr_leftovers_renew(void)
{
    session_renew();
    if (EG(timeout_seconds) != boot_timeout_s)
        time_limit_renew();
}

void askr_leftovers_clear(void)
{
    rewriter_clear(&BG(url_adapt_session_ex));
    rewriter_clear(&BG(url_adapt_output_ex));
    ticks_clear();
    strtok_clear();
    if (libxml_clear_errors) /* what libxml_use_internal_errors() has collected */
        zend_call_known_function(libxml_clear_errors, NULL, NULL, NULL, 0, NULL, NULL);
}
