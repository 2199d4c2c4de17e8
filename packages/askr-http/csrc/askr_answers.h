#ifndef ASKR_ANSWERS_H
#define ASKR_ANSWERS_H

#include "askr_base.h"
#include "askr_slice.h"

/* cffi:begin */
/*
 * The server's own answers (404, 413, 503 ...).  What they say is written once, in askr_http.errors.ServerAnswer; the rows are copied
 * from there when a wire is made, and a missing row is a failed start.
 */
typedef enum {
    ASKR_ANSWER_BAD_REQUEST = 0,
    ASKR_ANSWER_FORBIDDEN,
    ASKR_ANSWER_NOT_FOUND,
    ASKR_ANSWER_METHOD_NOT_ALLOWED,
    ASKR_ANSWER_REQUEST_TIMEOUT,
    ASKR_ANSWER_BODY_TOO_LARGE,
    ASKR_ANSWER_RANGE_NOT_SATISFIABLE,
    ASKR_ANSWER_WORKER_DIED,
    ASKR_ANSWER_BAD_RESPONSE,
    ASKR_ANSWER_BUSY,
    ASKR_ANSWER_QUEUE_TIMEOUT,
    ASKR_ANSWER_DRAINING,
    ASKR_ANSWER_COUNT
} askr_answer_id;

typedef struct {
    uint32_t status;
    askr_slice phrase;
    askr_slice headers; /* complete lines, each with its CRLF, without framing */
    askr_slice content;
} askr_answer;

typedef struct askr_answers askr_answers;
size_t askr_answers_sizeof(void);
/* `mem` is the caller's, askr_answers_sizeof() bytes, zeroed. */
askr_answers *askr_answers_init(void *mem);
/* Copies a row.  ASKR_EINVAL: no such id; ASKR_E2BIG: phrase + headers + content are more than 1 KiB. */
int askr_answers_set(askr_answers *a, uint32_t id, const askr_answer *row);
/* Whether every row is there. */
int askr_answers_are_complete(const askr_answers *a);
/* The row, pointing into `a`; NULL for an id that was never set. */
const askr_answer *askr_answers_get(const askr_answers *a, uint32_t id);
/* cffi:end */

#endif
