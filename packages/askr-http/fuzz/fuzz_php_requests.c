/*
 * Invariant: for any request that the codec takes, askr_cgi_request tells PHP, byte for byte, what the pure wire (askr_http.cgi) would tell it,
 * in bounds; a buffer that is too small is E2BIG.
 *
 * The input is what a client sends; script, policy and peer are those of oracle.py.
 */
#include "askr_cgi.h"
#include "ask.h"
#include "random.h"

#define TEXT(literal) ((askr_slice){(const uint8_t *)(literal), sizeof(literal) - 1})

static const askr_codec_limits limits = {4096, 1000};

static message told;

static int64_t write_head(const askr_request *rq, uint8_t *buf, size_t cap)
{
    const askr_script script = {TEXT("/x.php"), TEXT("/srv/x.php"), TEXT("/info")};
    const askr_cgi_policy policy = {TEXT("/srv"), TEXT("http")};
    const askr_cgi_peer peer = {TEXT("192.0.2.1"), TEXT("4711"), TEXT("::1"), TEXT("8000")};
    return askr_cgi_request(rq, &script, &policy, &peer, rq->content_length, 1, buf, cap);
}

static void check_cap(const askr_request *rq, const uint8_t *whole, size_t n)
{
    size_t cap = random_below(n + 1);
    uint8_t *buf = guarded(whole, cap);
    CHECK(write_head(rq, buf, cap) == (cap < n ? ASKR_E2BIG : (int64_t)n));
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
    static askr_request rq;
    static uint8_t out[65536];
    uint8_t *buf = guarded(data, size);
    uint32_t scanned = 0;
    random_from(data, size);
    if (askr_codec_read(buf, size, &limits, &scanned, &rq) == ASKR_CODEC_REQUEST) {
        int64_t n = write_head(&rq, out, sizeof out);
        CHECK(n > 0);
        check_cap(&rq, out, (size_t)n);
        message_clear(&told);
        message_bytes(&told, out, (size_t)n);
        ask(buf, rq.head_bytes, 0, 0, &told);
    }
    free(buf);
    return 0;
}
