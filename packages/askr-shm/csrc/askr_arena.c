#include "askr_arena.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The file, version 1, native byte order: a table in the first page(s), then the segments, each from a page
 * boundary on, without gaps.
 *    0  magic     u64  "askrshm\1"
 *    8  version   u32
 *   12  count     u32  segments
 *   16  total     u64  bytes of the file
 *   24  entries   count times { name 32, version u32, reserved u32, offset u64, size u64 }
 *
 * The mapping spreads them out over reserved addresses: guard, table, guard, segment 0, guard, segment 1, ...,
 * guard.  Guards exist only as addresses and cost no memory.
 *
 * The table is written by create before any other process has the descriptor, is mapped read-only, and is copied
 * into the handle and checked once, so nothing that happens to the shared memory later can send a lookup
 * astray.  The file is sealed against shrinking and growing: a truncation would kill every other process with SIGBUS.
 */
#define MAGIC           0x01006d6873726b73ull
#define VERSION         1u
#define NAME_BYTES      32u
#define MAX_TOTAL_BYTES ((uint64_t)1 << 46)

struct entry {
    char name[NAME_BYTES];
    uint32_t version;
    uint32_t reserved;
    uint64_t offset;
    uint64_t size_bytes;
};

struct table {
    uint64_t magic;
    uint32_t version;
    uint32_t count;
    uint64_t total_bytes;
    struct entry entries[ASKR_ARENA_MAX_SEGMENTS];
};
static_assert(sizeof(struct entry) == 56, "arena layout v1");
static_assert(offsetof(struct table, entries) == 24, "arena layout v1");

struct askr_arena {
    int fd;
    uint8_t *base; /* of the reserved addresses */
    size_t reserved_bytes;
    struct table table; /* private copy */
    uint8_t *segments[ASKR_ARENA_MAX_SEGMENTS];
};

static uint64_t page_bytes(void)
{
    long n = sysconf(_SC_PAGESIZE);
    return n > 0 ? (uint64_t)n : 4096;
}

static uint64_t round_up(uint64_t n, uint64_t to)
{
    return (n + to - 1) / to * to;
}

static int build_table(const askr_segment_spec *specs, uint32_t count, struct table *out)
{
    uint64_t page = page_bytes();
    uint64_t offset = round_up(sizeof *out, page);
    if (specs == NULL || count == 0 || count > ASKR_ARENA_MAX_SEGMENTS)
        return ASKR_EINVAL;
    memset(out, 0, sizeof *out);
    out->magic = MAGIC;
    out->version = VERSION;
    out->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct entry *e = &out->entries[i];
        size_t length = specs[i].name != NULL ? strnlen(specs[i].name, NAME_BYTES) : 0;
        if (length == 0 || length >= NAME_BYTES || specs[i].size_bytes == 0 || specs[i].size_bytes > MAX_TOTAL_BYTES)
            return ASKR_EINVAL;
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(out->entries[k].name, specs[i].name) == 0)
                return ASKR_EINVAL;
        }
        memcpy(e->name, specs[i].name, length);
        e->version = specs[i].version;
        e->offset = offset;
        e->size_bytes = round_up(specs[i].size_bytes, page);
        offset += e->size_bytes;
    }
    out->total_bytes = offset;
    return offset <= MAX_TOTAL_BYTES ? ASKR_OK : ASKR_EINVAL;
}

static int check_table(const struct table *t, uint64_t file_bytes)
{
    uint64_t page = page_bytes();
    uint64_t offset = round_up(sizeof *t, page);
    if (t->magic != MAGIC || t->version != VERSION || t->count == 0 || t->count > ASKR_ARENA_MAX_SEGMENTS)
        return ASKR_EVERSION;
    for (uint32_t i = 0; i < t->count; i++) {
        const struct entry *e = &t->entries[i];
        if (e->offset != offset || e->size_bytes == 0 || e->size_bytes % page != 0 || e->size_bytes > MAX_TOTAL_BYTES)
            return ASKR_EVERSION;
        if (memchr(e->name, 0, NAME_BYTES) == NULL)
            return ASKR_EVERSION;
        offset += e->size_bytes;
    }
    return t->total_bytes == offset && file_bytes == offset ? ASKR_OK : ASKR_EVERSION;
}

