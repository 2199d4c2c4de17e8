#include "askr_conditions.h"

#include <string.h>

#include "askr_ascii.h"
#include "askr_h1_writer.h"

static askr_slice value_of(const askr_request *rq, askr_known_field known)
{
    return rq->fields[rq->known[known]].value;
}

static int is_space(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static askr_slice strip(askr_slice s)
{
    while (s.len > 0 && is_space(s.at[0])) {
        s.at++;
        s.len--;
    }
    while (s.len > 0 && is_space(s.at[s.len - 1]))
        s.len--;
    return s;
}

static int is_equal(askr_slice a, askr_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* Cuts off what stands before the first `c`; the whole, and an empty rest without `at`, when there is none. */
static askr_slice cut(askr_slice *rest, uint8_t c)
{
    askr_slice head = *rest;
    const uint8_t *at = rest->len > 0 ? memchr(rest->at, c, rest->len) : NULL;
    if (at == NULL) {
        *rest = (askr_slice){NULL, 0};
        return head;
    }
    head.len = (size_t)(at - head.at);
    *rest = (askr_slice){at + 1, rest->len - head.len - 1};
    return head;
}

/* entity-tags (RFC 9110 section 8.8.3) */

static int is_etag_char(uint8_t c)
{
    return c == 0x21 || (c >= 0x23 && c <= 0x7e) || c >= 0x80;
}

/* Takes an entity-tag off the front, without its W/; 0: there is none. */
static int take_etag(askr_slice *s, askr_slice *opaque)
{
    size_t at = s->len >= 2 && s->at[0] == 'W' && s->at[1] == '/' ? 2 : 0, end = at + 1;
    if (at >= s->len || s->at[at] != '"')
        return 0;
    while (end < s->len && is_etag_char(s->at[end]))
        end++;
    if (end >= s->len || s->at[end] != '"')
        return 0;
    *opaque = (askr_slice){s->at + at, end + 1 - at};
    *s = strip((askr_slice){s->at + end + 1, s->len - end - 1});
    return 1;
}

/* Weak comparison of `etag` with a list that is read up to its first mistake. */
static int is_listed(askr_slice list, askr_slice etag)
{
    askr_slice opaque;
    for (;;) {
        list = strip(list);
        while (list.len > 0 && list.at[0] == ',')
            list = strip((askr_slice){list.at + 1, list.len - 1});
        if (!take_etag(&list, &opaque) || (list.len > 0 && list.at[0] != ','))
            return 0;
        if (is_equal(opaque, etag))
            return 1;
    }
}

askr_verdict askr_judge_preconditions(const askr_request *rq, const askr_validators *v)
{
    if (rq->known_count[ASKR_KNOWN_IF_MATCH] > 0 || rq->known_count[ASKR_KNOWN_IF_UNMODIFIED_SINCE] > 0)
        return ASKR_ASK_PYTHON;
    if (rq->known_count[ASKR_KNOWN_IF_NONE_MATCH] > 1)
        return ASKR_ASK_PYTHON;
    if (rq->known_count[ASKR_KNOWN_IF_NONE_MATCH] == 1) {
        askr_slice list = strip(value_of(rq, ASKR_KNOWN_IF_NONE_MATCH));
        int is_any = list.len == 1 && list.at[0] == '*';
        return is_any || is_listed(list, v->etag) ? ASKR_NOT_MODIFIED : ASKR_PROCEED;
    }
    if (rq->known_count[ASKR_KNOWN_IF_MODIFIED_SINCE] > 0) {
        int64_t since = askr_date_read(value_of(rq, ASKR_KNOWN_IF_MODIFIED_SINCE));
        if (since < 0)
            return ASKR_ASK_PYTHON;
        return v->modified_s <= since ? ASKR_NOT_MODIFIED : ASKR_PROCEED;
    }
    return ASKR_PROCEED;
}

/* ranges (section 14) */

/* Whether If-Range lets the range be: a strong validator, or a date that was one. */
static askr_range judge_if_range(askr_slice condition, const askr_validators *v)
{
    int is_weak = condition.len >= 2 && memcmp(condition.at, "W/", 2) == 0;
    if (is_weak || (condition.len > 0 && condition.at[0] == '"'))
        return is_equal(condition, v->etag) ? ASKR_RANGE_PART : ASKR_RANGE_WHOLE;
    int64_t date = askr_date_read(condition);
    if (date < 0)
        return ASKR_RANGE_ASK_PYTHON;
    return date == v->modified_s && v->modified_s + 1 < v->now_wall_s ? ASKR_RANGE_PART : ASKR_RANGE_WHOLE;
}

/* Takes digits off the front: how many there were.  More than 18 say no number. */
static size_t take_number(askr_slice *s, uint64_t *out)
{
    size_t n = 0;
    *out = 0;
    while (n < s->len && s->at[n] >= '0' && s->at[n] <= '9') {
        if (n < 18)
            *out = *out * 10 + (uint64_t)(s->at[n] - '0');
        n++;
    }
    *s = (askr_slice){s->at + n, s->len - n};
    return n;
}

/* One range of the list: WHOLE when it is malformed. */
static askr_range read_range(askr_slice part, uint64_t size, uint64_t *offset, uint64_t *length)
{
    uint64_t first, last;
    size_t first_digits, last_digits;
    part = strip(part);
    first_digits = take_number(&part, &first);
    part = strip(part);
    if (part.len == 0 || part.at[0] != '-')
        return ASKR_RANGE_WHOLE;
    part = strip((askr_slice){part.at + 1, part.len - 1});
    last_digits = take_number(&part, &last);
    if (part.len > 0 || first_digits > 18 || last_digits > 18 || (first_digits == 0 && last_digits == 0))
        return ASKR_RANGE_WHOLE;
    if (first_digits == 0) {
        *length = last < size ? last : size;
        *offset = size - *length;
        return *length > 0 ? ASKR_RANGE_PART : ASKR_RANGE_UNSATISFIABLE;
    }
    if (last_digits > 0 && first > last)
        return ASKR_RANGE_WHOLE;
    if (first >= size)
        return ASKR_RANGE_UNSATISFIABLE;
    *offset = first;
    *length = (last_digits > 0 && last < size ? last + 1 : size) - first;
    return ASKR_RANGE_PART;
}

askr_range askr_choose_range(const askr_request *rq, const askr_validators *v, uint64_t *offset, uint64_t *length)
{
    if (rq->method_id != ASKR_METHOD_GET || rq->known_count[ASKR_KNOWN_RANGE] != 1)
        return ASKR_RANGE_WHOLE;
    askr_slice rest = value_of(rq, ASKR_KNOWN_RANGE), unit = strip(cut(&rest, '='));
    if (rest.at == NULL || !askr_ascii_is(unit.at, unit.len, "bytes"))
        return ASKR_RANGE_WHOLE;
    if (rq->known_count[ASKR_KNOWN_IF_RANGE] > 0) {
        askr_range condition = judge_if_range(value_of(rq, ASKR_KNOWN_IF_RANGE), v);
        if (condition != ASKR_RANGE_PART)
            return condition;
    }
    int count = 0, satisfiable = 0;
    do {
        askr_range one = read_range(cut(&rest, ','), v->size_bytes, offset, length);
        if (one == ASKR_RANGE_WHOLE)
            return ASKR_RANGE_WHOLE;
        count++;
        satisfiable += one == ASKR_RANGE_PART;
    } while (rest.at != NULL);
    if (satisfiable == 0)
        return ASKR_RANGE_UNSATISFIABLE;
    return count == 1 ? ASKR_RANGE_PART : ASKR_RANGE_WHOLE;
}

/* codings (section 12.5.3) */

enum { WEIGHT_BR, WEIGHT_GZIP, WEIGHT_X_GZIP, WEIGHT_ANY, WEIGHT_IDENTITY, WEIGHTS };

/* A qvalue in thousandths; 0 for what is none. */
static int read_weight(askr_slice q)
{
    int weight = 0;
    if (q.len == 0 || q.len > 5 || (q.at[0] != '0' && q.at[0] != '1') || (q.len > 1 && q.at[1] != '.'))
        return 0;
    for (size_t i = 2; i < 5; i++) {
        uint8_t digit = i < q.len ? q.at[i] : '0';
        if (digit < '0' || digit > '9')
            return 0;
        weight = weight * 10 + (digit - '0');
    }
    if (q.at[0] == '0')
        return weight;
    return weight == 0 ? 1000 : 0;
}

static void read_member(askr_slice member, int weights[WEIGHTS])
{
    static const char *const names[WEIGHTS] = {"br", "gzip", "x-gzip", "*", "identity"};
    askr_slice coding = strip(cut(&member, ';'));
    int weight = 1000;
    while (member.at != NULL) {
        askr_slice value = cut(&member, ';'), name = strip(cut(&value, '='));
        if (askr_ascii_is(name.at, name.len, "q"))
            weight = read_weight(strip(value));
    }
    for (int i = 0; i < WEIGHTS; i++)
        if (coding.len > 0 && askr_ascii_is(coding.at, coding.len, names[i]))
            weights[i] = weight;
}

static int first_known(int a, int b)
{
    return a >= 0 ? a : b;
}

uint32_t askr_choose_coding(const askr_request *rq, int has_br, int has_gzip)
{
    int weights[WEIGHTS] = {-1, -1, -1, -1, -1}; /* -1: not named */
    uint32_t lines = rq->known_count[ASKR_KNOWN_ACCEPT_ENCODING];
    for (uint32_t i = lines > 0 ? rq->known[ASKR_KNOWN_ACCEPT_ENCODING] : 0; lines > 0; i++) {
        if (rq->fields[i].known != ASKR_KNOWN_ACCEPT_ENCODING)
            continue;
        lines--;
        askr_slice rest = rq->fields[i].value;
        do
            read_member(cut(&rest, ','), weights);
        while (rest.at != NULL);
    }
    int any = first_known(weights[WEIGHT_ANY], 0), best_weight = 0;
    int br = first_known(weights[WEIGHT_BR], any);
    int gzip = first_known(weights[WEIGHT_GZIP], first_known(weights[WEIGHT_X_GZIP], any));
    uint32_t best = ASKR_CODING_NONE;
    if (has_br && br > best_weight) {
        best = ASKR_CODING_BR;
        best_weight = br;
    }
    if (has_gzip && gzip > best_weight) {
        best = ASKR_CODING_GZIP;
        best_weight = gzip;
    }
    return best_weight >= first_known(weights[WEIGHT_IDENTITY], 0) ? best : ASKR_CODING_NONE;
}
