#ifndef ASKR_HEAD_H
#define ASKR_HEAD_H

#include "askr_base.h"

/* cffi:begin */
/*
 * How a request head and a response head are written down between a front and a worker, version 1, native byte order:
 *
 *   request:  record*                         record = u16 tag, u16 name_len, u32 value_len, name, value
 *   response: u16 status, u16 reason_len, reason, record*      (header records only)
 *
 * Fields are CGI's (RFC 3875) plus what PHP's SAPI wants; a header record has the tag ASKR_FIELD_HEADER and its field name as sent.
 * Nothing is terminated: values may hold any byte but NUL, CR and LF.
 */
enum askr_field {
    ASKR_FIELD_METHOD = 1,
    ASKR_FIELD_TARGET = 2, /* REQUEST_URI, as sent */
    ASKR_FIELD_QUERY = 3,
    ASKR_FIELD_SCRIPT_NAME = 4,
    ASKR_FIELD_SCRIPT_FILENAME = 5,
    ASKR_FIELD_PATH_INFO = 6,
    ASKR_FIELD_DOCUMENT_ROOT = 7,
    ASKR_FIELD_PROTOCOL = 8,
    ASKR_FIELD_SCHEME = 9,
    ASKR_FIELD_SERVER_NAME = 10,
    ASKR_FIELD_SERVER_PORT = 11,
    ASKR_FIELD_SERVER_ADDR = 12,
    ASKR_FIELD_REMOTE_ADDR = 13,
    ASKR_FIELD_REMOTE_PORT = 14,
    ASKR_FIELD_REQUEST_TIME_US = 15, /* wall clock, decimal */
    ASKR_FIELD_CONTENT_LENGTH = 16,
    ASKR_FIELD_COUNT = 17,
    ASKR_FIELD_HEADER = 100
};

typedef struct {
    const uint8_t *name; /* NULL for a field */
    const uint8_t *value;
    uint32_t value_len;
    uint16_t name_len;
    uint16_t tag;
} askr_record;

/* The record at *at, which moves behind it.  ASKR_EAGAIN at the end, ASKR_EINVAL when the bytes are no record. */
int askr_record_next(const uint8_t *buf, size_t n, size_t *at, askr_record *out);
/* Appends a record at *at of a buffer of cap bytes.  ASKR_E2BIG when it does not fit: nothing was written. */
int askr_record_put(uint8_t *buf, size_t cap, size_t *at, uint16_t tag, const uint8_t *name, uint16_t name_len,
                    const uint8_t *value, uint32_t value_len);
/* cffi:end */

#endif
