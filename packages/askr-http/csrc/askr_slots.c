#include "askr_slots.h"

#include <stdlib.h>
#include <string.h>

/*
 * A slot's generation is odd while it is taken.  Slots that were never taken lie at and behind `fresh`; those that came back are a stack
 * through `next`, so that the one whose memory is still in the cache is taken first.
 */

enum { NONE = -1 };

struct askr_slots {
    uint8_t **chunks;
    uint32_t *generation;
    int32_t *next;
    size_t item_bytes;
    uint32_t count, fresh, used;
    int32_t back;
};

int askr_slots_create(uint32_t count, size_t item_bytes, askr_slots **out)
{
    if (count == 0 || count > INT32_MAX || item_bytes == 0)
        return ASKR_EINVAL;
    askr_slots *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ASKR_ESYS;
    s->item_bytes = (item_bytes + 63) / 64 * 64; /* whole cache lines */
    s->count = count;
    s->back = NONE;
    s->chunks = calloc((size_t)count / ASKR_SLOTS_CHUNK + 1, sizeof *s->chunks);
    s->generation = calloc(count, sizeof *s->generation);
    s->next = calloc(count, sizeof *s->next);
    if (s->chunks == NULL || s->generation == NULL || s->next == NULL) {
        askr_slots_destroy(s);
        return ASKR_ESYS;
    }
    *out = s;
    return ASKR_OK;
}

void askr_slots_destroy(askr_slots *s)
{
    if (s == NULL)
        return;
    for (uint32_t i = 0; s->chunks != NULL && i <= s->count / ASKR_SLOTS_CHUNK; i++)
        free(s->chunks[i]);
    free(s->chunks);
    free(s->generation);
    free(s->next);
    free(s);
}

static uint8_t *place(const askr_slots *s, uint32_t index)
{
    return s->chunks[index / ASKR_SLOTS_CHUNK] + (index % ASKR_SLOTS_CHUNK) * s->item_bytes;
}

/* An index that is free, NONE when there is none. */
static int32_t free_index(askr_slots *s)
{
    if (s->back != NONE) {
        int32_t index = s->back;
        s->back = s->next[index];
        return index;
    }
    if (s->fresh == s->count)
        return NONE;
    uint8_t **chunk = &s->chunks[s->fresh / ASKR_SLOTS_CHUNK];
    if (*chunk == NULL)
        *chunk = aligned_alloc(64, ASKR_SLOTS_CHUNK * s->item_bytes);
    return *chunk == NULL ? NONE : (int32_t)s->fresh++;
}

void *askr_slots_take(askr_slots *s, uint64_t *number)
{
    int32_t index = free_index(s);
    if (index == NONE)
        return NULL;
    s->used++;
    *number = (uint64_t)++s->generation[index] << 32 | (uint32_t)index;
    return memset(place(s, (uint32_t)index), 0, s->item_bytes);
}

void *askr_slots_find(const askr_slots *s, uint64_t number)
{
    uint32_t index = (uint32_t)number, generation = (uint32_t)(number >> 32);
    if (index >= s->fresh || s->generation[index] != generation || generation % 2 == 0)
        return NULL;
    return place(s, index);
}

void askr_slots_release(askr_slots *s, uint64_t number)
{
    uint32_t index = (uint32_t)number;
    if (askr_slots_find(s, number) == NULL)
        return;
    s->generation[index]++;
    s->next[index] = s->back;
    s->back = (int32_t)index;
    s->used--;
}

uint32_t askr_slots_used(const askr_slots *s)
{
    return s->used;
}

void *askr_slots_walk(const askr_slots *s, uint32_t *at)
{
    while (*at < s->fresh) {
        uint32_t index = (*at)++;
        if (s->generation[index] % 2 == 1)
            return place(s, index);
    }
    return NULL;
}
