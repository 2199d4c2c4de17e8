#ifndef ASKR_H1_CODEC_H
#define ASKR_H1_CODEC_H

#include "askr_base.h"
#include "askr_slice.h"

/* cffi:begin */
/*
 * The head of an HTTP/1 request (RFC 9112), read without I/O and without state: the same bytes give the same answer
 * however they arrived.
 *
 * The codec accepts a grammar that has one reading only: origin form, HTTP/1.0 and 1.1, no transfer coding, at most one Content-Length,
 * exactly one valid Host in 1.1, no Expect, no Upgrade, no byte that two servers could read differently.  What it does
 * not accept it does not refuse either: it defers, and the pure wire (askr_http.h1, with h11) judges.
 * Invariant, which the differential fuzzer holds it to: for any bytes, where the codec says REQUEST the pure wire reads the same
 * request from the same number of bytes; where it says MORE the pure wire has not refused either.
 *
 * Ownership: slices point into the caller's buffer.  Threads: any; there is no state.
 */
typedef enum {
    ASKR_CODEC_MORE = 0,    /* so far so good, the head is not complete */
    ASKR_CODEC_REQUEST = 1, /* *out is filled in; the body has *out's content_length bytes behind head_bytes */
    ASKR_CODEC_DEFER = 2    /* let the pure wire judge these bytes */
} askr_codec_verdict;

typedef enum { ASKR_METHOD_OTHER = 0, ASKR_METHOD_GET = 1, ASKR_METHOD_HEAD = 2, ASKR_METHOD_POST = 3 } askr_method;

/* Fields that something in here looks at; the number is an index of askr_request.known. */
typedef enum {
    ASKR_KNOWN_NONE = 0,
    ASKR_KNOWN_HOST,
    ASKR_KNOWN_CONNECTION,
    ASKR_KNOWN_CONTENT_LENGTH,
    ASKR_KNOWN_COOKIE,
    ASKR_KNOWN_ACCEPT_ENCODING,
    ASKR_KNOWN_RANGE,
    ASKR_KNOWN_IF_RANGE,
    ASKR_KNOWN_IF_MATCH,
    ASKR_KNOWN_IF_NONE_MATCH,
    ASKR_KNOWN_IF_MODIFIED_SINCE,
    ASKR_KNOWN_IF_UNMODIFIED_SINCE,
    ASKR_KNOWN_PROXY, /* never given to PHP (CVE-2016-5385) */
    ASKR_KNOWN_TE,
    ASKR_KNOWN_TRAILER,
    ASKR_KNOWN_COUNT
} askr_known_field;

#define ASKR_REQUEST_FIELDS 128 /* more fields than these are deferred */

typedef struct {
    askr_slice name;  /* as sent */
    askr_slice value; /* without the white space around it */
    uint32_t hash;    /* of the lower-cased name: equal names have equal hashes */
    uint32_t known;   /* askr_known_field */
} askr_request_field;

typedef struct {
    askr_slice method;
    askr_slice target; /* origin form: raw_path, and `?` and query if there is one */
    askr_slice raw_path;
    askr_slice query;
    askr_slice authority; /* the value of Host; empty in HTTP/1.0 without one */
    askr_slice host;      /* of it, without the port, an IPv6 address with its brackets */
    uint64_t content_length;
    uint32_t head_bytes; /* up to and with the empty line */
    uint32_t method_id;  /* askr_method */
    uint32_t is_1_1;
    uint32_t keeps_alive; /* whether the client wants another request on this connection */
    uint32_t has_escapes; /* raw_path has a percent sign; all are followed by two hexadecimal digits, and none is %00 */
    uint32_t field_count;
    uint8_t known_count[ASKR_KNOWN_COUNT]; /* how often each known field came */
    uint8_t known[ASKR_KNOWN_COUNT];       /* index of its first one in fields; valid when known_count is not 0 */
    askr_request_field fields[ASKR_REQUEST_FIELDS];
} askr_request;

typedef struct {
    uint32_t head_bytes;   /* a head that is longer is deferred, complete or not */
    uint32_t target_bytes; /* the same for the target */
} askr_codec_limits;

/*
 * Reads the head at the start of buf[0..len).  `scanned` is the caller's note of how much was looked at without finding the end, 0 for a
 * new head: with it a head that comes byte by byte costs linear time.  *out means something with ASKR_CODEC_REQUEST only; *scanned is 0
 * again then, for the next head.
 */
askr_codec_verdict askr_codec_read(const uint8_t *buf, size_t len, const askr_codec_limits *limits, uint32_t *scanned,
                                   askr_request *out);
/* cffi:end */

#endif
