#ifndef ASKR_PHP_LOG_H
#define ASKR_PHP_LOG_H

#include <stdbool.h>

/*
 * Lines on stderr in the two formats that askr_cli's logs have, each written by one write(2), so that lines of several processes do not mix.
 * Any thread, any phase; allocates nothing; a message is cut at 8 KiB.
 */
typedef enum { ASKR_LOG_ERROR, ASKR_LOG_WARN, ASKR_LOG_INFO } askr_log_level;

void askr_log_use_json(bool is_json);
/* `target` is "askr" for the server's own lines and "php" for PHP's error log. */
void askr_log_line(askr_log_level level, const char *target, const char *message);
__attribute__((format(printf, 2, 3))) void askr_logf(askr_log_level level, const char *format, ...);

#endif
