#include "askr_pool_layout.h"

#include <stdlib.h>
#include <string.h>

/*
 * The handle: segments, descriptors, the worker records' outside view, and the books.  What the words mean and
 * who writes them is in askr_pool_layout.h.
 */

/* Of the slab's blocks, requests may use three quarters, so that a running request always finds room to answer. */
static uint32_t request_limit(const askr_pool_spec *spec)
{
    return spec->blocks - spec->blocks / 4;
}

static int is_valid_spec(const askr_pool_spec *s)
{
    return s->exchanges >= 2 && s->exchanges <= 32768 && (s->exchanges & (s->exchanges - 1)) == 0 && s->blocks >= 8 &&
           s->fronts >= 1 && s->fronts <= ASKR_MAX_FRONTS && s->workers >= 1 && s->workers <= ASKR_MAX_WORKERS &&
           askr_slab_sizeof(s->blocks, s->block_bytes) != 0 && s->spool_stride_bytes <= (uint64_t)1 << 40;
}

/* Rings lie side by side, each on a cache line of its own. */
static size_t completion_stride(const askr_pool_spec *s)
{
    return (askr_ring_sizeof(s->exchanges * 2) + ASKR_CACHE_LINE - 1) / ASKR_CACHE_LINE * ASKR_CACHE_LINE;
}

enum { SEG_CONTROL, SEG_EXCHANGES, SEG_FRONTS, SEG_WORKERS, SEG_QUEUE, SEG_COMPLETIONS, SEG_SLAB, SEG_COUNT };

/* Twice as many cells as exchanges: one hint for each, and as much again for duplicates that repairs made. */
static void segment_table(const askr_pool_spec *s, askr_segment_spec out[SEG_COUNT])
{
    const char *const names[SEG_COUNT] = {"control", "exchanges", "fronts", "workers", "queue", "completions", "slab"};
    const uint64_t sizes[SEG_COUNT] = {
        sizeof(askr_control),
        (uint64_t)s->exchanges * sizeof(askr_exchange),
        (uint64_t)s->fronts * sizeof(askr_front_record),
        (uint64_t)s->workers * sizeof(askr_worker_record),
        askr_ring_sizeof(s->exchanges * 2),
        (uint64_t)s->fronts * completion_stride(s),
        askr_slab_sizeof(s->blocks, s->block_bytes),
    };
    for (int i = 0; i < SEG_COUNT; i++)
        out[i] = (askr_segment_spec){.name = names[i], .version = ASKR_POOL_VERSION, .size_bytes = sizes[i]};
}

static askr_pool *new_handle(const askr_pool_spec *spec)
{
    askr_pool *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->spec = *spec;
    p->request_limit = request_limit(spec);
    p->completion_stride = completion_stride(spec);
    p->master_eventfd = -1;
    p->spool_fd = -1;
    for (uint32_t i = 0; i < ASKR_MAX_FRONTS; i++) {
        p->front_eventfds[i] = -1;
        p->scan_next[i] = spec->exchanges;
    }
    return p;
}

/* Finds the segments of p->arena; ASKR_EVERSION when they are not those of p->spec. */
static int find_segments(askr_pool *p)
{
    askr_segment_spec table[SEG_COUNT];
    void *mem[SEG_COUNT];
    segment_table(&p->spec, table);
    for (int i = 0; i < SEG_COUNT; i++) {
        uint64_t size_bytes = 0;
        int rc = askr_arena_segment(p->arena, table[i].name, table[i].version, &mem[i], &size_bytes);
        if (rc != ASKR_OK || size_bytes < table[i].size_bytes)
            return ASKR_EVERSION;
    }
    p->control = mem[SEG_CONTROL];
    p->exchanges = mem[SEG_EXCHANGES];
    p->fronts = mem[SEG_FRONTS];
    p->workers = mem[SEG_WORKERS];
    p->queue = mem[SEG_QUEUE];
    p->completions = mem[SEG_COMPLETIONS];
    p->slab = mem[SEG_SLAB];
    return ASKR_OK;
}

