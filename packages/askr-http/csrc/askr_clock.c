#include "askr_clock.h"

#include <string.h>
#include <time.h>

uint64_t askr_clock_wall_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000ull + (uint64_t)t.tv_nsec / 1000;
}

void askr_clock_update(askr_clock *c)
{
    int64_t wall_s = (int64_t)(askr_clock_wall_us() / 1000000);
    c->now_mono_ns = askr_mono_ns();
    if (wall_s == c->now_wall_s)
        return;
    c->now_wall_s = wall_s;
    memcpy(c->date, "Date: ", 6);
    askr_date_write(wall_s, c->date + 6);
    memcpy(c->date + 6 + ASKR_DATE_BYTES, "\r\n", 2);
}
