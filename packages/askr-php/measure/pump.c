/*
 * A front that costs nothing to speak of: keeps exchanges with one and the same request in flight until so many are answered, and compares each answer with the
 * first.  It looks for answers at intervals instead of being woken, so that a worker never waits and never rings: what is left in the worker is PHP's part.
 * With "wake" it sleeps on the eventfd instead, as an idle front does, and a worker's wake-ups are in the figures.
 *
 *     pump POOL_FD EVENTFD FRONT IN_FLIGHT REQUESTS HEAD_FILE BODY_FILE look|wake      the first answer on stdout; 1 with a sentence when another one differs
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "askr_pool.h"

enum { IN_FLIGHT_MAX = 256, ANSWER_MAX = 1 << 18, LOOK_EVERY_NS = 100000 };

typedef struct {
    uint8_t bytes[1 << 16];
    size_t n;
} blob;

static void fail(const char *what, int rc)
{
    fprintf(stderr, "pump: %s (%d)\n", what, rc);
    exit(1);
}

static void load(const char *path, blob *out)
{
    FILE *f = fopen(path, "rb");

    if (!f)
        fail(path, 0);
    out->n = fread(out->bytes, 1, sizeof out->bytes, f);
    fclose(f);
}

static void submit(askr_pool *p, uint32_t front, const blob *head, const blob *body)
{
    askr_xid x;
    int rc = askr_front_open(p, front, &x);

    if (rc == ASKR_OK)
        rc = askr_front_write(p, x, head->bytes, head->n);
    if (rc == ASKR_OK && body->n)
        rc = askr_front_write(p, x, body->bytes, body->n);
    if (rc == ASKR_OK)
        rc = askr_front_submit(p, x, (uint32_t)head->n, body->n, 0, 0);
    if (rc != ASKR_OK)
        fail("a request was not taken", rc);
}

/* The whole answer of x into `buf`; 0 when it is not over yet. */
static size_t collect(askr_pool *p, askr_xid x, uint8_t *buf)
{
    askr_exchange_view seen;
    int rc = askr_front_observe(p, x, &seen);

    if (rc != ASKR_OK)
        fail("an exchange was lost", rc);
    if (seen.state == ASKR_EXCHANGE_FAILED)
        fail("a request failed", 0);
    if (seen.state != ASKR_EXCHANGE_DONE)
        return 0;
    int64_t n = askr_front_read(p, x, buf, ANSWER_MAX);
    if (n <= 0)
        fail("an answer could not be read", (int)n);
    askr_front_release(p, x);
    return (size_t)n;
}

static void wait_for_news(int eventfd)
{
    uint64_t count;

    if (eventfd < 0)
        nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_NS}, NULL);
    else if (poll(&(struct pollfd){.fd = eventfd, .events = POLLIN}, 1, -1) > 0)
        (void)!read(eventfd, &count, sizeof count);
}

int main(int argc, char **argv)
{
    static blob head, body;
    static uint8_t first[ANSWER_MAX], answer[ANSWER_MAX];
    static askr_xid news[IN_FLIGHT_MAX + 1];
    askr_pool *p;
    size_t first_n = 0;

    if (argc != 9)
        fail("eight arguments", argc);
    uint32_t front = (uint32_t)atoi(argv[3]), in_flight = (uint32_t)atoi(argv[4]);
    long sent = 0, answered = 0, wanted = atol(argv[5]);
    load(argv[6], &head);
    load(argv[7], &body);
    prctl(PR_SET_TIMERSLACK, 1UL);
    int rc = askr_pool_attach(atoi(argv[1]), &p);
    if (rc != ASKR_OK || in_flight == 0 || in_flight > IN_FLIGHT_MAX)
        fail("no pool", rc);
    int eventfd = strcmp(argv[8], "wake") == 0 ? atoi(argv[2]) : -1;
    askr_pool_bind_front(p, front, atoi(argv[2]));
    (void)askr_front_next(p, front, news); /* nothing yet: from now on it rings */
    for (; sent < in_flight && sent < wanted; sent++)
        submit(p, front, &head, &body);
    for (int count = 0; answered < wanted;) {
        if (eventfd < 0 || count == 0) /* fewer than asked for were there: the next one rings */
            wait_for_news(eventfd);
        count = askr_front_next_many(p, front, news, in_flight + 1);
        for (int i = 0; i < count; i++) {
            size_t n = collect(p, news[i], answered ? answer : first);
            if (n == 0)
                continue;
            if (answered == 0)
                first_n = n;
            else if (n != first_n || memcmp(answer, first, n) != 0)
                fail("an answer differs from the first", (int)answered);
            answered++;
            if (sent < wanted) {
                submit(p, front, &head, &body);
                sent++;
            }
        }
    }
    printf("answered %ld, %zu bytes\n", answered, first_n);
    fwrite(first, 1, first_n, stdout);
    return 0;
}
