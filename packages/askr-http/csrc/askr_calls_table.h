#ifndef ASKR_CALLS_TABLE_H
#define ASKR_CALLS_TABLE_H

#include "askr_calls.h"

/*
 * Private to askr_calls.c and askr_call_pump.c: whose exchanges are whose.  One slot per exchange of the pool, by its index; a slot
 * counts only while it holds the very xid, so that news about a former life of the exchange find nothing.
 *
 *     empty (xid 0) ─submit─▶ open (owner) ─drop─▶ dropped (no owner) ─worker done─▶ empty
 *                               └─ ended ───────────────────────────────────────────▶ empty
 */
typedef struct {
    askr_xid xid;
    void *owner;       /* NULL: dropped */
    uint8_t *overflow; /* malloc: bytes of the response, framed, that no output took */
    uint32_t overflow_at, overflow_len, overflow_cap;
    int had_overflow;  /* it was counted */
    int is_unreadable; /* dropped, and its bytes are not even to be thrown away: the chain is not whole */
} askr_call_slot;

struct askr_calls {
    askr_calls_config config;
    uint32_t exchanges;
    uint32_t count;
    uint64_t spool_failures;
    askr_call_slot slots[];
};

/* The slot of an open or dropped call; NULL. */
askr_call_slot *askr_calls_find(askr_calls *c, askr_xid x);
/* Empties it; the exchange is somebody else's business now. */
void askr_calls_forget(askr_calls *c, askr_call_slot *slot);
/* Empties it, and gives the exchange back: its worker is done. */
void askr_calls_settle(askr_calls *c, askr_call_slot *slot);
/* Tells the worker that nobody waits, and looks after the exchange until it is done. */
void askr_calls_abandon(askr_calls *c, askr_call_slot *slot);
/* Keeps bytes that no output took; none are kept yet.  ASKR_ESYS: no memory. */
int askr_calls_keep(askr_calls *c, askr_call_slot *slot, const uint8_t *buf, uint32_t n);
/* Gives the output what is kept.  ASKR_EAGAIN: it does not take all of it yet; ASKR_ESYS: the transport is broken. */
int askr_calls_offer_kept(askr_calls *c, askr_call_slot *slot, askr_output *o, askr_transport *t);

#endif
