#include "random.h"

#include <string.h>

/* Mutations of requests that keep lines whole; libFuzzer's own ones do the rest. */

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static const char *const lines[] = {
    "Host: a\r\n",
    "Host: [::1]:80\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive, x\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Expect: 100-continue\r\n",
    "Upgrade: h2c\r\n",
    "Cookie: a=b\r\n",
    "Range: bytes=0-1\r\n",
    "TE: trailers\r\n",
    "Trailer: x\r\n",
    "Proxy: x\r\n",
    "X-A:\t b \t\r\n",
    "\r\n",
    "GET / HTTP/1.1\r\n",
    "POST /a?b HTTP/1.0\r\n",
    "If-None-Match: \"5a-1f\"\r\n",
    "If-None-Match: W/\"5a-1f\", *\r\n",
    "If-Range: \"5a-1f\"\r\n",
    "If-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
    "Range: bytes=-5, 999-\r\n",
    "Accept-Encoding: gzip;q=0.5, *;q=1.000, identity;q=0\r\n",
    "Accept-Encoding: x-gzip, br ; q=0\r\n",
    "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
    "If-Unmodified-Since: x\r\n",
    "If-Match: *\r\n",
    "Accept-Encoding: br\r\n",
};

/* Where line `n` of the data begins; its end when there are fewer. */
static size_t line_at(const uint8_t *data, size_t size, size_t n)
{
    size_t at = 0;
    while (n-- > 0 && at < size) {
        const uint8_t *lf = memchr(data + at, '\n', size - at);
        at = lf == NULL ? size : (size_t)(lf - data) + 1;
    }
    return at;
}

static size_t insert(uint8_t *data, size_t size, size_t max, size_t at, const void *bytes, size_t n)
{
    if (n > max - size)
        return size;
    memmove(data + at + n, data + at, size - at);
    memcpy(data + at, bytes, n);
    return size + n;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    size_t count = 1, from, to, n;
    uint8_t copy[512];
    random_from((const uint8_t *)&seed, sizeof seed);
    for (size_t i = 0; i < size; i++)
        count += data[i] == '\n';
    from = line_at(data, size, random_below(count));
    n = line_at(data + from, size - from, 1);
    to = line_at(data, size, random_below(count));
    switch (random_below(10)) {
    case 0: { /* one of ours */
        const char *line = lines[random_below(sizeof lines / sizeof *lines)];
        return insert(data, size, max, to, line, strlen(line));
    }
    case 1: /* a line again, elsewhere */
        if (n > sizeof copy)
            break;
        memcpy(copy, data + from, n);
        return insert(data, size, max, to, copy, n);
    case 2: /* one line less */ memmove(data + from, data + from + n, size - from - n); return size - n;
    case 3: /* a letter of the other case */
        if (n > 0)
            data[from + random_below(n)] ^= 0x20;
        return size;
    case 4: /* a byte some times more */
        if (size == 0)
            break;
        to = random_below(size);
        memset(copy, data[to], sizeof copy);
        return insert(data, size, max, to, copy, 1 + random_below(random_below(4) == 0 ? 40 : 4));
    default: break;
    }
    return LLVMFuzzerMutate(data, size, max);
}
