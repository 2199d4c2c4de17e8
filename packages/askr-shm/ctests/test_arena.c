#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "askr_arena.h"
#include "testing.h"

static const askr_segment_spec specs[] = {
    {.name = "first", .version = 1, .size_bytes = 10},
    {.name = "second", .version = 7, .size_bytes = 5000},
};

/* 1 when touching `at` kills a process. */
static int is_unreachable(uint8_t *at, int is_write)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGSEGV, SIG_DFL);
        if (is_write)
            *(volatile uint8_t *)at = 1;
        else
            (void)*(volatile uint8_t *)at;
        _exit(0);
    }
    return wait_is_dead(pid);
}

static void test_segments_are_found_by_name_and_version(void)
{
    askr_arena *a;
    void *mem;
    uint64_t size;
    CHECK_EQUAL(askr_arena_create(specs, 2, &a), ASKR_OK);
    CHECK_EQUAL(askr_arena_segment(a, "first", 1, &mem, &size), ASKR_OK);
    CHECK(size >= 10 && size % (uint64_t)sysconf(_SC_PAGESIZE) == 0);
    for (uint64_t i = 0; i < size; i++)
        CHECK_EQUAL(((uint8_t *)mem)[i], 0);
    CHECK_EQUAL(askr_arena_segment(a, "second", 6, &mem, &size), ASKR_EVERSION);
    CHECK_EQUAL(askr_arena_segment(a, "third", 1, &mem, &size), ASKR_EINVAL);
    askr_arena_detach(a);
}

static void test_a_guard_page_lies_before_and_behind_every_segment(void)
{
    askr_arena *a;
    CHECK_EQUAL(askr_arena_create(specs, 2, &a), ASKR_OK);
    for (int i = 0; i < 2; i++) {
        void *mem;
        uint64_t size;
        CHECK_EQUAL(askr_arena_segment(a, specs[i].name, specs[i].version, &mem, &size), ASKR_OK);
        uint8_t *bytes = mem;
        CHECK_EQUAL(is_unreachable(bytes - 1, 0), 1);
        CHECK_EQUAL(is_unreachable(bytes + size, 0), 1);
        CHECK_EQUAL(is_unreachable(bytes, 1), 0);
        CHECK_EQUAL(is_unreachable(bytes + size - 1, 1), 0);
    }
    askr_arena_detach(a);
}

static void test_two_processes_see_the_same_bytes(void)
{
    askr_arena *a, *b;
    void *mem, *same;
    uint64_t size;
    CHECK_EQUAL(askr_arena_create(specs, 2, &a), ASKR_OK);
    CHECK_EQUAL(askr_arena_segment(a, "second", 7, &mem, &size), ASKR_OK);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK_EQUAL(askr_arena_attach(askr_arena_fd(a), &b), ASKR_OK);
        CHECK_EQUAL(askr_arena_segment(b, "second", 7, &same, &size), ASKR_OK);
        CHECK(same != mem);
        memset(same, 'x', (size_t)size);
        _exit(0);
    }
    CHECK_EQUAL(wait_is_dead(pid), 0);
    CHECK_EQUAL(((uint8_t *)mem)[size - 1], 'x');
    askr_arena_detach(a);
}

static void test_a_bad_table_is_refused(void)
{
    askr_arena *a;
    askr_segment_spec many[ASKR_ARENA_MAX_SEGMENTS + 1];
    const askr_segment_spec bad[] = {
        {.name = "", .size_bytes = 1},
        {.name = NULL, .size_bytes = 1},
        {.name = "a name of thirty-two bytes, alas!", .size_bytes = 1},
        {.name = "empty", .size_bytes = 0},
        {.name = "huge", .size_bytes = UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_EQUAL(askr_arena_create(&bad[i], 1, &a), ASKR_EINVAL);
    CHECK_EQUAL(askr_arena_create(specs, 0, &a), ASKR_EINVAL);
    many[0] = many[1] = specs[0];
    CHECK_EQUAL(askr_arena_create(many, 2, &a), ASKR_EINVAL); /* the same name twice */
    CHECK_EQUAL(askr_arena_create(many, ASKR_ARENA_MAX_SEGMENTS + 1, &a), ASKR_EINVAL);
}

static void test_a_descriptor_that_is_no_arena_is_refused(void)
{
    askr_arena *a;
    uint8_t bytes[8192] = {0};
    int fd = memfd_create("other", 0);
    CHECK_EQUAL(askr_arena_attach(fd, &a), ASKR_EVERSION); /* empty */
    CHECK_EQUAL(write(fd, bytes, sizeof bytes), sizeof bytes);
    CHECK_EQUAL(askr_arena_attach(fd, &a), ASKR_EVERSION);
    CHECK_EQUAL(askr_arena_attach(-1, &a), ASKR_ESYS);
    CHECK_EQUAL(errno, EBADF);
    (void)close(fd);
}

static void test_any_changed_byte_of_the_table_is_refused_or_harmless(void)
{
    askr_arena *a, *b;
    uint8_t table[24 + 2 * 56], changed[24 + 2 * 56];
    CHECK_EQUAL(askr_arena_create(specs, 2, &a), ASKR_OK);
    CHECK_EQUAL(pread(askr_arena_fd(a), table, sizeof table, 0), sizeof table);
    for (size_t i = 0; i < sizeof table; i++) {
        memcpy(changed, table, sizeof table);
        changed[i] ^= 0x41;
        CHECK_EQUAL(pwrite(askr_arena_fd(a), changed, sizeof changed, 0), sizeof changed);
        int rc = askr_arena_attach(askr_arena_fd(a), &b);
        CHECK(rc == ASKR_OK || rc == ASKR_EVERSION);
        if (rc == ASKR_OK)
            askr_arena_detach(b);
    }
    askr_arena_detach(a);
}

static void test_nobody_can_cut_the_file_off(void)
{
    askr_arena *a;
    CHECK_EQUAL(askr_arena_create(specs, 2, &a), ASKR_OK);
    CHECK_EQUAL(ftruncate(askr_arena_fd(a), 0), -1);
    CHECK_EQUAL(errno, EPERM);
    askr_arena_detach(a);
}

int main(void)
{
    test_segments_are_found_by_name_and_version();
    test_a_guard_page_lies_before_and_behind_every_segment();
    test_two_processes_see_the_same_bytes();
    test_a_bad_table_is_refused();
    test_a_descriptor_that_is_no_arena_is_refused();
    test_any_changed_byte_of_the_table_is_refused_or_harmless();
    test_nobody_can_cut_the_file_off();
    printf("ok\n");
    return 0;
}
