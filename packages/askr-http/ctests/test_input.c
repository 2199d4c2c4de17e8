#include "../../askr-shm/ctests/testing.h"
#include "askr_input.h"

/* What goes in comes out, an empty input owns nothing, and what is counted as held is what was allocated. */

static void bytes_come_out_as_they_went_in(void)
{
    enum { TOTAL = 1 << 20 };
    uint64_t random = 23, held = 0;
    uint32_t in = 0, out = 0;
    uint8_t piece[9000];
    askr_input input = {0};
    while (out < TOTAL) {
        uint32_t n = random_next(&random) % (random_next(&random) % 8 == 0 ? (uint32_t)sizeof piece : 60);
        n = n < TOTAL - in ? n : TOTAL - in;
        for (uint32_t i = 0; i < n; i++)
            piece[i] = (uint8_t)((in + i) * 7 + (in + i) / 256);
        if (n > 0)
            CHECK_EQUAL(askr_input_put(&input, piece, n, &held), ASKR_OK);
        in += n;
        askr_slice seen = askr_input_bytes(&input);
        CHECK_EQUAL(seen.len, in - out);
        CHECK_EQUAL(held, input.cap);
        CHECK(held < 4 * (seen.len + sizeof piece) + 1024);
        uint32_t used = seen.len == 0 ? 0 : random_next(&random) % (uint32_t)(seen.len + 1);
        for (uint32_t i = 0; i < used; i++)
            CHECK_EQUAL(seen.at[i], (uint8_t)((out + i) * 7 + (out + i) / 256));
        if (used > 0)
            askr_input_consume(&input, used, &held);
        out += used;
        CHECK(in > out || (input.bytes == NULL && held == 0));
    }
}

static void adopted_bytes_are_held_and_let_go(void)
{
    uint64_t held = 0;
    askr_input input = {0};
    uint8_t *bytes = malloc(5);
    memcpy(bytes, "abcde", 5);
    askr_input_adopt(&input, bytes, 5, &held);
    CHECK_EQUAL(held, 5);
    askr_input_consume(&input, 2, &held);
    CHECK_EQUAL(askr_input_put(&input, (const uint8_t *)"fg", 2, &held), ASKR_OK);
    CHECK(askr_input_bytes(&input).len == 5 && memcmp(askr_input_bytes(&input).at, "cdefg", 5) == 0);
    askr_input_drop(&input, &held);
    CHECK_EQUAL(held, 0);
    CHECK_EQUAL(askr_input_bytes(&input).len, 0);
    askr_input_drop(&input, &held);
}

int main(void)
{
    bytes_come_out_as_they_went_in();
    adopted_bytes_are_held_and_let_go();
    printf("ok\n");
    return 0;
}
