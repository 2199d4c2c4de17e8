#ifndef ASKR_FILE_H
#define ASKR_FILE_H

#include "askr_media_types.h"
#include "askr_site.h"
#include "askr_tree.h"

/*
 * A file below the root that was looked up in full once, with everything that an answer with it needs: its compressed siblings, their
 * descriptors, and the lines of the answers.  But for content that is read later and then stays, nothing in it ever changes:
 * where a name leads elsewhere now, a new askr_file takes its place, and who holds the old one sends what the old one announced.
 *
 * Why one fstatat a name is enough to go on using it.  askr_file_is_current holds when the name leads, links followed, to an inode of the
 * same number on the same device with the same size, mode, mtime and ctime.  The descriptor is still open, so the number has not been
 * given to another file: it is the file that was found inside the root, and nobody wrote to it, renamed it, or changed its mode,
 * owner or links, which all move its ctime.  A name that is exchanged for a link to the outside, or lies in a directory that is, leads to
 * another inode; then everything is looked up again by openat2.
 * What this does not see: the file's folder itself was carried out of the root and a link to it was put in its place.  The bytes are the same that
 * the same name gave out before.  So that it does not last, what was seen in an earlier second is opened beneath the root anew.
 * Nor does it see a store into a shared mapping, which the kernel notes in the ctime at the first store after a write-back only; programs that change
 * files below a document root by mmap are not known to us.
 */
typedef enum {
    ASKR_USE_SEND = 1, /* opened for reading, with siblings and fields */
    ASKR_USE_PIN = 2   /* a script: only held, so that its inode's number stays its own */
} askr_file_use;

typedef enum { ASKR_ABSENT = 0, ASKR_UNUSABLE, ASKR_OPEN } askr_presence;

/* One of the files that may be sent: the original, or a compressed sibling. */
typedef struct {
    askr_identity seen; /* unless ABSENT */
    askr_presence presence;
    int fd;           /* -1: none; an older sibling is held, too */
    uint32_t name_at; /* its path as a C string, in askr_file.names */
    uint8_t *fields;  /* all lines of a 200: type, validators, Accept-Ranges, coding */
    uint32_t fields_len;
    uint32_t etag_at, etag_len;             /* the value of ETag, in fields */
    uint32_t validators_at, validators_len; /* ETag, Last-Modified, Cache-Control, Vary: all lines of a 304 */
    uint8_t *content;                       /* all of it, or NULL */
} askr_representation;

enum { ASKR_ORIGINAL = 0, ASKR_BR, ASKR_GZIP, ASKR_REPRESENTATIONS };

struct askr_file {
    askr_file *next_in_bucket, *older, *newer; /* the cache's */
    uint64_t hash;
    uint64_t used_mono_ns;
    uint32_t references;
    uint32_t epoch; /* of the tree, when it was last opened in full */
    askr_file_use use;
    int is_cached;
    int has_siblings;           /* the choice depends on Accept-Encoding */
    uint32_t watched;           /* how many of `of` there are names for: 1 or ASKR_REPRESENTATIONS */
    uint32_t fds;               /* how many it holds */
    size_t content_bytes;       /* in memory */
    uint32_t path_at, path_len; /* the path below the root, in names; names itself begins with the absolute one */
    askr_representation of[ASKR_REPRESENTATIONS];
    char names[];
};

typedef struct {
    const askr_tree *tree;
    const askr_media_types *types;
} askr_file_place;

/*
 * Looks `path` up in full.  ASKR_OK: *out has one reference, the caller's.  ASKR_EAGAIN: it is no regular file inside, or must not be opened
 * (errno: EACCES); ASKR_ESYS: Python has to look (errno).
 */
int askr_file_open(const askr_file_place *place, const char *path, size_t len, askr_file_use use, askr_file **out);
/* Whether all names still lead to what they led to; `now` is what the original's name leads to, from askr_tree_stat. */
int askr_file_is_current(askr_file *f, const askr_tree *tree, const askr_identity *now);

/*
 * Reads all of representation i into memory, if that is sure to be the content that its identity stands for: the ctime
 * is at least ASKR_SETTLED_S old, and the same before and after.  A ctime moves with the kernel's tick (4 to 10 ms), with a whole second on
 * older file systems, with two on FAT: a younger file may have been written again without a trace.
 * git distrusts an index entry that is as young as the index for the same reason ("racily clean").
 */
#define ASKR_SETTLED_S 3
int askr_file_read(askr_file *f, uint32_t i, int64_t now_wall_s);

/* askr_file_release is declared in askr_site.h. */
#endif
