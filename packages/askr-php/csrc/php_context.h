#ifndef ASKR_PHP_CONTEXT_H
#define ASKR_PHP_CONTEXT_H

#include <stdbool.h>
#include <sys/types.h>

#include "askr_php.h"
#include "askr_pool.h"
#include "php_head.h"

/*
 * What PHP's callbacks need to know.  PHP's SAPI is a set of callbacks without a context argument and its globals are the process's, so this is one
 * object per process: written by the one thread that runs PHP.
 */
typedef enum {
    ASKR_ROLE_ALONE = 0,    /* no server: probe, run_script */
    ASKR_ROLE_TEMPLATE = 1, /* boots, forks, serves nothing */
    ASKR_ROLE_WORKER = 2,   /* forked from the template */
    ASKR_ROLE_STRANGER = 3  /* forked by the application (pcntl_fork): must not touch the exchange */
} askr_role;

typedef struct {
    askr_role role;
    const askr_php_config *config;
    askr_pool *pool;
    uint32_t index; /* of the worker */
    uint64_t quota; /* requests until this worker leaves; 0: no bound */
    uint64_t served;
    askr_xid xid;      /* the exchange in hand; 0: none */
    bool head_is_sent; /* the response head is in the exchange */
    bool is_finished;  /* the response was handed over early: what is still written goes nowhere */
    bool is_aborted;   /* the client is gone */
    bool is_cut;       /* some of the body is lost: the exchange must not end as if it were whole */
    bool is_refused;   /* the head was too large: a 500 went instead of it, and the body goes nowhere */
    bool is_ending;    /* worker mode: the handler is over, so there is nothing to unwind */
    int out_fd;        /* ASKR_ROLE_ALONE: where output goes */
    askr_head head;
} askr_context;

extern askr_context askr_ctx;

/* Whether PHP's output has an exchange to go to. */
static inline bool askr_has_client(void)
{
    return askr_ctx.role == ASKR_ROLE_WORKER && askr_ctx.xid != 0 && !askr_ctx.is_finished;
}

#endif
