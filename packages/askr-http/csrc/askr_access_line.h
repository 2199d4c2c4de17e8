#ifndef ASKR_ACCESS_LINE_H
#define ASKR_ACCESS_LINE_H

#include "askr_base.h"
#include "askr_slice.h"

/* cffi:begin */
/* One line of the access log, byte for byte as askr_http.access_line writes it, line feed included; or ASKR_E2BIG. */
typedef struct {
    int64_t ts_wall_s;
    askr_slice ip;
    askr_slice method;
    askr_slice path; /* as sent, without the query */
    uint64_t body_bytes;
    uint64_t duration_ns;
    uint32_t status;
} askr_access_record;

int64_t askr_access_line_write(const askr_access_record *r, uint8_t *buf, size_t cap);
/* cffi:end */

#endif
