/*
 * Invariant: for any bytes, askr_path decodes and splits a path as askr_http.routing does, in bounds: the components, which of them can be names,
 * whether `..` makes it ambiguous, what is left as PATH_INFO behind each of them, and whether a file of the last one's name may be given away.
 *
 * The input is a path as it stands in a target; what is no path is refused.
 */
#include "askr_path.h"
#include "ask.h"
#include "askr_base.h"

#include <string.h>

static message told;

static void tell(askr_slice s)
{
    message_number(&told, s.len);
    message_bytes(&told, s.at, s.len);
}

static void tell_path(askr_path *p)
{
    message_number(&told, p->count);
    message_number(&told, p->named);
    message_number(&told, p->is_directory != 0);
    message_number(&told, p->is_ambiguous != 0);
    for (uint32_t i = 0; i < p->count; i++) {
        askr_slice component = askr_path_component(p, i);
        uint8_t *copy = guarded(component.at, component.len);
        tell(component);
        if (i < 8 || i + 2 >= p->count) /* of a thousand components not a thousand rests */
            tell(askr_path_rest(p, i + 1));
        message_number(&told, askr_name_is_script((askr_slice){copy, component.len}) != 0);
        message_number(&told, askr_name_is_servable((askr_slice){copy, component.len}) != 0);
        free(copy);
    }
}

/* A prefix is a C string of the path itself while it is out, and leaves no trace. */
static void check_prefixes(askr_path *p)
{
    static askr_path before;
    before = *p;
    for (uint32_t count = 1; count <= p->named; count++) {
        size_t len;
        const char *prefix = askr_path_prefix(p, count, &len);
        CHECK(strlen(prefix) == len && memcmp(prefix, before.text, len) == 0);
        askr_path_mend(p, count);
    }
    CHECK(memcmp(p->text, before.text, p->len + 2) == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    ask_start();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    askr_path *p = malloc(sizeof *p); /* the sanitizer guards its end, where the text is */
    uint8_t *raw = guarded(data, size);
    int rc;
    CHECK(p != NULL);
    rc = askr_path_parse(p, (askr_slice){raw, size});
    CHECK(rc == (size == 0 || raw[0] != '/' ? ASKR_EINVAL : size > ASKR_PATH_BYTES ? ASKR_E2BIG : ASKR_OK));
    if (rc == ASKR_OK) {
        message_clear(&told);
        tell_path(p);
        check_prefixes(p);
        ask(raw, size, 0, 0, &told);
    }
    free(raw);
    free(p);
    return 0;
}
