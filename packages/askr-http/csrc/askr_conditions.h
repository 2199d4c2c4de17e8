#ifndef ASKR_CONDITIONS_H
#define ASKR_CONDITIONS_H

#include "askr_h1_codec.h"

/*
 * What the fields of a GET or HEAD ask of a representation (RFC 9110 sections 12, 13, 14), as askr_http.conditions judges it.
 * No I/O and no state.
 */
typedef struct {
    askr_slice etag; /* strong, with its quotes */
    int64_t modified_s;
    int64_t now_wall_s;
    uint64_t size_bytes;
} askr_validators;

typedef enum { ASKR_PROCEED = 0, ASKR_NOT_MODIFIED, ASKR_ASK_PYTHON } askr_verdict;

/* The preconditions; If-Match, If-Unmodified-Since, lists in several lines and obsolete dates are Python's. */
askr_verdict askr_judge_preconditions(const askr_request *rq, const askr_validators *v);

typedef enum {
    ASKR_RANGE_WHOLE = 0,
    ASKR_RANGE_PART,          /* *offset and *length */
    ASKR_RANGE_UNSATISFIABLE, /* 416 */
    ASKR_RANGE_ASK_PYTHON
} askr_range;

askr_range askr_choose_range(const askr_request *rq, const askr_validators *v, uint64_t *offset, uint64_t *length);

/* Which coding to send: the weights of Accept-Encoding; of equal ones br is better than gzip, and both than the file itself. */
enum { ASKR_CODING_NONE = 0, ASKR_CODING_BR, ASKR_CODING_GZIP };
uint32_t askr_choose_coding(const askr_request *rq, int has_br, int has_gzip);

#endif
