#ifndef ASKR_SITE_H
#define ASKR_SITE_H

#include "askr_answers.h"
#include "askr_cgi.h"
#include "askr_h1_codec.h"

/* cffi:begin */
/*
 * A site: a document root, who answers which path below it (askr_http.routing), and the files that are open (askr_http.front.tree, .static).
 * Where a rule is rare it defers to them; where it decides, it decides the same: tests compare.
 *
 * A file that was served stays open, with its answers' fields made once and, if it is small, with its content.  No change is hidden by that:
 * each use looks at the names again on which the answer rests, the file's and those of its compressed siblings, one fstatat each, and goes on only
 * while they lead to the very same unchanged files (askr_file.h says why that is enough).  What does not exist is not remembered at all: one fstatat
 * is the answer, and a million wrong names displace nothing.
 *
 *     system calls      a file 1, one that can have siblings 3, a script 1, the front controller 1, a directory's index 1 to 4
 *     once a second     the root is looked up by its name again, and each file that is used then is opened beneath it anew
 *     after a minute    what nobody asked for is closed: a deleted file would keep its place on the disk
 *
 * Bounded: `files` descriptors and 32 MiB of content, the least recently used file goes first; paths over 2 KiB are deferred.
 * Without descriptors some files are closed, and if that is not enough the request is deferred: Python answers 503.
 *
 * Threads: the wire's.
 */
typedef struct askr_site askr_site;

typedef struct {
    const char *root;             /* absolute, without a slash at its end */
    const char *front_controller; /* below root, with slashes; "": there is none, what no file answers is 404 */
    int runs_scripts;
    int follows_symlinks;
    uint32_t files;       /* how many descriptors the cache may keep */
    uint32_t small_bytes; /* content up to this is kept in memory as well; above 32 KiB sendfile is faster */
} askr_site_config;

int askr_site_create(const askr_site_config *config, askr_site **out); /* ASKR_ESYS: errno */
void askr_site_destroy(askr_site *s);
/* A row of the media types (askr_http.media_types): extension in lower case, value of Content-Type. */
int askr_site_add_type(askr_site *s, askr_slice extension, askr_slice content_type, int is_compressible);
/* Content-Type of names without a known extension. */
int askr_site_set_default_type(askr_site *s, askr_slice content_type);

typedef struct askr_file askr_file;

typedef enum {
    ASKR_ROUTE_DEFER = 0,  /* let Python decide: rare, or the process is out of descriptors */
    ASKR_ROUTE_FILE = 1,   /* `file`: answer with askr_static_answer */
    ASKR_ROUTE_SCRIPT = 2, /* `script` */
    ASKR_ROUTE_ANSWER = 3  /* `answer`, with `allow` */
} askr_route_kind;

typedef struct {
    askr_route_kind kind;
    uint32_t answer; /* askr_answer_id */
    askr_slice allow;
    askr_script script; /* valid until the next call with this site */
    askr_file *file;    /* the caller's; give it back with askr_file_release */
} askr_route;

void askr_site_route(askr_site *s, const askr_request *rq, uint64_t now_mono_ns, askr_route *out);
void askr_file_release(askr_file *file);

/* How to answer with a file: head lines up to, and without, Date, framing, Connection and the empty line. */
typedef struct {
    uint32_t status;         /* 200, 206, 304, 416 (412 is deferred) */
    askr_slice headers;      /* complete lines; valid until the file is released or the next answer is made */
    uint64_t content_length; /* for the writer; of a 304 ASKR_NO_LENGTH */
    const uint8_t
        *content; /* the `length` bytes to send from memory (a small file, the text of a 416), NULL: from fd */
    int fd;       /* the file whose bytes are sent; it stays the cache's, for as long as the askr_file is held */
    uint64_t offset, length; /* which of its bytes; length 0: no body */
} askr_static;

/* ASKR_OK, or ASKR_EAGAIN: a condition that is not one of the plain forms; let Python answer. */
int askr_static_answer(askr_site *s, askr_file *file, const askr_request *rq, int64_t now_wall_s, askr_static *out);
/* cffi:end */

#endif
