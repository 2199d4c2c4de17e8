#ifndef ASKR_CGI_H
#define ASKR_CGI_H

#include "askr_base.h"
#include "askr_h1_codec.h"
#include "askr_h1_writer.h"
#include "askr_slice.h"

/* cffi:begin */
/*
 * A request as PHP sees it, and PHP's response as HTTP may carry it (RFC 3875): the rules of askr_http.cgi, against which this is tested.
 */
typedef struct {
    askr_slice name;      /* SCRIPT_NAME */
    askr_slice filename;  /* SCRIPT_FILENAME */
    askr_slice path_info; /* may be empty */
} askr_script;

typedef struct {
    askr_slice document_root;
    askr_slice scheme; /* "http", or "https" where a proxy in front of us ends TLS */
} askr_cgi_policy;

typedef struct {
    askr_slice remote_addr, remote_port; /* numeric, IPv4-mapped addresses as IPv4, no scope */
    askr_slice server_addr, server_port;
} askr_cgi_peer;

/* The encoded head (askr_head.h); bytes written, or ASKR_E2BIG. */
int64_t askr_cgi_request(const askr_request *rq, const askr_script *script, const askr_cgi_policy *policy,
                         const askr_cgi_peer *peer, uint64_t body_bytes, uint64_t now_wall_us, uint8_t *buf,
                         size_t cap);

/*
 * Writes the HTTP head of a response whose encoded head (askr_head.h) is `head`, and starts the writer.
 * known_body_bytes: of a response that is whole, otherwise ASKR_NO_LENGTH; PHP's own Content-Length counts before it.
 * Returns the bytes written; ASKR_EINVAL: the bytes are no head, so the worker's memory is not to be trusted (502 WORKER_DIED);
 * ASKR_ECANCELED: it is one that cannot be sent (502 BAD_RESPONSE); ASKR_E2BIG.  A failed call changed nothing.
 */
int64_t askr_cgi_response(askr_writer *w, askr_slice head, uint64_t known_body_bytes, askr_slice date, uint8_t *buf,
                          size_t cap);
/* cffi:end */

#endif
