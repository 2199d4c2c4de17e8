#ifndef ASKR_ARENA_H
#define ASKR_ARENA_H

#include "askr_base.h"

/* cffi:begin */
/*
 * An arena is one shared mapping (memfd) divided into named, versioned segments.  Before the first
 * segment, between two segments and after the last one lies a guard page that no process can touch,
 * so a write past one segment's end faults instead of changing the next one.
 *
 * Ownership: the handle is private to a process and made by create (the master, before any fork) or
 *            attach (any process that has the descriptor); detach unmaps and closes its descriptor.
 *            A segment's address differs from process to process: share offsets, never pointers.
 * Threads:   create, attach and detach are not thread safe; lookups are, the table never changes.
 * Errors:    ASKR_OK or a negative ASKR_E*; a failed call changed nothing.
 */
typedef struct askr_arena askr_arena;

typedef struct {
    const char *name;    /* 1..31 bytes, unique in the arena */
    uint32_t version;    /* of the segment's layout */
    uint64_t size_bytes; /* rounded up to whole pages */
} askr_segment_spec;

#define ASKR_ARENA_MAX_SEGMENTS 32

/* Memory is zero.  ASKR_EINVAL for a bad table, ASKR_ESYS when memfd_create, ftruncate or mmap fail. */
int askr_arena_create(const askr_segment_spec *specs, uint32_t count, askr_arena **out);
/* The descriptor is duplicated.  ASKR_EVERSION when fd is not an arena of this layout. */
int askr_arena_attach(int fd, askr_arena **out);
int askr_arena_fd(const askr_arena *a);
uint64_t askr_arena_size_bytes(const askr_arena *a);
/* ASKR_EINVAL when there is no such segment, ASKR_EVERSION when it has another version. */
int askr_arena_segment(const askr_arena *a, const char *name, uint32_t version, void **mem, uint64_t *size_bytes);
void askr_arena_detach(askr_arena *a);
/* cffi:end */

#endif
