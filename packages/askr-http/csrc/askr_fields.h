#ifndef ASKR_FIELDS_H
#define ASKR_FIELDS_H

#include "askr_file.h"

/*
 * The lines of the answers with one representation, in the order of askr_http.static_files.answer_for.  One block serves three:
 *
 *     Content-Type                                   200 206
 *     ETag, Last-Modified, Cache-Control, [Vary]     200 206 304 416
 *     Accept-Ranges                                  200 206     416
 *     [Content-Encoding]                             200 206
 */
#define ASKR_FIELDS_BYTES 512 /* all of them, with the longest type, have about 400 */

/* Makes of[i].fields.  ASKR_OK; ASKR_ESYS: no memory, or a time that is none of ours to write (before 1970, after 2255): Python answers. */
int askr_fields_make(askr_file *f, uint32_t i, askr_slice content_type);

#endif