/* Maps everything of `a->fd` that `a->table` names.  The caller detaches after a failure. */
static int map_all(askr_arena *a)
{
    uint64_t page = page_bytes();
    size_t table_bytes = (size_t)round_up(sizeof a->table, page);
    a->reserved_bytes = (size_t)(a->table.total_bytes + page * (2 + (uint64_t)a->table.count));
    void *base = mmap(NULL, a->reserved_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return ASKR_ESYS;
    a->base = base;
    uint8_t *at = a->base + page;
    if (mmap(at, table_bytes, PROT_READ, MAP_SHARED | MAP_FIXED, a->fd, 0) == MAP_FAILED)
        return ASKR_ESYS;
    at += table_bytes + page;
    for (uint32_t i = 0; i < a->table.count; i++) {
        const struct entry *e = &a->table.entries[i];
        if (mmap(at, (size_t)e->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, a->fd, (off_t)e->offset) ==
            MAP_FAILED)
            return ASKR_ESYS;
        a->segments[i] = at;
        at += e->size_bytes + page;
    }
    return ASKR_OK;
}

static int read_table(int fd, struct table *out)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return ASKR_ESYS;
    ssize_t n = pread(fd, out, sizeof *out, 0);
    if (n < 0)
        return ASKR_ESYS;
    if ((size_t)n != sizeof *out || st.st_size < 0)
        return ASKR_EVERSION;
    return check_table(out, (uint64_t)st.st_size);
}

int askr_arena_create(const askr_segment_spec *specs, uint32_t count, askr_arena **out)
{
    askr_arena *a = calloc(1, sizeof *a);
    if (a == NULL)
        return ASKR_ESYS;
    a->fd = -1;
    int rc = build_table(specs, count, &a->table);
    if (rc != ASKR_OK) {
        free(a);
        return rc;
    }
    a->fd = memfd_create("askr", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (a->fd < 0 || ftruncate(a->fd, (off_t)a->table.total_bytes) != 0 ||
        pwrite(a->fd, &a->table, sizeof a->table, 0) != (ssize_t)sizeof a->table ||
        fcntl(a->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        rc = ASKR_ESYS;
    if (rc == ASKR_OK)
        rc = map_all(a);
    if (rc != ASKR_OK) {
        askr_arena_detach(a);
        return rc;
    }
    *out = a;
    return ASKR_OK;
}

int askr_arena_attach(int fd, askr_arena **out)
{
    askr_arena *a = calloc(1, sizeof *a);
    if (a == NULL)
        return ASKR_ESYS;
    a->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    int rc = a->fd < 0 ? ASKR_ESYS : read_table(a->fd, &a->table);
    if (rc == ASKR_OK)
        rc = map_all(a);
    if (rc != ASKR_OK) {
        askr_arena_detach(a);
        return rc;
    }
    *out = a;
    return ASKR_OK;
}

int askr_arena_fd(const askr_arena *a)
{
    return a->fd;
}

uint64_t askr_arena_size_bytes(const askr_arena *a)
{
    return a->table.total_bytes;
}

int askr_arena_segment(const askr_arena *a, const char *name, uint32_t version, void **mem, uint64_t *size_bytes)
{
    for (uint32_t i = 0; i < a->table.count; i++) {
        const struct entry *e = &a->table.entries[i];
        if (strcmp(e->name, name) != 0)
            continue;
        if (e->version != version)
            return ASKR_EVERSION;
        *mem = a->segments[i];
        *size_bytes = e->size_bytes;
        return ASKR_OK;
    }
    return ASKR_EINVAL;
}

void askr_arena_detach(askr_arena *a)
{
    if (a == NULL)
        return;
    int saved = errno; /* a failed create reports why it failed, not how it cleaned up */
    if (a->base != NULL)
        (void)munmap(a->base, a->reserved_bytes);
    if (a->fd >= 0)
        (void)close(a->fd);
    free(a);
    errno = saved;
}
