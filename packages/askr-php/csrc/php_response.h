#ifndef ASKR_PHP_RESPONSE_H
#define ASKR_PHP_RESPONSE_H

#include <stdbool.h>

#include "php_compat.h"

/* From PHP's output layer to the exchange.  The thread that runs PHP, inside a request. */

/* sapi_module.ub_write: how many bytes PHP may believe were written; 0 once the client is gone. */
size_t askr_response_ub_write(const char *str, size_t n);
/* sapi_module.send_headers: encodes status, reason phrase and header fields. */
int askr_response_send_headers(sapi_headers_struct *headers);
/* sapi_module.flush: PHP's flush(); what was written so far goes to the client at once. */
void askr_response_flush_now(void *server_context);

/*
 * Takes back what the script has written, head and output buffers, so that another answer can be given.  False when the client may have seen some of it.
 */
bool askr_response_take_back(void);

/* Whether the exchange may end as DONE: it has a head, and nothing behind it was lost. */
bool askr_response_is_whole(void);

/*
 * Ends PHP's output buffers, sends the head if that has not happened, and hands the exchange back.  What PHP writes after this goes nowhere.
 * Returns false when there was nothing to finish.
 */
bool askr_response_complete(bool is_failed);

#endif
