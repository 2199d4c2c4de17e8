#ifndef ASKR_FUZZ_ASK_H
#define ASKR_FUZZ_ASK_H

#include <stddef.h>
#include <stdint.h>

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
 * Ends the process, with both views in hexadecimal, unless the oracle reads `requests` requests from data, which it describes by the same bytes as
 * `told`, and then, if `is_waiting`, waits for more.
 */
void ask(const uint8_t *data, size_t size, uint64_t requests, uint64_t is_waiting, const message *told);

#endif
