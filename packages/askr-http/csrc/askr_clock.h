#ifndef ASKR_CLOCK_H
#define ASKR_CLOCK_H

#include "askr_h1_writer.h"
#include "askr_wake.h"

/* The time of a turn: looked up once, used for everything in it. */
typedef struct {
    uint64_t now_mono_ns;
    int64_t now_wall_s;
    uint8_t date[ASKR_DATE_LINE_BYTES]; /* the Date line of now_wall_s */
} askr_clock;

void askr_clock_update(askr_clock *c);
static inline askr_slice askr_clock_date(const askr_clock *c)
{
    return (askr_slice){c->date, ASKR_DATE_LINE_BYTES};
}
/* Of this very moment; the monotonic one is askr_mono_ns. */
uint64_t askr_clock_wall_us(void);

#endif
