#include <stdlib.h>
#include <string.h>

#include "askr_calls_table.h"

/*
 * The life of a call but for its response, which is in askr_call_pump.c.
 *
 * Dropped calls cost their worker nothing: it is told by a flag in the exchange, and whatever it still writes is thrown away here, so that
 * the blocks come free for others while a script that ignores its client goes on.
 */
#define DROPPED_SHARE_BYTES                                                                                            \
    (1024u * 1024u) /* thrown away per look; a window is 528 KiB, so more means that it is still writing */

int askr_calls_create(const askr_calls_config *config, askr_calls **out)
{
    askr_pool_spec spec;
    if (config->scratch_bytes < ASKR_CALLS_LEAST_SCRATCH)
        return ASKR_EINVAL;
    askr_pool_spec_get(config->pool, &spec);
    askr_calls *c = calloc(1, sizeof *c + spec.exchanges * sizeof c->slots[0]);
    if (c == NULL)
        return ASKR_ESYS;
    c->config = *config;
    c->exchanges = spec.exchanges;
    *out = c;
    return ASKR_OK;
}

void askr_calls_destroy(askr_calls *c)
{
    for (uint32_t i = 0; i < c->exchanges && c->count > 0; i++) {
        if (c->slots[i].xid == 0)
            continue;
        if (c->slots[i].owner != NULL)
            askr_calls_abandon(c, &c->slots[i]);
        if (c->slots[i].xid !=
            0) /* a worker still has it; when this front's death is repaired, that worker releases it */
            askr_calls_forget(c, &c->slots[i]);
    }
    free(c);
}

uint32_t askr_calls_count(const askr_calls *c)
{
    return c->count;
}

uint64_t askr_calls_spool_failures(const askr_calls *c)
{
    return c->spool_failures;
}

askr_call_slot *askr_calls_find(askr_calls *c, askr_xid x)
{
    uint32_t index = (uint32_t)x;
    return x != 0 && index < c->exchanges && c->slots[index].xid == x ? &c->slots[index] : NULL;
}

static void free_overflow(askr_calls *c, askr_call_slot *slot)
{
    if (slot->overflow == NULL)
        return;
    *c->config.output.held_bytes -= slot->overflow_cap;
    free(slot->overflow);
    slot->overflow = NULL;
    slot->overflow_at = slot->overflow_len = slot->overflow_cap = 0;
}

void askr_calls_forget(askr_calls *c, askr_call_slot *slot)
{
    free_overflow(c, slot);
    *slot = (askr_call_slot){.xid = 0};
    c->count--;
}

void askr_calls_settle(askr_calls *c, askr_call_slot *slot)
{
    (void)askr_front_release(c->config.pool, slot->xid); /* stale: it is nobody's any more, which is what we want */
    askr_calls_forget(c, slot);
}

int askr_calls_keep(askr_calls *c, askr_call_slot *slot, const uint8_t *buf, uint32_t n)
{
    slot->overflow = malloc(n);
    if (slot->overflow == NULL)
        return ASKR_ESYS;
    memcpy(slot->overflow, buf, n);
    slot->overflow_len = slot->overflow_cap = n;
    *c->config.output.held_bytes += n;
    c->spool_failures += !slot->had_overflow;
    slot->had_overflow = 1;
    return ASKR_OK;
}

int askr_calls_offer_kept(askr_calls *c, askr_call_slot *slot, askr_output *o, askr_transport *t)
{
    if (slot->overflow == NULL)
        return ASKR_OK;
    int64_t taken = askr_output_offer(o, &c->config.output, t, slot->overflow + slot->overflow_at, slot->overflow_len);
    if (taken < 0)
        return ASKR_ESYS;
    slot->overflow_at += (uint32_t)taken;
    slot->overflow_len -= (uint32_t)taken;
    if (slot->overflow_len > 0)
        return ASKR_EAGAIN;
    free_overflow(c, slot);
    return ASKR_OK;
}

/* Throws away what the worker of a dropped call has written; settles it when the worker is done. */
static void look_after(askr_calls *c, askr_call_slot *slot)
{
    const askr_calls_config *k = &c->config;
    askr_exchange_view view;
    if (askr_front_observe(k->pool, slot->xid, &view) != ASKR_OK) {
        askr_calls_forget(c, slot);
        return;
    }
    if (view.state == ASKR_EXCHANGE_DONE || view.state == ASKR_EXCHANGE_FAILED) {
        askr_calls_settle(c, slot);
        return;
    }
    for (size_t left = DROPPED_SHARE_BYTES; left > 0 && !slot->is_unreadable;) {
        int64_t n = askr_front_read(k->pool, slot->xid, k->scratch, k->scratch_bytes < left ? k->scratch_bytes : left);
        if (n < 0)
            slot->is_unreadable = 1;
        if (n <= 0)
            break;
        left -= (size_t)n;
    }
}

