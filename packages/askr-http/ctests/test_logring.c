#include <pthread.h>
#include <stdatomic.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "../../askr-shm/ctests/testing.h"
#include "askr_logring.h"

/* Lines come out whole and in order, none that was taken is lost, and a reader that sleeps until it is told misses none. */

enum { MANY = 100000, SIZE = 64 * 1024 };

static askr_logring *ring;
static int bell;
static _Atomic uint32_t dropped;

static size_t write_line(uint64_t number, uint8_t *buf)
{
    size_t n = (size_t)sprintf((char *)buf, "%llu:", (unsigned long long)number);
    size_t more = (number * 7) % 150;
    memset(buf + n, 'a' + (int)(number % 26), more);
    buf[n + more] = '\n';
    return n + more + 1;
}

static void *put_many(void *argument)
{
    uint8_t line[256];
    (void)argument;
    for (uint64_t i = 0; i < MANY; i++) {
        int rc = askr_logring_put(ring, line, write_line(i, line));
        CHECK(rc >= 0 || rc == ASKR_EFULL);
        if (rc < 0)
            atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
        else if (rc == 1)
            CHECK_EQUAL(eventfd_write(bell, 1), 0);
    }
    CHECK_EQUAL(eventfd_write(bell, 1000000), 0); /* the end */
    return NULL;
}

static void a_sleeping_reader_gets_whole_lines_in_order(void)
{
    pthread_t writer;
    uint8_t *buf = malloc(SIZE), wanted[256];
    uint64_t next = 0, got = 0;
    int is_over = 0;
    CHECK_EQUAL(askr_logring_create(SIZE, &ring), ASKR_OK);
    bell = eventfd(0, 0);
    CHECK_EQUAL(pthread_create(&writer, NULL, put_many, NULL), 0);
    while (!is_over) {
        eventfd_t rings;
        CHECK_EQUAL(eventfd_read(bell, &rings), 0);
        is_over = rings >= 1000000;
        int64_t n;
        while ((n = askr_logring_take(ring, buf, SIZE)) > 0) {
            const uint8_t *at = buf;
            CHECK(buf[n - 1] == '\n');
            while (at < buf + n) {
                const uint8_t *end = memchr(at, '\n', (size_t)(buf + n - at));
                uint64_t number = strtoull((const char *)at, NULL, 10);
                CHECK(end != NULL && number >= next);
                size_t size = write_line(number, wanted);
                CHECK_EQUAL(end + 1 - at, size);
                CHECK(memcmp(at, wanted, size) == 0);
                next = number + 1;
                got++;
                at = end + 1;
            }
        }
        CHECK_EQUAL(n, 0);
    }
    CHECK_EQUAL(pthread_join(writer, NULL), 0);
    CHECK_EQUAL(got + atomic_load(&dropped), MANY);
    (void)close(bell);
    free(buf);
    askr_logring_destroy(ring);
}

static void the_reader_is_told_of_the_first_line_and_of_a_quarter(void)
{
    uint8_t *line = malloc(1024), *buf = malloc(SIZE);
    memset(line, 'x', 1023);
    line[1023] = '\n';
    CHECK_EQUAL(askr_logring_create(SIZE, &ring), ASKR_OK);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 64; i++)
            CHECK_EQUAL(askr_logring_put(ring, line, 1024), i == 0 || i == 15);
        CHECK_EQUAL(askr_logring_put(ring, line, 1024), ASKR_EFULL);
        CHECK_EQUAL(askr_logring_take(ring, buf, SIZE), SIZE);
    }
    CHECK_EQUAL(askr_logring_take(ring, buf, SIZE), 0);
    free(line);
    free(buf);
    askr_logring_destroy(ring);
}

static void a_line_is_given_out_whole_or_not(void)
{
    uint8_t *big = malloc(ASKR_LOG_LINE_BYTES + 1), buf[16];
    memset(big, 'x', ASKR_LOG_LINE_BYTES + 1);
    CHECK_EQUAL(askr_logring_create(SIZE, &ring), ASKR_OK);
    CHECK_EQUAL(askr_logring_put(ring, big, ASKR_LOG_LINE_BYTES + 1), ASKR_E2BIG);
    CHECK_EQUAL(askr_logring_put(ring, (const uint8_t *)"one\n", 4), 1);
    CHECK_EQUAL(askr_logring_put(ring, (const uint8_t *)"two\n", 4), 0);
    CHECK_EQUAL(askr_logring_take(ring, buf, 3), ASKR_E2BIG);
    CHECK_EQUAL(askr_logring_take(ring, buf, 7), 4);
    CHECK(memcmp(buf, "one\n", 4) == 0);
    CHECK_EQUAL(askr_logring_take(ring, buf, 4), 4);
    CHECK(memcmp(buf, "two\n", 4) == 0);
    free(big);
    askr_logring_destroy(ring);
}

int main(void)
{
    (void)alarm(100);
    a_line_is_given_out_whole_or_not();
    the_reader_is_told_of_the_first_line_and_of_a_quarter();
    a_sleeping_reader_gets_whole_lines_in_order();
    CHECK_EQUAL(askr_logring_create(1000, &ring), ASKR_EINVAL);
    askr_logring_destroy(NULL);
    printf("ok\n");
    return 0;
}
