#include "askr_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "askr_fields.h"

static const char *const endings[ASKR_REPRESENTATIONS] = {"", ".br", ".gz"}; /* askr_http.static_files.CODINGS */

static const char *name_of(const askr_file *f, uint32_t i)
{
    return f->names + f->of[i].name_at;
}

/* names: "<root>/<path>", and for siblings the path with their endings, each terminated. */
static askr_file *allocate(const char *root, const char *path, size_t len, uint32_t watched)
{
    size_t root_len = strlen(root), at = root_len + 1 + len + 1;
    size_t sibling = watched > 1 ? len + 4 : 0;
    askr_file *f = calloc(1, sizeof *f + at + 2 * sibling);
    if (f == NULL)
        return NULL;
    f->references = 1;
    f->watched = watched;
    f->path_at = (uint32_t)root_len + 1;
    f->path_len = (uint32_t)len;
    memcpy(f->names, root, root_len);
    f->names[root_len] = '/';
    memcpy(f->names + f->path_at, path, len);
    f->of[ASKR_ORIGINAL].name_at = f->path_at;
    f->of[ASKR_ORIGINAL].fd = -1;
    for (uint32_t i = 1; i < ASKR_REPRESENTATIONS; i++) {
        f->of[i].fd = -1;
        if (watched == 1)
            continue;
        f->of[i].name_at = (uint32_t)at;
        memcpy(f->names + at, path, len);
        memcpy(f->names + at + len, endings[i], 3);
        at += sibling;
    }
    return f;
}

static int is_later(const askr_identity *a, const askr_identity *b)
{
    return a->modified_s != b->modified_s ? a->modified_s > b->modified_s : a->modified_ns > b->modified_ns;
}

/* A sibling counts when it may be read and is not older than the original (askr_http.static_files.is_fresh_sibling). */
static int open_sibling(askr_file *f, const askr_tree *tree, uint32_t i)
{
    askr_representation *r = &f->of[i];
    int rc = askr_tree_stat(tree, name_of(f, i), &r->seen);
    if (rc != ASKR_OK)
        return rc == ASKR_EAGAIN ? ASKR_OK : rc;
    r->presence = ASKR_UNUSABLE;
    if (!S_ISREG(r->seen.mode))
        return ASKR_OK;
    askr_identity opened;
    int fd = askr_tree_open(tree, name_of(f, i), ASKR_OPEN_READ, &opened);
    if (fd < 0)
        return fd == ASKR_EAGAIN ? ASKR_OK : ASKR_ESYS;
    r->fd = fd;
    r->seen = opened;
    f->fds++;
    if (S_ISREG(opened.mode) && !is_later(&f->of[ASKR_ORIGINAL].seen, &opened)) {
        r->presence = ASKR_OPEN;
        f->has_siblings = 1;
    }
    return ASKR_OK;
}

static int open_all(askr_file *f, const askr_tree *tree)
{
    askr_representation *r = &f->of[ASKR_ORIGINAL];
    int fd = askr_tree_open(tree, name_of(f, ASKR_ORIGINAL), f->use == ASKR_USE_PIN ? ASKR_OPEN_PIN : ASKR_OPEN_READ,
                            &r->seen);
    if (fd < 0)
        return fd;
    r->fd = fd;
    r->presence = ASKR_OPEN;
    f->fds = 1;
    errno = 0;
    if (!S_ISREG(r->seen.mode)) /* it was exchanged since it was looked at */
        return ASKR_EAGAIN;
    int rc = ASKR_OK;
    for (uint32_t i = 1; i < f->watched && rc == ASKR_OK; i++)
        rc = open_sibling(f, tree, i);
    return rc;
}

int askr_file_open(const askr_file_place *place, const char *path, size_t len, askr_file_use use, askr_file **out)
{
    int is_compressible = 0;
    askr_slice type = {NULL, 0};
    if (use == ASKR_USE_SEND)
        type = askr_media_types_find(place->types, (askr_slice){(const uint8_t *)path, len}, &is_compressible);
    askr_file *f = allocate(place->tree->path, path, len, is_compressible ? ASKR_REPRESENTATIONS : 1);
    if (f == NULL)
        return ASKR_ESYS;
    f->use = use;
    f->epoch = place->tree->epoch;
    int rc = open_all(f, place->tree);
    for (uint32_t i = 0; use == ASKR_USE_SEND && i < f->watched && rc == ASKR_OK; i++)
        if (f->of[i].presence == ASKR_OPEN)
            rc = askr_fields_make(f, i, type);
    if (rc == ASKR_OK) {
        *out = f;
        return ASKR_OK;
    }
    int error = errno;
    askr_file_release(f);
    errno = error;
    return rc;
}

/* Whether the name can still be opened inside the root and is the same. */
static int is_beneath(const askr_file *f, const askr_tree *tree, uint32_t i)
{
    askr_identity opened;
    int fd = askr_tree_open(tree, name_of(f, i), ASKR_OPEN_PIN, &opened);
    if (fd < 0)
        return 0;
    (void)close(fd);
    return askr_identity_is_same(&opened, &f->of[i].seen);
}

static int is_still(const askr_file *f, const askr_tree *tree, uint32_t i)
{
    askr_identity now;
    int rc = askr_tree_stat(tree, name_of(f, i), &now);
    if (f->of[i].presence == ASKR_ABSENT)
        return rc == ASKR_EAGAIN;
    return rc == ASKR_OK && askr_identity_is_same(&now, &f->of[i].seen);
}

int askr_file_is_current(askr_file *f, const askr_tree *tree, const askr_identity *now)
{
    if (!askr_identity_is_same(now, &f->of[ASKR_ORIGINAL].seen))
        return 0;
    for (uint32_t i = 1; i < f->watched; i++)
        if (!is_still(f, tree, i))
            return 0;
    if (f->epoch == tree->epoch)
        return 1;
    for (uint32_t i = 0; i < f->watched; i++)
        if (f->of[i].fd >= 0 && !is_beneath(f, tree, i))
            return 0;
    f->epoch = tree->epoch;
    return 1;
}

static int read_whole(int fd, uint8_t *buf, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = pread(fd, buf + at, size - at, (off_t)at);
        if (n <= 0)
            return ASKR_ESYS;
        at += (size_t)n;
    }
    return ASKR_OK;
}

int askr_file_read(askr_file *f, uint32_t i, int64_t now_wall_s)
{
    askr_representation *r = &f->of[i];
    askr_identity after;
    if (now_wall_s - r->seen.changed_s < ASKR_SETTLED_S)
        return ASKR_EAGAIN;
    size_t size = (size_t)r->seen.size_bytes;
    uint8_t *content = malloc(size);
    if (content == NULL)
        return ASKR_ESYS;
    if (read_whole(r->fd, content, size) != ASKR_OK || askr_identity_of(r->fd, &after) != ASKR_OK ||
        !askr_identity_is_same(&after, &r->seen)) {
        free(content);
        return ASKR_EAGAIN;
    }
    r->content = content;
    f->content_bytes += size;
    return ASKR_OK;
}

void askr_file_release(askr_file *f)
{
    if (f == NULL || --f->references > 0)
        return;
    for (uint32_t i = 0; i < ASKR_REPRESENTATIONS; i++) {
        if (f->of[i].fd >= 0)
            (void)close(f->of[i].fd);
        free(f->of[i].fields);
        free(f->of[i].content);
    }
    free(f);
}