void askr_calls_abandon(askr_calls *c, askr_call_slot *slot)
{
    slot->owner = NULL;
    free_overflow(c, slot);
    if (askr_front_cancel(c->config.pool, slot->xid) == 0)
        look_after(c, slot);
    else /* it had not begun, and is free again; or it is stale */
        askr_calls_forget(c, slot);
}

/* Writes the body into the pool's memory, or into the spool where memory is full; whether it was spooled, or an error. */
static int put_body(askr_calls *c, askr_xid x, const uint8_t *body, size_t n)
{
    if (n == 0)
        return 0;
    int rc = askr_front_write(c->config.pool, x, body, n);
    if (rc != ASKR_EFULL)
        return rc;
    rc = askr_front_spool(c->config.pool, x, body, n, 0);
    return rc == ASKR_OK ? 1 : rc;
}

static int hand_over(askr_calls *c, askr_xid x, size_t head_bytes, const uint8_t *body, size_t body_bytes,
                     uint64_t deadline_mono_ns)
{
    int rc = askr_front_write(c->config.pool, x, c->config.scratch, head_bytes);
    if (rc != ASKR_OK)
        return rc;
    int is_spooled = put_body(c, x, body, body_bytes);
    if (is_spooled < 0)
        return is_spooled;
    return askr_front_submit(c->config.pool, x, (uint32_t)head_bytes, body_bytes, is_spooled, deadline_mono_ns);
}

int askr_call_submit(askr_calls *c, askr_call *call, void *owner, const askr_request *rq, const askr_script *script,
                     const askr_cgi_peer *peer, const uint8_t *body, size_t body_bytes, uint64_t now_mono_ns,
                     uint64_t now_wall_us)
{
    const askr_calls_config *k = &c->config;
    const uint64_t deadline = now_mono_ns + k->queue_timeout_ns;
    askr_xid x;
    int64_t head = askr_cgi_request(rq, script, &k->cgi, peer, body_bytes, now_wall_us, k->scratch, k->scratch_bytes);
    if (head < 0)
        return ASKR_E2BIG;
    if (askr_front_open(k->pool, k->front, &x) != ASKR_OK)
        return ASKR_EFULL;
    if (hand_over(c, x, (size_t)head, body, body_bytes, deadline) != ASKR_OK) {
        (void)askr_front_release(k->pool, x);
        return ASKR_EFULL; /* of memory, of the queue, or memory and disk are both full */
    }
    *call = (askr_call){.xid = x, .deadline_mono_ns = deadline};
    askr_call_slot *slot = &c->slots[(uint32_t)x];
    if (slot->xid != 0) /* of a former life that ended without us: only memory that was written over does that */
        askr_calls_forget(c, slot);
    *slot = (askr_call_slot){.xid = x, .owner = owner};
    c->count++;
    return ASKR_OK;
}

void *askr_calls_next(askr_calls *c)
{
    askr_xid x;
    while (askr_front_next(c->config.pool, c->config.front, &x) == ASKR_OK) {
        askr_call_slot *slot = askr_calls_find(c, x);
        if (slot == NULL)
            continue;
        if (slot->owner != NULL)
            return slot->owner;
        look_after(c, slot);
    }
    return NULL;
}

askr_call_verdict askr_call_late(askr_calls *c, askr_call *call, askr_answer_id *answer)
{
    askr_exchange_view view;
    askr_call_slot *slot = askr_calls_find(c, call->xid);
    if (call->xid == 0 || call->was_running || call->has_head)
        return ASKR_CALL_WAITING;
    if (slot == NULL || askr_front_observe(c->config.pool, call->xid, &view) != ASKR_OK) {
        *answer = ASKR_ANSWER_WORKER_DIED;
        if (slot != NULL)
            askr_calls_forget(c, slot);
    } else if (view.state == ASKR_EXCHANGE_QUEUED) {
        *answer = ASKR_ANSWER_QUEUE_TIMEOUT;
        askr_calls_abandon(c, slot); /* a worker may have been faster: then it has been told that it is not wanted */
    } else {
        /* FAILED: a worker found it too late itself, or died; pump says which. */
        call->was_running = view.state != ASKR_EXCHANGE_FAILED;
        return ASKR_CALL_WAITING;
    }
    call->xid = 0;
    return ASKR_CALL_REFUSED;
}

void askr_call_drop(askr_calls *c, askr_call *call)
{
    askr_call_slot *slot = askr_calls_find(c, call->xid);
    call->xid = 0;
    if (slot != NULL)
        askr_calls_abandon(c, slot);
}
