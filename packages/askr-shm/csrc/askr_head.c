#include "askr_head.h"

#include <string.h>

/*
 * Records are not aligned: lengths are copied out and in by memcpy.  A record that claims more bytes than there are
 * is refused before anything of it is used; fields have no name, headers have one.
 */
#define RECORD_BYTES 8u

int askr_record_next(const uint8_t *buf, size_t n, size_t *at, askr_record *out)
{
    askr_record r = {0};
    if (*at == n)
        return ASKR_EAGAIN;
    if (*at > n || n - *at < RECORD_BYTES)
        return ASKR_EINVAL;
    const uint8_t *p = buf + *at;
    memcpy(&r.tag, p, sizeof r.tag);
    memcpy(&r.name_len, p + 2, sizeof r.name_len);
    memcpy(&r.value_len, p + 4, sizeof r.value_len);
    size_t left = n - *at - RECORD_BYTES;
    if (left < r.name_len || left - r.name_len < r.value_len)
        return ASKR_EINVAL;
    if ((r.tag == ASKR_FIELD_HEADER) != (r.name_len != 0))
        return ASKR_EINVAL;
    if (r.tag != ASKR_FIELD_HEADER && (r.tag == 0 || r.tag >= ASKR_FIELD_COUNT))
        return ASKR_EINVAL;
    r.name = r.name_len != 0 ? p + RECORD_BYTES : NULL;
    r.value = p + RECORD_BYTES + r.name_len;
    *at += RECORD_BYTES + (size_t)r.name_len + r.value_len;
    *out = r;
    return ASKR_OK;
}

int askr_record_put(uint8_t *buf, size_t cap, size_t *at, uint16_t tag, const uint8_t *name, uint16_t name_len,
                    const uint8_t *value, uint32_t value_len)
{
    if (*at > cap || cap - *at < RECORD_BYTES)
        return ASKR_E2BIG;
    size_t left = cap - *at - RECORD_BYTES;
    if (left < name_len || left - name_len < value_len)
        return ASKR_E2BIG;
    uint8_t *p = buf + *at;
    memcpy(p, &tag, sizeof tag);
    memcpy(p + 2, &name_len, sizeof name_len);
    memcpy(p + 4, &value_len, sizeof value_len);
    if (name_len != 0)
        memcpy(p + RECORD_BYTES, name, name_len);
    if (value_len != 0)
        memcpy(p + RECORD_BYTES + name_len, value, value_len);
    *at += RECORD_BYTES + (size_t)name_len + value_len;
    return ASKR_OK;
}
