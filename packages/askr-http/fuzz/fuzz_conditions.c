/*
 * Invariant: for any request that the codec takes, what askr_conditions says of a representation (304 or not, which part, which coding) is what
 * askr_http.conditions says, or that Python is to be asked.
 *
 * The input is what a client sends; the representations are those of oracle.py.
 */
#include "askr_conditions.h"
#include "ask.h"

#include <string.h>

static const askr_codec_limits limits = {4096, 1000};
static const char etag[] = "\"5a-1f\"";
enum { MODIFIED_S = 784111777 }; /* Sun, 06 Nov 1994 08:49:37 GMT */

static message told;

/* Describes what is decided here, and notes which of the questions that was. */
static uint64_t tell_about(const askr_request *rq, const askr_validators *v, uint64_t bit)
{
    uint64_t decided = 0, offset = 0, length = 0;
    askr_verdict verdict = askr_judge_preconditions(rq, v);
    askr_range range = askr_choose_range(rq, v, &offset, &length);
    if (verdict != ASKR_ASK_PYTHON) {
        decided |= bit;
        message_number(&told, verdict);
    }
    if (range != ASKR_RANGE_ASK_PYTHON) {
        decided |= bit << 1;
        message_number(&told, range);
        message_number(&told, range == ASKR_RANGE_PART ? offset : 0);
        message_number(&told, range == ASKR_RANGE_PART ? length : 0);
        CHECK(range != ASKR_RANGE_PART || (length > 0 && offset < v->size_bytes && length <= v->size_bytes - offset));
    }
    return decided;
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
    const askr_slice tag = {(const uint8_t *)etag, sizeof etag - 1};
    const askr_validators old = {tag, MODIFIED_S, MODIFIED_S + 100, 1000}, fresh = {tag, MODIFIED_S, MODIFIED_S + 1, 0};
    uint8_t *buf = guarded(data, size);
    uint32_t scanned = 0;
    if (askr_codec_read(buf, size, &limits, &scanned, &rq) == ASKR_CODEC_REQUEST &&
        (rq.method_id == ASKR_METHOD_GET || rq.method_id == ASKR_METHOD_HEAD)) {
        uint64_t decided = 0;
        message_clear(&told);
        decided |= tell_about(&rq, &old, 1);
        decided |= tell_about(&rq, &fresh, 4);
        for (int has_br = 0; has_br < 2; has_br++)
            for (int has_gzip = 0; has_gzip < 2; has_gzip++)
                message_number(&told, askr_choose_coding(&rq, has_br, has_gzip));
        ask(buf, rq.head_bytes, decided, 0, &told);
    }
    free(buf);
    return 0;
}
