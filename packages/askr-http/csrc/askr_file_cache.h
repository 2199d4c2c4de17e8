#ifndef ASKR_FILE_CACHE_H
#define ASKR_FILE_CACHE_H

#include "askr_file.h"

/*
 * Files by their paths, the least recently used one goes first.  Bounded by descriptors and by bytes of content; a file that is being sent when it
 * goes stays open until it is released, and is no longer counted.
 *
 * Only files that exist are in here, so that a visitor who asks for a million names that do not displaces nothing: one fstatat answers
 * for those.  The hash has a key of its own, made at the start (getrandom), so that no set of file names can be made to collide.
 */
typedef struct {
    askr_file **buckets;
    uint64_t key[2];
    uint32_t mask;
    uint32_t count, fds, most_fds;
    size_t content_bytes, most_content_bytes;
    askr_file *newest, *oldest;
} askr_file_cache;

/* ASKR_OK or ASKR_ESYS (errno). */
int askr_file_cache_init(askr_file_cache *c, uint32_t most_fds, size_t most_content_bytes);
void askr_file_cache_free(askr_file_cache *c);

uint64_t askr_file_cache_hash(const askr_file_cache *c, const char *path, size_t len);
/* The file of that path, or NULL; the cache keeps its reference. */
askr_file *askr_file_cache_find(const askr_file_cache *c, const char *path, size_t len, uint64_t hash);
/* Takes over the caller's reference.  No file of this path may be in here. */
void askr_file_cache_add(askr_file_cache *c, askr_file *f, uint64_t hash, uint64_t now_mono_ns);
void askr_file_cache_remove(askr_file_cache *c, askr_file *f);
/* It was used now. */
void askr_file_cache_touch(askr_file_cache *c, askr_file *f, uint64_t now_mono_ns);
/* Lets those go that were last used before then: an open file that was deleted keeps its place on the disk. */
void askr_file_cache_expire(askr_file_cache *c, uint64_t before_mono_ns);
/* Lets up to n files go, those first that were not used for longest; how many went. */
uint32_t askr_file_cache_evict(askr_file_cache *c, uint32_t n);
/* f has read `bytes` of content into memory: others make room. */
void askr_file_cache_charge(askr_file_cache *c, askr_file *f, size_t bytes);

#endif
