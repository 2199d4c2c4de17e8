#include "askr_site.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "askr_site_parts.h"

#define CONTENT_BYTES (32u << 20) /* of small files in memory, for each front */
#define EVICTED       8           /* files that go when the process is out of descriptors */

static int set_front_controller(askr_site *s, const char *root, const char *name)
{
    size_t root_len = strlen(root), len = strlen(name);
    if (len == 0)
        return ASKR_OK;
    s->front_filename = malloc(root_len + 1 + len + 1);
    if (s->front_filename == NULL)
        return ASKR_ESYS;
    memcpy(s->front_filename, root, root_len);
    s->front_filename[root_len] = '/';
    memcpy(s->front_filename + root_len + 1, name, len + 1);
    const uint8_t *filename = (const uint8_t *)s->front_filename;
    s->front_controller.filename = (askr_slice){filename, root_len + 1 + len};
    s->front_controller.name = (askr_slice){filename + root_len, 1 + len};
    return ASKR_OK;
}

int askr_site_create(const askr_site_config *config, askr_site **out)
{
    static const char unknown[] = "application/octet-stream";
    askr_site *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ASKR_ESYS;
    s->tree.fd = -1;
    s->runs_scripts = config->runs_scripts;
    s->small_bytes = config->small_bytes;
    int rc = askr_tree_init(&s->tree, config->root, config->follows_symlinks);
    if (rc == ASKR_OK)
        rc = askr_file_cache_init(&s->cache, config->files, CONTENT_BYTES);
    if (rc == ASKR_OK)
        rc = set_front_controller(s, config->root, config->front_controller);
    if (rc == ASKR_OK)
        rc = askr_media_types_set_unknown(&s->types, (askr_slice){(const uint8_t *)unknown, sizeof unknown - 1});
    if (rc == ASKR_OK) {
        *out = s;
        return ASKR_OK;
    }
    int error = errno;
    askr_site_destroy(s);
    errno = error;
    return rc;
}

void askr_site_destroy(askr_site *s)
{
    if (s == NULL)
        return;
    if (s->cache.buckets != NULL)
        askr_file_cache_free(&s->cache);
    askr_tree_free(&s->tree);
    askr_media_types_free(&s->types);
    free(s->front_filename);
    free(s);
}

int askr_site_add_type(askr_site *s, askr_slice extension, askr_slice content_type, int is_compressible)
{
    return askr_media_types_add(&s->types, extension, content_type, is_compressible);
}

int askr_site_set_default_type(askr_site *s, askr_slice content_type)
{
    return askr_media_types_set_unknown(&s->types, content_type);
}

/* Opens what is not in the cache, or not any more. */
static askr_found open_anew(askr_site *s, const char *path, size_t len, askr_file_use use, uint64_t hash,
                            askr_file **out)
{
    askr_file_place place = {&s->tree, &s->types};
    int rc = askr_file_open(&place, path, len, use, out);
    if (rc == ASKR_ESYS && (errno == EMFILE || errno == ENFILE || errno == ENOMEM) &&
        askr_file_cache_evict(&s->cache, EVICTED) > 0)
        rc = askr_file_open(&place, path, len, use, out);
    if (rc == ASKR_EAGAIN)
        return errno == EACCES ? ASKR_FOUND_UNREADABLE : ASKR_FOUND_UNKNOWN; /* it was there a moment ago */
    if (rc != ASKR_OK)
        return ASKR_FOUND_UNKNOWN;
    askr_file_cache_add(&s->cache, *out, hash, s->now_mono_ns);
    return ASKR_FOUND_FILE;
}

askr_found askr_site_look(askr_site *s, const char *path, size_t len, askr_file_use use, askr_file **out)
{
    askr_identity now;
    int rc = askr_tree_stat(&s->tree, path, &now);
    if (rc != ASKR_OK)
        return rc == ASKR_EAGAIN ? ASKR_FOUND_NOTHING : ASKR_FOUND_UNKNOWN;
    if (!S_ISREG(now.mode))
        return S_ISDIR(now.mode) ? ASKR_FOUND_DIRECTORY : ASKR_FOUND_NOTHING;
    uint64_t hash = askr_file_cache_hash(&s->cache, path, len);
    askr_file *f = askr_file_cache_find(&s->cache, path, len, hash);
    if (f != NULL && f->use == use && askr_file_is_current(f, &s->tree, &now)) {
        askr_file_cache_touch(&s->cache, f, s->now_mono_ns);
        *out = f;
        return ASKR_FOUND_FILE;
    }
    if (f != NULL)
        askr_file_cache_remove(&s->cache, f);
    return open_anew(s, path, len, use, hash, out);
}
