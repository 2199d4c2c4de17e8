#include "askr_path.h"

#include <string.h>

#include "askr_ascii.h"
#include "askr_base.h"

#define LONGEST_NAME 255

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes in[0..len) into out, which has room for len bytes; how many it wrote.  What is no escape stays as it is. */
static size_t decode(const uint8_t *in, size_t len, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int high = in[i] == '%' && len - i > 2 ? hex_digit(in[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(in[i + 2]) : -1;
        if (low >= 0) {
            out[n++] = (char)(high << 4 | low);
            i += 2;
        } else {
            out[n++] = (char)in[i];
        }
    }
    return n;
}

static int is_name(const char *text, size_t len)
{
    if (text[0] == '.' && !(len == 11 && memcmp(text, ".well-known", 11) == 0))
        return 0;
    if (len > LONGEST_NAME)
        return 0;
    for (size_t i = 0; i < len; i++)
        if (text[i] == '/' || text[i] == '\\' || text[i] == '\0')
            return 0;
    return 1;
}

/* Takes in one decoded part that stands at text[at .. at + len). */
static void add_part(askr_path *p, size_t at, size_t len)
{
    const char *part = p->text + at;
    p->is_directory = len == 0 || (len <= 2 && memcmp(part, "..", len) == 0);
    if (p->is_directory) {
        if (len == 2 && p->count > 0)
            p->is_ambiguous = 1;
        return;
    }
    if (p->named == p->count && is_name(part, len))
        p->named++;
    p->len = (uint32_t)(at + len);
    p->end[p->count++] = (uint16_t)p->len;
}

int askr_path_parse(askr_path *p, askr_slice raw_path)
{
    if (raw_path.len == 0 || raw_path.at[0] != '/')
        return ASKR_EINVAL;
    if (raw_path.len > ASKR_PATH_BYTES)
        return ASKR_E2BIG;
    p->len = p->count = p->named = 0;
    p->is_directory = p->is_ambiguous = 0;
    const uint8_t *part = raw_path.at + 1, *stop = raw_path.at + raw_path.len;
    for (;;) {
        const uint8_t *slash = memchr(part, '/', (size_t)(stop - part));
        const uint8_t *end = slash != NULL ? slash : stop;
        size_t at = p->count > 0 ? p->len + 1 : 0; /* behind the slash that the text is to have */
        if (at > 0)
            p->text[at - 1] = '/';
        add_part(p, at, decode(part, (size_t)(end - part), p->text + at));
        if (slash == NULL)
            break;
        part = slash + 1;
    }
    p->text[p->len] = '/';
    p->text[p->len + 1] = '\0';
    return ASKR_OK;
}

const char *askr_path_prefix(askr_path *p, uint32_t count, size_t *len)
{
    *len = p->end[count - 1];
    p->text[*len] = '\0';
    return p->text;
}

void askr_path_mend(askr_path *p, uint32_t count)
{
    p->text[p->end[count - 1]] = '/';
}

askr_slice askr_path_component(const askr_path *p, uint32_t i)
{
    size_t begin = i > 0 ? p->end[i - 1] + 1u : 0;
    return (askr_slice){(const uint8_t *)p->text + begin, p->end[i] - begin};
}

askr_slice askr_path_rest(const askr_path *p, uint32_t count)
{
    size_t begin = p->end[count - 1];
    return (askr_slice){(const uint8_t *)p->text + begin, p->len - begin + (p->is_directory ? 1 : 0)};
}

int askr_name_is_script(askr_slice name)
{
    return name.len >= 4 && memcmp(name.at + name.len - 4, ".php", 4) == 0;
}

static int holds_php_inside(askr_slice name)
{
    for (size_t i = 0; i + 5 <= name.len; i++)
        if (name.at[i] == '.' && askr_ascii_is(name.at + i, 5, ".php."))
            return 1;
    return 0;
}

static int is_forbidden_extension(const uint8_t *extension, size_t len)
{
    static const char *const forbidden[] = {"bak", "orig", "save", "swp",  "swo",   "old",  "rej", "tmp",
                                            "php", "phps", "pht",  "phtm", "phtml", "phar", "inc"};
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        if (askr_ascii_is(extension, len, forbidden[i]))
            return 1;
    return len == 4 && askr_ascii_is(extension, 3, "php") && extension[3] >= '0' && extension[3] <= '9';
}

int askr_name_is_servable(askr_slice name)
{
    if (name.len > 0 && name.at[name.len - 1] == '~')
        return 0;
    const uint8_t *dot = memrchr(name.at, '.', name.len);
    if (dot == NULL)
        return 1;
    return !is_forbidden_extension(dot + 1, (size_t)(name.at + name.len - dot - 1)) && !holds_php_inside(name);
}
