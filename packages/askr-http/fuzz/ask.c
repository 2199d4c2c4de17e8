#include "ask.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int to_oracle, from_oracle;

static void fail(const char *sentence)
{
    fprintf(stderr, "ask: %s\n", sentence);
    abort();
}

uint8_t *guarded(const uint8_t *bytes, size_t n)
{
    uint8_t *copy = malloc(n > 0 ? n : 1);
    if (copy == NULL)
        fail("no memory");
    if (n > 0)
        memcpy(copy, bytes, n);
    return copy;
}

void message_clear(message *m)
{
    m->len = 0;
}

static void message_room(message *m, size_t n)
{
    if (m->bytes != NULL && n <= m->cap - m->len)
        return;
    m->cap = (m->len + n) * 2 + 64;
    m->bytes = realloc(m->bytes, m->cap);
    if (m->bytes == NULL)
        fail("no memory");
}

void message_bytes(message *m, const void *bytes, size_t n)
{
    message_room(m, n);
    if (n > 0)
        memcpy(m->bytes + m->len, bytes, n);
    m->len += n;
}

void message_number(message *m, uint64_t n)
{
    message_bytes(m, &n, sizeof n);
}

void ask_start(void)
{
    const char *command = getenv("ASKR_ORACLE");
    int there[2], back[2];
    if (command == NULL)
        fail("ASKR_ORACLE does not name the oracle; scripts/fuzz.sh does");
    if (pipe(there) != 0 || pipe(back) != 0)
        fail("no pipes");
    switch (fork()) {
    case -1: fail("no process"); break;
    case 0:
        dup2(there[0], 0);
        dup2(back[1], 1);
        close(there[0]), close(there[1]), close(back[0]), close(back[1]);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    default: break;
    }
    close(there[0]), close(back[1]);
    signal(SIGPIPE, SIG_IGN);
    to_oracle = there[1];
    from_oracle = back[0];
}

/* libFuzzer's alarm, by which it notices inputs that take too long, interrupts what waits. */
static void put(const void *bytes, size_t n)
{
    const uint8_t *at = bytes;
    while (n > 0) {
        ssize_t done = write(to_oracle, at, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            fail("the oracle takes nothing");
        at += done;
        n -= (size_t)done;
    }
}

static void get(void *bytes, size_t n)
{
    uint8_t *at = bytes;
    while (n > 0) {
        ssize_t done = read(from_oracle, at, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            fail("the oracle is gone");
        at += done;
        n -= (size_t)done;
    }
}

static void show(const char *whose, const uint8_t *bytes, size_t n)
{
    fprintf(stderr, "%s: ", whose);
    for (size_t i = 0; i < n; i++)
        fprintf(stderr, bytes[i] >= ' ' && bytes[i] <= '~' && bytes[i] != '\\' ? "%c" : "\\x%02x", bytes[i]);
    fputc('\n', stderr);
}

void ask(const uint8_t *data, size_t size, uint64_t a, uint64_t b, const message *told)
{
    static message question, heard;
    uint64_t n;
    message_clear(&question);
    message_number(&question, size);
    message_number(&question, a);
    message_number(&question, b);
    message_bytes(&question, data, size);
    put(question.bytes, question.len);
    get(&n, sizeof n);
    message_clear(&heard);
    message_room(&heard, (size_t)n);
    get(heard.bytes, (size_t)n);
    heard.len = (size_t)n;
    if (heard.len == told->len && (told->len == 0 || memcmp(heard.bytes, told->bytes, told->len) == 0))
        return;
    show("input", data, size);
    fprintf(stderr, "asked: %llu %llu\n", (unsigned long long)a, (unsigned long long)b);
    show("C", told->bytes, told->len);
    show("Python", heard.bytes, heard.len);
    fail("C and Python do not agree");
}
