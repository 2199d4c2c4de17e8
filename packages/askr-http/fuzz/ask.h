#ifndef ASKR_FUZZ_ASK_H
#define ASKR_FUZZ_ASK_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                             \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* A copy of its own on the heap, which the sanitizer guards at both ends; for free. */
uint8_t *guarded(const uint8_t *bytes, size_t n);

/*
 * A fuzz target's line to the oracle, a Python process that is started once ($ASKR_ORACLE, the command) and asked over pipes.
 * Numbers are 64 bits, in the order of this machine.
 */
typedef struct {
    uint8_t *bytes;
    size_t len, cap;
} message;

void message_clear(message *m);
void message_bytes(message *m, const void *bytes, size_t n);
void message_number(message *m, uint64_t n);

void ask_start(void);
/*
 * Ends the process, with both views, unless the oracle answers the question, which is data and two numbers, with the same bytes as `told`.
 */
void ask(const uint8_t *data, size_t size, uint64_t a, uint64_t b, const message *told);

#endif
