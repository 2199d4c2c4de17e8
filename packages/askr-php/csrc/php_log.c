#include "php_log.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 8192 };

static bool is_json_format;

void askr_log_use_json(bool is_json)
{
    is_json_format = is_json;
}

static size_t put(char *line, size_t at, const char *text)
{
    size_t n = strlen(text);
    if (n > LINE_BYTES - at)
        n = LINE_BYTES - at;
    memcpy(line + at, text, n);
    return at + n;
}

/* A JSON string's inside (RFC 8259 section 7); bytes over 0x7f pass as they are, PHP's messages are UTF-8 where the application is. */
static size_t put_escaped(char *line, size_t at, const char *text)
{
    for (const char *c = text; *c && at + 8 < LINE_BYTES; c++) {
        unsigned char u = (unsigned char)*c;
        if (u == '"' || u == '\\') {
            line[at++] = '\\';
            line[at++] = *c;
        } else if (u < 0x20) {
            at += (size_t)snprintf(line + at, LINE_BYTES - at, "\\u%04x", u);
        } else {
            line[at++] = *c;
        }
    }
    return at;
}

static void write_all(const char *line, size_t n)
{
    while (n) {
        ssize_t done = write(STDERR_FILENO, line, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return; /* nobody to tell */
        line += done;
        n -= (size_t)done;
    }
}

void askr_log_line(askr_log_level level, const char *target, const char *message)
{
    static const char *const NAMES[] = {"ERROR", "WARN", "INFO"};
    char line[LINE_BYTES + 8], stamp[48];
    struct timespec now;
    struct tm utc;
    size_t at = 0;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    at = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(stamp + at, sizeof stamp - at, ".%03ldZ", now.tv_nsec / 1000000);
    if (is_json_format) {
        at = (size_t)snprintf(line, LINE_BYTES, "{\"ts\":\"%s\",\"level\":\"%s\",\"target\":\"%s\",\"msg\":\"", stamp,
                              NAMES[level], target);
        at = put_escaped(line, at, message);
        at = put(line, at, "\"}");
    } else {
        at = (size_t)snprintf(line, LINE_BYTES, "%s %5s %s: ", stamp, NAMES[level], target);
        at = put(line, at, message);
    }
    line[at++] = '\n';
    write_all(line, at);
}

void askr_logf(askr_log_level level, const char *format, ...)
{
    char message[LINE_BYTES / 2];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    askr_log_line(level, "askr", message);
}
