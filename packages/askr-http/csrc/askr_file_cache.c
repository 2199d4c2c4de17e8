#include "askr_file_cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "askr_keyed_hash.h"

int askr_file_cache_init(askr_file_cache *c, uint32_t most_fds, size_t most_content_bytes)
{
    uint32_t room = 16;
    while (room < most_fds && room < 1u << 20)
        room *= 2;
    *c = (askr_file_cache){.mask = room - 1, .most_fds = most_fds, .most_content_bytes = most_content_bytes};
    if (getrandom(c->key, sizeof c->key, 0) != (ssize_t)sizeof c->key)
        return ASKR_ESYS;
    c->buckets = calloc(room, sizeof(askr_file *));
    return c->buckets != NULL ? ASKR_OK : ASKR_ESYS;
}

void askr_file_cache_free(askr_file_cache *c)
{
    (void)askr_file_cache_evict(c, UINT32_MAX);
    free(c->buckets);
    *c = (askr_file_cache){0};
}

uint64_t askr_file_cache_hash(const askr_file_cache *c, const char *path, size_t len)
{
    return askr_keyed_hash(c->key, (const uint8_t *)path, len);
}

askr_file *askr_file_cache_find(const askr_file_cache *c, const char *path, size_t len, uint64_t hash)
{
    askr_file *f = c->buckets[hash & c->mask];
    while (f != NULL && (f->hash != hash || f->path_len != len || memcmp(f->names + f->path_at, path, len) != 0))
        f = f->next_in_bucket;
    return f;
}

static void link_newest(askr_file_cache *c, askr_file *f)
{
    f->newer = NULL;
    f->older = c->newest;
    if (c->newest != NULL)
        c->newest->newer = f;
    c->newest = f;
    if (c->oldest == NULL)
        c->oldest = f;
}

static void unlink_age(askr_file_cache *c, askr_file *f)
{
    if (f->newer != NULL)
        f->newer->older = f->older;
    else
        c->newest = f->older;
    if (f->older != NULL)
        f->older->newer = f->newer;
    else
        c->oldest = f->newer;
}

/* Lets the oldest go until there is room; `keep` stays, whatever it needs. */
static void make_room(askr_file_cache *c, const askr_file *keep)
{
    while ((c->fds > c->most_fds || c->content_bytes > c->most_content_bytes) && c->oldest != NULL && c->oldest != keep)
        askr_file_cache_remove(c, c->oldest);
}

void askr_file_cache_add(askr_file_cache *c, askr_file *f, uint64_t hash, uint64_t now_mono_ns)
{
    askr_file **bucket = &c->buckets[hash & c->mask];
    f->hash = hash;
    f->used_mono_ns = now_mono_ns;
    f->next_in_bucket = *bucket;
    *bucket = f;
    f->is_cached = 1;
    c->count++;
    c->fds += f->fds;
    c->content_bytes += f->content_bytes;
    link_newest(c, f);
    make_room(c, f);
}

void askr_file_cache_remove(askr_file_cache *c, askr_file *f)
{
    askr_file **link = &c->buckets[f->hash & c->mask];
    while (*link != f)
        link = &(*link)->next_in_bucket;
    *link = f->next_in_bucket;
    unlink_age(c, f);
    c->count--;
    c->fds -= f->fds;
    c->content_bytes -= f->content_bytes;
    f->is_cached = 0;
    askr_file_release(f);
}

static void make_newest(askr_file_cache *c, askr_file *f)
{
    if (c->newest == f)
        return;
    unlink_age(c, f);
    link_newest(c, f);
}

void askr_file_cache_touch(askr_file_cache *c, askr_file *f, uint64_t now_mono_ns)
{
    f->used_mono_ns = now_mono_ns;
    make_newest(c, f);
}

void askr_file_cache_expire(askr_file_cache *c, uint64_t before_mono_ns)
{
    while (c->oldest != NULL && c->oldest->used_mono_ns < before_mono_ns)
        askr_file_cache_remove(c, c->oldest);
}

uint32_t askr_file_cache_evict(askr_file_cache *c, uint32_t n)
{
    uint32_t gone = 0;
    for (; gone < n && c->oldest != NULL; gone++)
        askr_file_cache_remove(c, c->oldest);
    return gone;
}

void askr_file_cache_charge(askr_file_cache *c, askr_file *f, size_t bytes)
{
    if (!f->is_cached)
        return;
    make_newest(c, f);
    c->content_bytes += bytes;
    make_room(c, f);
}
