#ifndef ASKR_MEDIA_TYPES_H
#define ASKR_MEDIA_TYPES_H

#include "askr_slice.h"

/*
 * Content types by extension.  The rows are those of askr_http.media_types, copied when a site is made; read when a file is opened,
 * not for each request.
 */
typedef struct {
    uint8_t *text; /* extension, then content type */
    uint16_t extension_len, content_type_len;
    int is_compressible;
} askr_media_type;

typedef struct {
    askr_media_type *rows;
    uint32_t count, room;
    askr_media_type unknown;
} askr_media_types;

#define ASKR_CONTENT_TYPE_BYTES 128 /* the longest of today's has 73 */

/* ASKR_OK; ASKR_E2BIG; ASKR_ESYS: no memory.  An extension that is there already gets the new type. */
int askr_media_types_add(askr_media_types *t, askr_slice extension, askr_slice content_type, int is_compressible);
int askr_media_types_set_unknown(askr_media_types *t, askr_slice content_type);
void askr_media_types_free(askr_media_types *t);

/* Of a file by its name, which may be a path; the slice is the table's. */
askr_slice askr_media_types_find(const askr_media_types *t, askr_slice name, int *is_compressible);

#endif
