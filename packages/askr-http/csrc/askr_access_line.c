#include "askr_access_line.h"

#include "askr_put.h"

static void put_escape(askr_put *line, uint8_t c)
{
    static const char hex[] = "0123456789abcdef";
    static const char with_letters[][2] = {{'"', '"'},  {'\\', '\\'}, {'\n', 'n'}, {'\r', 'r'},
                                           {'\t', 't'}, {'\f', 'f'},  {'\b', 'b'}};
    for (size_t i = 0; i < sizeof with_letters / sizeof *with_letters; i++)
        if (c == (uint8_t)with_letters[i][0]) {
            const char escape[2] = {'\\', with_letters[i][1]};
            askr_put_bytes(line, escape, sizeof escape);
            return;
        }
    const char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    askr_put_bytes(line, escape, sizeof escape);
}

/* A JSON string of Latin-1 text, all ASCII. */
static void put_string(askr_put *line, askr_slice text)
{
    const uint8_t *p = text.at, *end = text.at + text.len;
    askr_put_text(line, "\"");
    while (p < end) {
        const uint8_t *plain = p;
        while (p < end && *p >= ' ' && *p <= '~' && *p != '"' && *p != '\\')
            p++;
        askr_put_bytes(line, plain, (size_t)(p - plain));
        if (p < end)
            put_escape(line, *p++);
    }
    askr_put_text(line, "\"");
}

/* Milliseconds with two digits behind the point; a half is rounded up. */
static void put_duration(askr_put *line, uint64_t ns)
{
    uint64_t hundredths = ns / 10000 + (ns % 10000 >= 5000);
    const char fraction[3] = {'.', (char)('0' + hundredths / 10 % 10), (char)('0' + hundredths % 10)};
    askr_put_number(line, hundredths / 100);
    askr_put_bytes(line, fraction, sizeof fraction);
}

int64_t askr_access_line_write(const askr_access_record *r, uint8_t *buf, size_t cap)
{
    askr_put line = askr_put_in(buf, cap);
    askr_put_text(&line, "{\"ts\":");
    if (r->ts_wall_s < 0)
        askr_put_text(&line, "-");
    askr_put_number(&line, r->ts_wall_s < 0 ? 0 - (uint64_t)r->ts_wall_s : (uint64_t)r->ts_wall_s);
    askr_put_text(&line, ",\"ip\":\"");
    askr_put_slice(&line, r->ip);
    askr_put_text(&line, "\",\"method\":");
    put_string(&line, r->method);
    askr_put_text(&line, ",\"path\":");
    put_string(&line, r->path);
    askr_put_text(&line, ",\"status\":");
    askr_put_number(&line, r->status);
    askr_put_text(&line, ",\"bytes\":");
    askr_put_number(&line, r->body_bytes);
    askr_put_text(&line, ",\"dur_ms\":");
    put_duration(&line, r->duration_ns);
    askr_put_text(&line, "}\n");
    return askr_put_end(&line);
}
