#include "askr_h1_chars.h"

#define S (ASKR_IN_PATH | ASKR_IN_QUERY)              /* separators */
#define T (ASKR_TOKEN | ASKR_IN_PATH | ASKR_IN_QUERY) /* ! $ & ' * + ^ ` | */
#define A (T | ASKR_IN_HOST)                          /* letters and - . _ ~ */
#define X (A | ASKR_HEX)                              /* digits, and letters of hexadecimal numbers */
#define N ASKR_TOKEN                                  /* # */
#define P (ASKR_TOKEN | ASKR_IN_QUERY)                /* % */
#define Q ASKR_IN_QUERY                               /* ? */

/* clang-format off */
const uint8_t askr_h1_classes[256] = {
    /*         0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f */
    /* 00 */   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    /* 10 */   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    /* 20 */   0, T, S, N, T, P, T, T, S, S, T, T, S, A, A, S,
    /* 30 */   X, X, X, X, X, X, X, X, X, X, S, S, S, S, S, Q,
    /* 40 */   S, X, X, X, X, X, X, A, A, A, A, A, A, A, A, A,
    /* 50 */   A, A, A, A, A, A, A, A, A, A, A, S, S, S, T, A,
    /* 60 */   T, X, X, X, X, X, X, A, A, A, A, A, A, A, A, A,
    /* 70 */   A, A, A, A, A, A, A, A, A, A, A, S, T, S, A, 0,
};
/* clang-format on */
