#include "askr_h1_writer.h"

#include <string.h>

/*
 * Dates of HTTP (RFC 9110 section 5.6.7) without the C library's clockwork: gmtime_r asks for the time zone's lock, and timegm
 * normalises what is to be refused.  Days are counted in years that begin in March, so that a leap day is the last day of its year
 * and the months before it have fixed lengths; 400 such years, an era, have 146097 days.
 */
#define DAY_S         86400
#define ERA_DAYS      146097
#define ERA_YEARS     400
#define DAYS_TO_EPOCH 719468 /* from 0000-03-01 to 1970-01-01 */

static const char day_names[7][4] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static void put_number(uint8_t *at, int64_t n, int digits)
{
    while (digits-- > 0) {
        at[digits] = (uint8_t)('0' + n % 10);
        n /= 10;
    }
}

void askr_date_write(int64_t wall_s, uint8_t *buf)
{
    int64_t days = floor_div(wall_s, DAY_S), second = wall_s - days * DAY_S, shifted = days + DAYS_TO_EPOCH;
    int64_t era = floor_div(shifted, ERA_DAYS), day = shifted - era * ERA_DAYS;
    /* The fourth year of four, the hundredth of a hundred and the four hundredth each end with a day that is not in the count. */
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t day_of_year = day - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* from March; 153 days are in five months */
    int64_t day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    int64_t weekday = days + 3 - floor_div(days + 3, 7) * 7; /* the epoch is a Thursday */
    month = month < 10 ? month + 2 : month - 10;
    year += era * ERA_YEARS + (month < 2);
    memcpy(buf, day_names[weekday], 3);
    memcpy(buf + 3, ", ", 2);
    put_number(buf + 5, day_of_month, 2);
    buf[7] = ' ';
    memcpy(buf + 8, month_names[month], 3);
    buf[11] = ' ';
    put_number(buf + 12, year, 4);
    buf[16] = ' ';
    put_number(buf + 17, second / 3600, 2);
    buf[19] = ':';
    put_number(buf + 20, second / 60 % 60, 2);
    buf[22] = ':';
    put_number(buf + 23, second % 60, 2);
    memcpy(buf + 25, " GMT", 4);
}

static int name_of(const uint8_t *at, const char names[][4], int count)
{
    for (int i = 0; i < count; i++)
        if (memcmp(at, names[i], 3) == 0)
            return i;
    return -1;
}

/* `layout` has a 0 for each digit and otherwise what must be there. */
static int is_laid_out(const uint8_t *at, const char *layout)
{
    for (; *layout != 0; at++, layout++)
        if (*layout == '0' ? *at < '0' || *at > '9' : *at != (uint8_t)*layout)
            return 0;
    return 1;
}

static int number(const uint8_t *at, int digits)
{
    int n = 0;
    for (int i = 0; i < digits; i++)
        n = n * 10 + (at[i] - '0');
    return n;
}

static int days_in(int year, int month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month] + (month == 1 && is_leap);
}

static int64_t days_since_epoch(int64_t year, int64_t month, int64_t day)
{
    int64_t from_march = month >= 2 ? month - 2 : month + 10, years = year - (month < 2);
    int64_t era = floor_div(years, ERA_YEARS), of_era = years - era * ERA_YEARS;
    int64_t day_of_year = (153 * from_march + 2) / 5 + day - 1;
    return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - DAYS_TO_EPOCH;
}

int64_t askr_date_read(askr_slice text)
{
    const uint8_t *at = text.at;
    int year, month, day, hour, minute, second;
    if (text.len != ASKR_DATE_BYTES || name_of(at, day_names, 7) < 0 || !is_laid_out(at + 3, ", 00 ") ||
        !is_laid_out(at + 11, " 0000 00:00:00 GMT"))
        return -1;
    month = name_of(at + 8, month_names, 12);
    day = number(at + 5, 2);
    year = number(at + 12, 4);
    hour = number(at + 17, 2);
    minute = number(at + 20, 2);
    second = number(at + 23, 2);
    if (month < 0 || year < 1 || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59)
        return -1;
    if (second > 59) /* a leap second, and as in the pure wire what never was one */
        second = 59;
    return days_since_epoch(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second;
}
