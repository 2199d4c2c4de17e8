#include "askr_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "askr_base.h"

#define LOOK_AGAIN_NS 1000000000u
#define TRIES         3 /* EAGAIN: something was renamed meanwhile */

static int open_root(const askr_tree *t)
{
    return open(t->path[0] != '\0' ? t->path : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int askr_tree_init(askr_tree *t, const char *path, int follows_symlinks)
{
    *t = (askr_tree){.fd = -1, .follows_symlinks = follows_symlinks};
    t->path = strdup(path);
    if (t->path != NULL)
        t->fd = open_root(t);
    if (t->fd >= 0 && fstat(t->fd, &t->root) == 0)
        return ASKR_OK;
    int error = errno;
    askr_tree_free(t);
    errno = error;
    return ASKR_ESYS;
}

void askr_tree_free(askr_tree *t)
{
    if (t->fd >= 0)
        (void)close(t->fd);
    free(t->path);
    *t = (askr_tree){.fd = -1};
}

askr_tree_news askr_tree_turn(askr_tree *t, uint64_t now_mono_ns)
{
    if (now_mono_ns < t->look_again_mono_ns)
        return ASKR_TREE_NOT_YET;
    t->look_again_mono_ns = now_mono_ns + LOOK_AGAIN_NS;
    t->epoch++;
    struct stat now;
    int fd = open_root(t);
    if (fd < 0) /* while no directory has the name, the old one stays */
        return ASKR_TREE_SAME;
    if (fstat(fd, &now) != 0 || (now.st_dev == t->root.st_dev && now.st_ino == t->root.st_ino)) {
        (void)close(fd);
        return ASKR_TREE_SAME;
    }
    (void)close(t->fd);
    t->fd = fd;
    t->root = now;
    return ASKR_TREE_OTHER;
}

static void identity_from(const struct stat *st, askr_identity *out)
{
    out->dev = st->st_dev;
    out->ino = st->st_ino;
    out->size_bytes = st->st_size;
    out->modified_s = st->st_mtim.tv_sec;
    out->changed_s = st->st_ctim.tv_sec;
    out->modified_ns = (uint32_t)st->st_mtim.tv_nsec;
    out->changed_ns = (uint32_t)st->st_ctim.tv_nsec;
    out->mode = st->st_mode;
}

int askr_identity_of(int fd, askr_identity *out)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return ASKR_ESYS;
    identity_from(&st, out);
    return ASKR_OK;
}

int askr_identity_is_same(const askr_identity *a, const askr_identity *b)
{
    return a->ino == b->ino && a->dev == b->dev && a->size_bytes == b->size_bytes && a->mode == b->mode &&
           a->changed_ns == b->changed_ns && a->changed_s == b->changed_s && a->modified_ns == b->modified_ns &&
           a->modified_s == b->modified_s;
}

int askr_tree_stat(const askr_tree *t, const char *path, askr_identity *out)
{
    struct stat st;
    if (fstatat(t->fd, path, &st, 0) != 0)
        return errno == ENOMEM ? ASKR_ESYS : ASKR_EAGAIN;
    identity_from(&st, out);
    return ASKR_OK;
}

static int open_beneath(const askr_tree *t, const char *path, int flags)
{
    if (t->follows_symlinks)
        return openat(t->fd, path, flags);
    struct open_how how = {.flags = (unsigned)flags, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    for (int i = 0; i < TRIES; i++) {
        int fd = (int)syscall(SYS_openat2, t->fd, path, &how, sizeof how);
        if (fd >= 0 || errno != EAGAIN)
            return fd;
    }
    return -1;
}

static int is_for_python(int error)
{
    switch (error) {
    case EXDEV:  /* leaves the root, or has an absolute text and stays inside */
    case EAGAIN: /* was renamed again and again */
    case ENOSYS: /* no openat2 */
    case EPERM:  /* or none that a filter allows */
    case EMFILE:
    case ENFILE:
    case ENOMEM: return 1;
    default: return 0;
    }
}

int askr_tree_open(const askr_tree *t, const char *path, int flags, askr_identity *out)
{
    int fd = open_beneath(t, path, flags);
    if (fd < 0)
        return is_for_python(errno) ? ASKR_ESYS : ASKR_EAGAIN;
    if (askr_identity_of(fd, out) == ASKR_OK)
        return fd;
    (void)close(fd);
    return ASKR_ESYS;
}
