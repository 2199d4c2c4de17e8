#ifndef ASKR_TREE_H
#define ASKR_TREE_H

#include <stdint.h>
#include <sys/stat.h>

/*
 * The document root, as askr_http.front.tree has it: openat2(2) with RESOLVE_BENEATH, so that nothing outside can be opened, whatever
 * links there are and whoever exchanges them at this moment.  What that call alone does not decide (a link whose text is absolute,
 * a kernel without it) is left to Python.
 *
 * The root is looked up by its name once a second, because deployments rename directories and PHP looks paths up by name.
 */
typedef struct {
    char *path;
    int fd;
    int follows_symlinks;
    uint64_t look_again_mono_ns;
    uint32_t epoch; /* how often it was looked up: what was seen in an earlier epoch is to be checked in full again */
    struct stat root;
} askr_tree;

/* What makes a file the very one that was looked at before.  Any write, chmod, chown, link or rename moves the ctime. */
typedef struct {
    uint64_t dev, ino;
    int64_t size_bytes;
    int64_t modified_s, changed_s;
    uint32_t modified_ns, changed_ns;
    uint32_t mode;
} askr_identity;

/* `path` is absolute, "" is the file system's own root.  ASKR_OK or ASKR_ESYS (errno). */
int askr_tree_init(askr_tree *t, const char *path, int follows_symlinks);
void askr_tree_free(askr_tree *t);
/* Looks the root up again if it is time. */
typedef enum {
    ASKR_TREE_NOT_YET = 0,
    ASKR_TREE_SAME,
    ASKR_TREE_OTHER /* another directory has its name now */
} askr_tree_news;
askr_tree_news askr_tree_turn(askr_tree *t, uint64_t now_mono_ns);

/*
 * What has that name, links followed wherever they lead: for comparing with what askr_tree_open found, and for names that do not exist.
 * ASKR_OK; ASKR_EAGAIN: nothing; ASKR_ESYS: the kernel is out of memory.
 */
int askr_tree_stat(const askr_tree *t, const char *path, askr_identity *out);
/*
 * Opens a name inside the root, with *out being what was opened.  The descriptor, or
 * ASKR_EAGAIN: there is none inside, or it may not be opened (errno: EACCES); ASKR_ESYS: Python has to look (errno: EMFILE, EXDEV ...).
 */
int askr_tree_open(const askr_tree *t, const char *path, int flags, askr_identity *out);

int askr_identity_is_same(const askr_identity *a, const askr_identity *b);
/* Of an open file.  ASKR_OK or ASKR_ESYS. */
int askr_identity_of(int fd, askr_identity *out);

#define ASKR_OPEN_READ (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) /* a FIFO must not block */
#define ASKR_OPEN_PIN  (O_PATH | O_CLOEXEC)

#endif
