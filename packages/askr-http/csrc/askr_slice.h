#ifndef ASKR_SLICE_H
#define ASKR_SLICE_H

#include <stddef.h>
#include <stdint.h>

/* cffi:begin */
/* Bytes of somebody else's buffer; never terminated.  Valid as long as that buffer is neither moved nor written. */
typedef struct {
    const uint8_t *at;
    size_t len;
} askr_slice;
/* cffi:end */

#endif
