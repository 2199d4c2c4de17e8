#ifndef ASKR_UNNAMED_FILE_H
#define ASKR_UNNAMED_FILE_H

#include "askr_base.h"

/*
 * A file that has no name and goes with its descriptor: what memory should not hold of a response that is read slowly.
 *
 * Threads: any.  A write may wait for the disk when the kernel's page cache is over its bound of dirty pages, as every write does.
 */

/* The descriptor, or ASKR_ESYS. */
int askr_unnamed_file_open(const char *directory);
/* The same where the file system has no O_TMPFILE (overlay, NFS): made with a name, which is taken away at once. */
int askr_unnamed_file_open_by_name(const char *directory);
/* All n bytes, or ASKR_ESYS (ENOSPC, EDQUOT, EFBIG ...): then what stands behind `at` counts for nothing. */
int askr_unnamed_file_write(int fd, uint64_t at, const uint8_t *buf, size_t n);
/* Bytes read, at least 1, or ASKR_ESYS. */
int64_t askr_unnamed_file_read(int fd, uint64_t at, uint8_t *buf, size_t n);
/* Bytes from..to are not needed any more.  A file system without holes keeps them until the end. */
void askr_unnamed_file_forget(int fd, uint64_t from, uint64_t to);

#endif
