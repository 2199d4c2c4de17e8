#ifndef ASKR_PHP_H
#define ASKR_PHP_H

#include <stddef.h>
#include <stdint.h>

/* cffi:begin */
/*
 * PHP inside this process: what Python starts, and nothing else.  One interpreter per process, on the thread that
 * started it; PHP is never stopped again: a process that ran it ends by _exit.
 */
enum askr_php_mode {
    ASKR_PER_REQUEST_MODE = 0, /* PHP boots and shuts down for every request */
    ASKR_WORKER_MODE = 1       /* `script` boots the application once and calls askr_handle_request() */
};

typedef struct {
    const char *ini;           /* php.ini lines, after the built-in ones; NULL: none */
    const char *document_root; /* absolute */
    const char *script;        /* worker mode: the worker script, absolute */
    int mode;                  /* askr_php_mode */
    int log_is_json;           /* log lines on stderr: one JSON object each */
    uint32_t max_requests;     /* a worker leaves after so many (staggered by its process id); 0: never */
    int master_pid;            /* what a worker's parent must be */
    int pool_fd;               /* the pool's region */
    int spool_fd;
    int master_eventfd;
    int control_fd; /* SOCK_SEQPACKET to the master: askr_control_message below */
    const int *front_eventfds;
    uint32_t fronts;
} askr_php_config;

/*
 * What goes through the control socket, in native byte order: two words from the master, three from the template.
 * The template answers every FORK with FORKED or FAILED, in order.
 */
enum askr_control {
    ASKR_CONTROL_FORK = 1,    /* op, worker index */
    ASKR_CONTROL_STOP = 2,    /* op, 0 */
    ASKR_CONTROL_READY = 11,  /* op, 0, 0: the template can fork now */
    ASKR_CONTROL_FORKED = 12, /* op, worker index, process id */
    ASKR_CONTROL_FAILED = 13  /* op, worker index, errno */
};

/* Exit codes of a template or worker. */
#define ASKR_EXIT_OK          0
#define ASKR_EXIT_BOOT        70 /* PHP or the application did not boot; the log says why */
#define ASKR_EXIT_INTERPRETER 75 /* the interpreter ended inside a request; that one failed, respawn me */

/*
 * Starts PHP's modules, boots the application (worker mode), then forks a worker for every FORK until STOP or until the socket is closed.
 * Returns an exit code: in the template when it is to end, in a worker when it is to end.
 */
int askr_template_run(const askr_php_config *config);

/*
 * Starts PHP's modules and writes "key value" lines about it: version, version_id, zts, debug, sapi, ini, and one "extension name"
 * each.  Bytes written, or a negative ASKR_E*.  Once per process, and no template in the same process.
 */
int64_t askr_php_describe(const char *ini, char *buf, size_t cap);

/*
 * Runs one script without a server and without output buffering: its output goes to descriptor `out_fd`.  PHP's exit status, or a
 * negative ASKR_E*.  Once per process, and no template in the same process.
 */
int askr_php_run_script(const char *ini, const char *script, int out_fd);
/* cffi:end */

#endif
