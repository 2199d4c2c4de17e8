/*
 * floor LOOP WAY PROCESSES ANSWER [one|many] [keep|close]
 *
 *   LOOP      epoll, io_uring (one operation for each receive), io_uring-multishot
 *   WAY       reuseport, shared, exclusive: how several processes share the port
 *   ANSWER    a file: the bytes of every answer
 *   one|many  connections that a process accepts in a turn
 *   close     the connection after each answer
 *
 * Prints {"port": N} when it listens, and at SIGTERM one line of JSON with what each process did.
 */
#include "floor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES_MAX 16
#define BACKLOG       4096

static void fail(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int choice(const char *word, const char *const *words, int count)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(word, words[i]) == 0)
            return i;
    }
    fprintf(stderr, "floor: what is %s?\n", word);
    exit(2);
}

static uint8_t *file_bytes(const char *path, size_t *n)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) < 0)
        fail(path);
    uint8_t *bytes = malloc((size_t)info.st_size + 1);
    if (bytes == NULL || read(fd, bytes, (size_t)info.st_size) != info.st_size)
        fail(path);
    close(fd);
    *n = (size_t)info.st_size;
    return bytes;
}

/* A listening socket; *port 0: of the kernel's choice, which is stored. */
static int listener_open(uint16_t *port, int is_reused)
{
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        fail("socket");
    if (is_reused && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0)
        fail("SO_REUSEPORT");
    if (bind(fd, (const struct sockaddr *)&at, len) < 0 || listen(fd, BACKLOG) < 0)
        fail("listen");
    if (getsockname(fd, (struct sockaddr *)&at, &len) < 0)
        fail("getsockname");
    *port = ntohs(at.sin_port);
    return fd;
}

static _Noreturn void child(int loop, const floor_plan *plan)
{
    static void (*const LOOPS[])(const floor_plan *) = {floor_epoll, floor_uring, floor_uring_multishot};
    sigset_t none;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_IGN);
    LOOPS[loop](plan);
    fail("loop");
    exit(1);
}

static void report(const pid_t *children, const floor_counters *counters, int processes)
{
    printf("{\"processes\": [");
    for (int i = 0; i < processes; i++) {
        struct rusage usage;
        int status;
        kill(children[i], SIGTERM);
        if (wait4(children[i], &status, 0, &usage) < 0)
            fail("wait4");
        uint64_t user_us = (uint64_t)usage.ru_utime.tv_sec * 1000000 + (uint64_t)usage.ru_utime.tv_usec;
        uint64_t system_us = (uint64_t)usage.ru_stime.tv_sec * 1000000 + (uint64_t)usage.ru_stime.tv_usec;
        printf("%s{\"accepted\": %llu, \"requests\": %llu, \"turns\": %llu, \"empty_accepts\": %llu, \"cpu_us\": %llu}",
               i ? ", " : "", (unsigned long long)counters[i].accepted, (unsigned long long)counters[i].requests,
               (unsigned long long)counters[i].turns, (unsigned long long)counters[i].empty_accepts,
               (unsigned long long)(user_us + system_us));
    }
    printf("]}\n");
}

int main(int argc, char **argv)
{
    static const char *const LOOP_WORDS[] = {"epoll", "io_uring", "io_uring-multishot"};
    static const char *const WAY_WORDS[] = {"reuseport", "shared", "exclusive"};
    static const char *const ACCEPT_WORDS[] = {"one", "many"};
    static const char *const END_WORDS[] = {"keep", "close"};
    if (argc < 5) {
        fprintf(stderr, "usage: floor LOOP WAY PROCESSES ANSWER [one|many] [keep|close]\n");
        return 2;
    }
    floor_plan plan = {0};
    int loop = choice(argv[1], LOOP_WORDS, 3);
    plan.way = (floor_way)choice(argv[2], WAY_WORDS, 3);
    int processes = atoi(argv[3]);
    if (processes < 1 || processes > PROCESSES_MAX)
        fail("PROCESSES");
    plan.answer = file_bytes(argv[4], &plan.answer_len);
    plan.accepts_many = argc > 5 ? choice(argv[5], ACCEPT_WORDS, 2) : 1;
    plan.closes = argc > 6 ? choice(argv[6], END_WORDS, 2) : 0;

    /* All sockets listen before a process runs: no connection goes to one that is opened later. */
    int listeners[PROCESSES_MAX];
    uint16_t port = 0;
    for (int i = 0; i < processes; i++)
        listeners[i] =
            i == 0 || plan.way == FLOOR_REUSEPORT ? listener_open(&port, plan.way == FLOOR_REUSEPORT) : listeners[0];
    floor_counters *counters =
        mmap(NULL, PROCESSES_MAX * sizeof *counters, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (counters == MAP_FAILED)
        fail("mmap");

    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    pid_t children[PROCESSES_MAX];
    for (int i = 0; i < processes; i++) {
        children[i] = fork();
        if (children[i] < 0)
            fail("fork");
        if (children[i] == 0) {
            plan.listener = listeners[i];
            plan.counters = &counters[i];
            child(loop, &plan);
        }
    }
    for (int i = 0; i < processes; i++) {
        if (i == 0 || plan.way == FLOOR_REUSEPORT)
            close(listeners[i]); /* else a connection could wait here, where nobody accepts */
    }
    printf("{\"port\": %u}\n", port);
    fflush(stdout);
    int signal_number;
    sigwait(&ends, &signal_number);
    report(children, counters, processes);
    return 0;
}
