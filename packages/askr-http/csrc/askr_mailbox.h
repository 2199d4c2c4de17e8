#ifndef ASKR_MAILBOX_H
#define ASKR_MAILBOX_H

#include "askr_base.h"

/*
 * Records from one thread to another, in order, with an eventfd as the bell.  The bell is rung once however much is put in, and
 * not at all while the reader has still to look.
 *
 * Threads: one that puts, one that takes.
 */
typedef struct askr_mailbox askr_mailbox;

int askr_mailbox_create(uint32_t capacity, uint32_t item_bytes, askr_mailbox **out); /* ASKR_EINVAL, ASKR_ESYS */
void askr_mailbox_destroy(askr_mailbox *m);
int askr_mailbox_fd(const askr_mailbox *m); /* readable: look */

/* ASKR_OK, ASKR_EFULL.  The reader hears of it by the next ring. */
int askr_mailbox_put(askr_mailbox *m, const void *item);
/* Whether the next put would find no room; for the one that puts. */
int askr_mailbox_is_full(const askr_mailbox *m);
/* Lets the reader look, also when nothing was put. */
void askr_mailbox_ring(askr_mailbox *m);

/* Takes up to cap items; fewer than cap: none are left, and the bell rings for the next one. */
uint32_t askr_mailbox_take(askr_mailbox *m, void *items, uint32_t cap);

#endif
