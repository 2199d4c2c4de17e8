#ifndef ASKR_SITE_RIG_H
#define ASKR_SITE_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <time.h>

#include "askr_site.h"
#include "fence.h"

/* A document root in a folder of its own, a site over it, and requests as the codec reads them. */
typedef struct {
    char base[64], root[80];
    askr_site *site;
    uint64_t now_mono_ns;
} rig;

#define LONG_AGO   1700000000 /* when all files of a rig were changed */
#define TEXT(s)    ((askr_slice){(const uint8_t *)(s), strlen(s)})
#define MANY_FILES 1000

static inline const char *rig_path(const rig *r, const char *name)
{
    static char path[4][512];
    static unsigned turn;
    char *out = path[turn++ % 4];
    CHECK(snprintf(out, sizeof path[0], "%s/%s", r->root, name) < (int)sizeof path[0]);
    return out;
}

static inline void rig_touch(const char *path, int64_t modified_s)
{
    struct timespec times[2] = {{.tv_sec = modified_s}, {.tv_sec = modified_s}};
    CHECK_EQUAL(utimensat(AT_FDCWD, path, times, 0), 0);
}

static inline void rig_put(const rig *r, const char *name, const char *content)
{
    const char *path = rig_path(r, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    CHECK_EQUAL(write(fd, content, strlen(content)), strlen(content));
    CHECK_EQUAL(close(fd), 0);
    rig_touch(path, LONG_AGO);
}

static inline void rig_site(rig *r, uint32_t files, uint32_t small_bytes)
{
    askr_site_config config = {r->root, "index.php", 1, 0, files, small_bytes};
    CHECK_EQUAL(askr_site_create(&config, &r->site), ASKR_OK);
    CHECK_EQUAL(askr_site_add_type(r->site, TEXT("css"), TEXT("text/css"), 1), ASKR_OK);
    CHECK_EQUAL(askr_site_add_type(r->site, TEXT("txt"), TEXT("text/plain"), 0), ASKR_OK);
}

static inline rig rig_new(uint32_t files, uint32_t small_bytes)
{
    rig r = {.base = "/tmp/askr-site-XXXXXX", .now_mono_ns = 1};
    CHECK(mkdtemp(r.base) != NULL);
    (void)snprintf(r.root, sizeof r.root, "%s/root", r.base);
    CHECK_EQUAL(mkdir(r.root, 0755), 0);
    rig_put(&r, "index.php", "front");
    rig_site(&r, files, small_bytes);
    return r;
}

static inline void rig_remove(const char *path)
{
    pid_t pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", path, (char *)NULL);
        _exit(1);
    }
    CHECK_EQUAL(wait_is_dead(pid), 0);
}

static inline void rig_free(rig *r)
{
    askr_site_destroy(r->site);
    rig_remove(r->base);
}

/* The request; its text is static. */
static inline const askr_request *rig_request(const char *method, const char *target, const char *lines)
{
    static char text[8192];
    static askr_request rq;
    const askr_codec_limits limits = {sizeof text, sizeof text};
    uint32_t scanned = 0;
    int len = snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n", method, target, lines);
    CHECK(len < (int)sizeof text);
    CHECK_EQUAL(askr_codec_read((uint8_t *)text, (size_t)len, &limits, &scanned, &rq), ASKR_CODEC_REQUEST);
    return &rq;
}

static inline askr_route rig_route(rig *r, const char *target)
{
    askr_route route;
    askr_site_route(r->site, rig_request("GET", target, ""), r->now_mono_ns, &route);
    return route;
}

/* Routes, answers and checks the content; the file is the caller's. */
static inline askr_file *rig_hold(rig *r, const char *target, const char *lines, askr_static *answer)
{
    askr_route route;
    const askr_request *rq = rig_request("GET", target, lines);
    askr_site_route(r->site, rq, r->now_mono_ns, &route);
    CHECK_EQUAL(route.kind, ASKR_ROUTE_FILE);
    CHECK_EQUAL(askr_static_answer(r->site, route.file, rq, (int64_t)time(NULL) + 1000, answer), ASKR_OK);
    return route.file;
}

static inline void rig_check_content(const askr_static *answer, const char *content)
{
    char text[4096];
    size_t len = strlen(content);
    CHECK(len <= sizeof text);
    CHECK_EQUAL(answer->length, len);
    if (answer->content == NULL)
        CHECK_EQUAL(pread(answer->fd, text, len, (off_t)answer->offset), len);
    CHECK(memcmp(answer->content != NULL ? (const char *)answer->content : text, content, len) == 0);
}

static inline void rig_expect(rig *r, const char *target, const char *content)
{
    askr_static answer;
    askr_file *file = rig_hold(r, target, "", &answer);
    rig_check_content(&answer, content);
    askr_file_release(file);
}

static inline int is_text(askr_slice s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.at, text, s.len) == 0;
}

/* How many descriptors this process has. */
static inline int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 4096; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

#endif