/* The memory is zero, and zero is the right start for everything that is not set here. */
static int init_segments(askr_pool *p)
{
    p->control->spec = p->spec;
    for (uint32_t i = 0; i < p->spec.exchanges; i++) {
        askr_chain_reset(askr_request_chain(&p->exchanges[i]));
        askr_chain_reset(askr_response_chain(&p->exchanges[i]));
    }
    int rc = askr_ring_init(p->queue, p->spec.exchanges * 2);
    for (uint32_t i = 0; rc == ASKR_OK && i < p->spec.fronts; i++)
        rc = askr_ring_init(askr_completions(p, i), p->spec.exchanges * 2);
    return rc == ASKR_OK ? askr_slab_init(p->slab, p->spec.blocks, p->spec.block_bytes) : rc;
}

int askr_pool_create(const askr_pool_spec *spec, askr_pool **out)
{
    if (spec == NULL || !is_valid_spec(spec))
        return ASKR_EINVAL;
    askr_segment_spec table[SEG_COUNT];
    askr_pool *p = new_handle(spec);
    if (p == NULL)
        return ASKR_ESYS;
    segment_table(spec, table);
    int rc = askr_arena_create(table, SEG_COUNT, &p->arena);
    if (rc == ASKR_OK)
        rc = find_segments(p);
    if (rc == ASKR_OK)
        rc = init_segments(p);
    if (rc != ASKR_OK) {
        askr_pool_detach(p);
        return rc;
    }
    *out = p;
    return ASKR_OK;
}

int askr_pool_attach(int fd, askr_pool **out)
{
    askr_arena *arena = NULL;
    void *mem = NULL;
    uint64_t size_bytes = 0;
    int rc = askr_arena_attach(fd, &arena);
    if (rc != ASKR_OK)
        return rc;
    rc = askr_arena_segment(arena, "control", ASKR_POOL_VERSION, &mem, &size_bytes);
    if (rc != ASKR_OK || size_bytes < sizeof(askr_control)) {
        askr_arena_detach(arena);
        return ASKR_EVERSION;
    }
    askr_pool_spec spec = ((const askr_control *)mem)->spec;
    askr_pool *p = is_valid_spec(&spec) ? new_handle(&spec) : NULL;
    if (p == NULL) {
        askr_arena_detach(arena);
        return is_valid_spec(&spec) ? ASKR_ESYS : ASKR_EVERSION;
    }
    p->arena = arena;
    rc = find_segments(p);
    if (rc != ASKR_OK) {
        askr_pool_detach(p);
        return rc;
    }
    *out = p;
    return ASKR_OK;
}

int askr_pool_alias(const askr_pool *p, askr_pool **out)
{
    askr_pool *alias = malloc(sizeof *alias);
    if (alias == NULL)
        return ASKR_ESYS;
    *alias = *p;
    alias->is_alias = 1;
    *out = alias;
    return ASKR_OK;
}

int askr_pool_fd(const askr_pool *p)
{
    return askr_arena_fd(p->arena);
}

void askr_pool_spec_get(const askr_pool *p, askr_pool_spec *out)
{
    *out = p->spec;
}

void askr_pool_detach(askr_pool *p)
{
    if (p == NULL)
        return;
    if (!p->is_alias)
        askr_arena_detach(p->arena);
    free(p);
}

int askr_pool_bind_front(askr_pool *p, uint32_t front, int eventfd)
{
    if (front >= p->spec.fronts)
        return ASKR_EINVAL;
    p->front_eventfds[front] = eventfd;
    return ASKR_OK;
}

int askr_pool_bind_master(askr_pool *p, int eventfd)
{
    p->master_eventfd = eventfd;
    return ASKR_OK;
}

int askr_pool_bind_spool(askr_pool *p, int fd)
{
    p->spool_fd = fd;
    return ASKR_OK;
}

/*
 * [order-record-1] A worker record's words are each valid by themselves; pid and counters are relaxed, because
 * they are shown and not acted on.  The command is seq_cst: it is stored before the doorbell is rung, and read after
 * the doorbell's value was ([order-wake-2]).
 */
