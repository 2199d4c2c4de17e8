#ifndef ASKR_PHP_HEAD_H
#define ASKR_PHP_HEAD_H

#include <stdbool.h>

#include "askr_head.h"
#include "askr_pool.h"

/*
 * A request head as this process keeps it while it serves the request: a private copy (the shared memory can change under us), decoded into
 * CGI fields and header fields, every value terminated by NUL so that PHP's C interfaces can take it.
 *
 * Ownership: the buffer belongs to the head and is reused for the next request; slices are valid until then.
 */
typedef struct {
    const char *at; /* terminated; NULL when absent */
    uint32_t len;
} askr_slice;

typedef struct {
    const char *name; /* not terminated; as sent */
    askr_slice value;
    uint16_t name_len;
} askr_header;

/* One row per CGI variable that a field answers, in the order in which they stand in $_SERVER. */
typedef struct {
    const char *name;
    uint16_t field;
    bool is_optional; /* not in $_SERVER when absent or empty */
} askr_variable;

enum { ASKR_VARIABLE_ROWS = 15 };
extern const askr_variable askr_variables[ASKR_VARIABLE_ROWS];

#define ASKR_HEADERS_MAX 512 /* the front's limit is 256 */

typedef struct {
    uint8_t *buf;
    size_t cap;
    askr_slice field[ASKR_FIELD_COUNT];
    askr_slice content_type, authorization, cookie; /* what PHP asks for in every request; of several the first */
    askr_header header[ASKR_HEADERS_MAX];
    uint32_t headers;
} askr_head;

/* Reads and decodes the head of an exchange.  ASKR_OK, or ASKR_EINVAL / ASKR_ESTALE / ASKR_E2BIG (over 1 MiB). */
int askr_head_load(askr_head *h, askr_pool *pool, askr_xid x);
/* Decodes n bytes that are in h->buf already (h->cap > n). */
int askr_head_decode(askr_head *h, size_t n);
/* The CGI variable of that name (RFC 3875 section 4.1), HTTP_* included; what getenv() answers inside a request. */
askr_slice askr_head_variable(const askr_head *h, const char *name, size_t name_len);

#endif
