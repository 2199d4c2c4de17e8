#include "askr_media_types.h"

#include <stdlib.h>
#include <string.h>

#include "askr_ascii.h"
#include "askr_base.h"

static int set_row(askr_media_type *row, askr_slice extension, askr_slice content_type, int is_compressible)
{
    if (extension.len > ASKR_CONTENT_TYPE_BYTES || content_type.len > ASKR_CONTENT_TYPE_BYTES)
        return ASKR_E2BIG;
    uint8_t *text = malloc(extension.len + content_type.len + 1);
    if (text == NULL)
        return ASKR_ESYS;
    if (extension.len > 0)
        memcpy(text, extension.at, extension.len);
    if (content_type.len > 0)
        memcpy(text + extension.len, content_type.at, content_type.len);
    free(row->text);
    *row = (askr_media_type){text, (uint16_t)extension.len, (uint16_t)content_type.len, is_compressible};
    return ASKR_OK;
}

static int is_extension(const askr_media_type *row, const uint8_t *extension, size_t len)
{
    if (row->extension_len != len)
        return 0;
    for (size_t i = 0; i < len; i++)
        if (row->text[i] != askr_ascii_lower(extension[i]))
            return 0;
    return 1;
}

static askr_media_type *find_row(const askr_media_types *t, const uint8_t *extension, size_t len)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (is_extension(&t->rows[i], extension, len))
            return &t->rows[i];
    return NULL;
}

int askr_media_types_add(askr_media_types *t, askr_slice extension, askr_slice content_type, int is_compressible)
{
    askr_media_type *row = find_row(t, extension.at, extension.len);
    if (row != NULL)
        return set_row(row, extension, content_type, is_compressible);
    if (t->count == t->room) {
        uint32_t room = t->room > 0 ? 2 * t->room : 64;
        askr_media_type *rows = realloc(t->rows, room * sizeof *rows);
        if (rows == NULL)
            return ASKR_ESYS;
        t->rows = rows;
        t->room = room;
    }
    t->rows[t->count] = (askr_media_type){0};
    int rc = set_row(&t->rows[t->count], extension, content_type, is_compressible);
    if (rc == ASKR_OK)
        t->count++;
    return rc;
}

int askr_media_types_set_unknown(askr_media_types *t, askr_slice content_type)
{
    return set_row(&t->unknown, (askr_slice){NULL, 0}, content_type, 0);
}

void askr_media_types_free(askr_media_types *t)
{
    for (uint32_t i = 0; i < t->count; i++)
        free(t->rows[i].text);
    free(t->rows);
    free(t->unknown.text);
    *t = (askr_media_types){0};
}

askr_slice askr_media_types_find(const askr_media_types *t, askr_slice name, int *is_compressible)
{
    const uint8_t *dot = memrchr(name.at, '.', name.len);
    const askr_media_type *row = NULL;
    if (dot != NULL)
        row = find_row(t, dot + 1, (size_t)(name.at + name.len - dot - 1));
    if (row == NULL)
        row = &t->unknown;
    *is_compressible = row->is_compressible;
    return (askr_slice){row->text + row->extension_len, row->content_type_len};
}