int askr_worker_assign(askr_pool *p, uint32_t worker, uint32_t pid)
{
    uint32_t nobody = 0, empty = ASKR_WORKER_EMPTY;
    if (worker >= p->spec.workers || pid == 0)
        return ASKR_EINVAL;
    askr_worker_record *r = &p->workers[worker];
    if (!atomic_compare_exchange_strong_explicit(&r->pid, &nobody, pid, memory_order_relaxed, memory_order_relaxed))
        return ASKR_EINVAL;
    ASKR_STEP("assign: pid set, state EMPTY");
    if (atomic_compare_exchange_strong_explicit(&r->state, &empty, ASKR_WORKER_STARTING, memory_order_relaxed,
                                                memory_order_relaxed))
        atomic_store_explicit(&r->since_mono_ns, askr_mono_ns(), memory_order_relaxed);
    return ASKR_OK;
}

int askr_worker_clear(askr_pool *p, uint32_t worker)
{
    if (worker >= p->spec.workers)
        return ASKR_EINVAL;
    askr_worker_record *r = &p->workers[worker];
    atomic_store_explicit(&r->state, ASKR_WORKER_EMPTY, memory_order_relaxed);
    atomic_store_explicit(&r->command, ASKR_COMMAND_RUN, memory_order_seq_cst);
    atomic_store_explicit(&r->intent, 0, memory_order_relaxed);
    atomic_store_explicit(&r->requests, 0, memory_order_relaxed);
    atomic_store_explicit(&r->exchange, 0, memory_order_relaxed);
    atomic_store_explicit(&r->since_mono_ns, askr_mono_ns(), memory_order_relaxed);
    ASKR_STEP("clear: pid still set");
    atomic_store_explicit(&r->pid, 0, memory_order_release);
    return ASKR_OK;
}

int askr_worker_command(askr_pool *p, uint32_t worker, uint32_t command)
{
    if (worker >= p->spec.workers || command > ASKR_COMMAND_DRAIN)
        return ASKR_EINVAL;
    askr_worker_record *r = &p->workers[worker];
    atomic_store_explicit(&r->command, command, memory_order_seq_cst); /* [order-record-1] */
    ASKR_STEP("command: set, not rung");
    (void)atomic_fetch_add_explicit(&r->doorbell, 1, memory_order_seq_cst);
    askr_futex_wake(&r->doorbell, 1);
    return ASKR_OK;
}

int askr_worker_view_get(const askr_pool *p, uint32_t worker, askr_worker_view *out)
{
    if (worker >= p->spec.workers)
        return ASKR_EINVAL;
    const askr_worker_record *r = &p->workers[worker];
    memset(out, 0, sizeof *out);
    out->pid = atomic_load_explicit(&r->pid, memory_order_relaxed); /* [order-record-1] for all of these */
    out->state = atomic_load_explicit(&r->state, memory_order_relaxed);
    out->command = atomic_load_explicit(&r->command, memory_order_relaxed);
    out->requests = atomic_load_explicit(&r->requests, memory_order_relaxed);
    out->exchange = atomic_load_explicit(&r->exchange, memory_order_relaxed);
    out->since_mono_ns = atomic_load_explicit(&r->since_mono_ns, memory_order_relaxed);
    return ASKR_OK;
}

int askr_pool_audit(askr_pool *p, askr_pool_audit_view *out)
{
    memset(out, 0, sizeof *out);
    for (uint32_t i = 0; i < p->spec.exchanges; i++) {
        uint32_t state = askr_word_state(askr_state_load(&p->exchanges[i]));
        if (state <= ASKR_EXCHANGE_FAILED)
            out->exchanges[state]++;
    }
    for (uint32_t i = 0; i < p->spec.blocks; i++) {
        uint32_t owner = askr_slab_owner(p->slab, i);
        if (owner == 0) {
            out->blocks_free++;
            continue;
        }
        out->blocks_used++;
        if (owner > p->spec.exchanges ||
            askr_word_state(askr_state_load(&p->exchanges[owner - 1])) == ASKR_EXCHANGE_FREE)
            out->blocks_lost++;
    }
    out->queue_depth = askr_ring_depth(p->queue);
    return ASKR_OK;
}
