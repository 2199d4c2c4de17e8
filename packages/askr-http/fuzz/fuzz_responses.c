/*
 * Invariant: for any bytes that a worker leaves as the head of a response, askr_cgi_response writes what the pure wire (askr_http.cgi and
 * .h1_writer) writes, in bounds, and leaves the writer as that one; or both say that it is no head, or that it cannot be sent.  A buffer
 * that is too small changes nothing.
 *
 * The first byte of the input says who asked and whether the body's length is known; the others are the head.
 */
#include "askr_cgi.h"
#include "ask.h"
#include "random.h"

#include <string.h>

enum { IS_HEAD = 1, IS_1_1 = 2, KEEPS_ALIVE = 4, IS_WHOLE = 8, BODY_BYTES = 1000 };
static const char date[] = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

static message told;

static int64_t write_head(askr_writer *w, uint8_t flags, askr_slice head, uint8_t *buf, size_t cap)
{
    const askr_slice date_line = {(const uint8_t *)date, sizeof date - 1};
    askr_writer_init(w, flags & IS_HEAD, flags & IS_1_1, flags & KEEPS_ALIVE);
    return askr_cgi_response(w, head, flags & IS_WHOLE ? BODY_BYTES : ASKR_NO_LENGTH, date_line, buf, cap);
}

/* The same into a buffer that may be one byte or many too small. */
static void check_cap(uint8_t flags, askr_slice head, const uint8_t *whole, size_t n)
{
    size_t cap = random_below(n + 1);
    askr_writer w, untouched;
    uint8_t *buf = guarded(whole, cap);
    int64_t got = write_head(&w, flags, head, buf, cap);
    if (cap == n) {
        CHECK(got == (int64_t)n && memcmp(buf, whole, n) == 0);
    } else {
        askr_writer_init(&untouched, flags & IS_HEAD, flags & IS_1_1, flags & KEEPS_ALIVE);
        CHECK(got == ASKR_E2BIG && memcmp(&w, &untouched, sizeof w) == 0);
    }
    free(buf);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    ask_start();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[65536];
    askr_writer w;
    uint8_t *head;
    int64_t n;
    if (size == 0)
        return 0;
    random_from(data, size);
    head = guarded(data + 1, size - 1);
    n = write_head(&w, data[0], (askr_slice){head, size - 1}, out, sizeof out);
    message_clear(&told);
    if (n >= 0) {
        message_bytes(&told, out, (size_t)n);
        message_number(&told, w.status);
        message_number(&told, w.left);
        message_number(&told, w.keeps_alive);
        message_number(&told, w.has_body);
        check_cap(data[0], (askr_slice){head, size - 1}, out, (size_t)n);
    } else {
        const char *why = n == ASKR_EINVAL ? "no head" : n == ASKR_ECANCELED ? "cannot be sent" : "?";
        CHECK(!w.is_started);
        message_bytes(&told, why, strlen(why));
    }
    ask(head, size - 1, data[0], 0, &told);
    free(head);
    return 0;
}
