#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "askr_site_parts.h"
#include "site_rig.h"

/* What is answered is compared with Python (tests/test_native_*.py); here is what Python cannot see: memory, descriptors, what is held. */

static void test_a_held_file_is_sent_as_it_was_announced(void)
{
    rig r = rig_new(64, 4);
    askr_static first, again;
    rig_put(&r, "a.txt", "old content");
    askr_file *held = rig_hold(&r, "/a.txt", "", &first);
    rig_put(&r, "b.txt", "new");
    CHECK_EQUAL(rename(rig_path(&r, "b.txt"), rig_path(&r, "a.txt")), 0);
    askr_file *other = rig_hold(&r, "/a.txt", "", &again);
    CHECK(other != held);
    rig_check_content(&again, "new");
    rig_check_content(&first, "old content");
    CHECK_EQUAL(first.content_length, 11);
    askr_file_release(other);
    CHECK_EQUAL(unlink(rig_path(&r, "a.txt")), 0);
    CHECK_EQUAL(rig_route(&r, "/a.txt").kind, ASKR_ROUTE_SCRIPT);
    rig_check_content(&first, "old content");
    askr_site_destroy(r.site);
    rig_check_content(&first, "old content");
    askr_file_release(held);
    rig_site(&r, 64, 4);
    rig_free(&r);
}

static void test_a_siblings_descriptor_lives_as_long_as_the_file_is_held(void)
{
    rig r = rig_new(64, 0);
    askr_static first, again;
    rig_put(&r, "a.css", "plain");
    rig_put(&r, "a.css.gz", "gzipped");
    askr_file *held = rig_hold(&r, "/a.css", "Accept-Encoding: gzip\r\n", &first);
    CHECK_EQUAL(unlink(rig_path(&r, "a.css.gz")), 0);
    askr_file *other = rig_hold(&r, "/a.css", "Accept-Encoding: gzip\r\n", &again);
    rig_check_content(&again, "plain");
    rig_check_content(&first, "gzipped");
    askr_file_release(held);
    askr_file_release(other);
    rig_free(&r);
}

static void test_the_least_recently_used_file_goes_first(void)
{
    rig r = rig_new(3, 64);
    char name[32];
    for (int i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof name, "%d.txt", i);
        rig_put(&r, name, name);
    }
    for (int i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof name, "/%d.txt", i);
        rig_expect(&r, name, name + 1);
    }
    rig_expect(&r, "/0.txt", "0.txt");
    rig_expect(&r, "/3.txt", "3.txt"); /* 1 goes */
    const askr_file_cache *c = &r.site->cache;
    CHECK_EQUAL(c->count, 3);
    CHECK(askr_file_cache_find(c, "0.txt", 5, askr_file_cache_hash(c, "0.txt", 5)) != NULL);
    CHECK(askr_file_cache_find(c, "1.txt", 5, askr_file_cache_hash(c, "1.txt", 5)) == NULL);
    CHECK(askr_file_cache_find(c, "2.txt", 5, askr_file_cache_hash(c, "2.txt", 5)) != NULL);
    rig_free(&r);
}

static void test_descriptors_and_memory_are_bounded_however_many_files_are_asked_for(void)
{
    enum { FILES = 16 };
    rig r = rig_new(FILES, 64);
    int before = open_descriptors();
    char name[32], target[33];
    for (int i = 0; i < MANY_FILES; i++) {
        (void)snprintf(name, sizeof name, "%d.css%s", i / 3, i % 3 == 0 ? "" : i % 3 == 1 ? ".br" : ".gz");
        rig_put(&r, name, "content");
    }
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < MANY_FILES / 3; i++) {
            (void)snprintf(target, sizeof target, "/%d.css", i);
            rig_expect(&r, target, "content");
            CHECK(r.site->cache.fds <= FILES && r.site->cache.count <= FILES);
            CHECK(r.site->cache.content_bytes <= FILES * strlen("content"));
        }
    CHECK(open_descriptors() - before <= FILES);
    rig_free(&r);
    CHECK(open_descriptors() < before);
}

static void test_names_that_do_not_exist_displace_nothing(void)
{
    rig r = rig_new(16, 64);
    char target[32];
    rig_put(&r, "hot.txt", "hot");
    rig_expect(&r, "/hot.txt", "hot");
    const askr_file *hot = r.site->cache.newest;
    for (int i = 0; i < 100000; i++) {
        (void)snprintf(target, sizeof target, "/missing/%d", i);
        if (i % 1000 == 0)
            CHECK_EQUAL(rig_route(&r, target).kind, ASKR_ROUTE_SCRIPT);
        askr_slice text = TEXT(target);
        static askr_request rq = {.method_id = ASKR_METHOD_GET};
        askr_route route;
        rq.raw_path = text;
        askr_site_route(r.site, &rq, r.now_mono_ns, &route);
        CHECK_EQUAL(route.kind, ASKR_ROUTE_SCRIPT);
        CHECK(is_text(route.script.name, "/index.php"));
    }
    CHECK_EQUAL(r.site->cache.count, 1);
    CHECK(r.site->cache.newest == hot);
    rig_free(&r);
}

static void test_what_nobody_asks_for_is_closed_after_a_minute(void)
{
    rig r = rig_new(16, 64);
    rig_put(&r, "a.txt", "a");
    rig_put(&r, "b.txt", "b");
    rig_expect(&r, "/a.txt", "a");
    for (int s = 0; s < 70; s++) {
        r.now_mono_ns += UINT64_C(1000000000);
        rig_expect(&r, "/b.txt", "b");
        CHECK_EQUAL(r.site->cache.count, s < 60 ? 2 : 1);
    }
    rig_free(&r);
}

/* Leaves this process `spare` descriptors; how many it had. */
static rlim_t leave_descriptors(int spare)
{
    struct rlimit limit;
    CHECK_EQUAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    for (limit.rlim_cur = 0; spare > 0; limit.rlim_cur++) /* there may be gaps, and inherited ones far above */
        spare -= fcntl((int)limit.rlim_cur, F_GETFD) < 0;
    CHECK_EQUAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

static void restore_descriptors(rlim_t limit)
{
    struct rlimit now;
    CHECK_EQUAL(getrlimit(RLIMIT_NOFILE, &now), 0);
    now.rlim_cur = limit;
    CHECK_EQUAL(setrlimit(RLIMIT_NOFILE, &now), 0);
}

static void test_without_descriptors_others_are_closed_and_then_python_is_asked(void)
{
    rig r = rig_new(64, 0);
    char name[32];
    for (int i = 0; i < 20; i++) {
        (void)snprintf(name, sizeof name, "%d.txt", i);
        rig_put(&r, name, name);
    }
    rlim_t before = leave_descriptors(4);
    for (int i = 0; i < 20; i++) {
        (void)snprintf(name, sizeof name, "/%d.txt", i);
        rig_expect(&r, name, name + 1);
    }
    CHECK(r.site->cache.count <= 4);
    askr_static answer;
    askr_file *held[4];
    for (int i = 0; i < 4; i++) {
        (void)snprintf(name, sizeof name, "/%d.txt", i);
        held[i] = rig_hold(&r, name, "", &answer);
    }
    CHECK_EQUAL(rig_route(&r, "/9.txt").kind, ASKR_ROUTE_DEFER);
    CHECK_EQUAL(rig_route(&r, "/nothing").kind, ASKR_ROUTE_SCRIPT);
    r.now_mono_ns += UINT64_C(2000000000); /* the root cannot be looked up again either */
    CHECK_EQUAL(rig_route(&r, "/nothing").kind, ASKR_ROUTE_SCRIPT);
    CHECK_EQUAL(rig_route(&r, "/9.txt").kind, ASKR_ROUTE_DEFER);
    askr_file_release(held[0]);
    askr_file_release(held[1]);
    rig_expect(&r, "/9.txt", "9.txt");
    askr_file_release(held[2]);
    askr_file_release(held[3]);
    restore_descriptors(before);
    rig_free(&r);
}

static void test_a_file_that_was_just_changed_is_not_kept_in_memory(void)
{
    rig r = rig_new(16, 64);
    const askr_request *rq = rig_request("GET", "/a.txt", "");
    askr_route route;
    askr_static answer;
    struct stat st;
    rig_put(&r, "a.txt", "a");
    CHECK_EQUAL(stat(rig_path(&r, "a.txt"), &st), 0);
    for (int age_s = 0; age_s < 6; age_s++) {
        askr_site_route(r.site, rq, r.now_mono_ns, &route);
        CHECK_EQUAL(askr_static_answer(r.site, route.file, rq, st.st_ctime + age_s, &answer), ASKR_OK);
        CHECK((answer.content != NULL) == (age_s >= ASKR_SETTLED_S));
        rig_check_content(&answer, "a");
        askr_file_release(route.file);
    }
    rig_free(&r);
}

static void test_a_file_that_changes_between_look_and_read_is_not_kept(void)
{
    rig r = rig_new(16, 64);
    const askr_request *rq = rig_request("GET", "/a.txt", "");
    askr_route route;
    askr_static answer;
    rig_put(&r, "a.txt", "old");
    askr_site_route(r.site, rq, r.now_mono_ns, &route);
    rig_put(&r, "a.txt", "newer");
    CHECK_EQUAL(askr_static_answer(r.site, route.file, rq, (int64_t)time(NULL) + 1000, &answer), ASKR_OK);
    CHECK(answer.content == NULL && answer.content_length == 3);
    CHECK_EQUAL(truncate(rig_path(&r, "a.txt"), 0), 0);
    CHECK_EQUAL(askr_static_answer(r.site, route.file, rq, (int64_t)time(NULL) + 1000, &answer), ASKR_OK);
    CHECK(answer.content == NULL && answer.content_length == 3);
    askr_file_release(route.file);
    rig_free(&r);
}

static void test_content_in_memory_is_bounded(void)
{
    rig r = rig_new(16, 64);
    char name[32];
    r.site->cache.most_content_bytes = 10;
    for (int i = 0; i < 6; i++) {
        (void)snprintf(name, sizeof name, "%d.txt", i);
        rig_put(&r, name, "four");
        (void)snprintf(name, sizeof name, "/%d.txt", i);
        rig_expect(&r, name, "four");
        CHECK(r.site->cache.content_bytes <= 10);
    }
    CHECK_EQUAL(r.site->cache.count, 2);
    rig_free(&r);
}

/* In another process: exchanges, for ever, what the name leads to. */
static pid_t start_exchanging(const rig *r, const char *name, const char *one, const char *other)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    char aside[128];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(aside, sizeof aside, "%s/aside-%s", r->base, name);
    for (int i = 0;; i++)
        if (symlink(i % 2 == 0 ? one : other, aside) != 0 || rename(aside, rig_path(r, name)) != 0)
            _exit(1);
}

static void test_a_link_that_is_exchanged_all_the_time_opens_no_way_out(void)
{
    static const char *const names[] = {"link.txt", "dir"};
    rig r = rig_new(16, 64);
    int inside = 0, elsewhere = 0;
    CHECK_EQUAL(mkdir(rig_path(&r, "in"), 0755), 0);
    CHECK_EQUAL(mkdir(rig_path(&r, "../out"), 0755), 0);
    rig_put(&r, "in/x.txt", "inside");
    rig_put(&r, "../out/x.txt", "secret");
    pid_t one = start_exchanging(&r, names[0], "in/x.txt", "../out/x.txt");
    pid_t other = start_exchanging(&r, names[1], "in", "../out");
    while (inside < 200 || elsewhere < 200) {
        const askr_request *rq = rig_request("GET", inside % 2 ? "/link.txt" : "/dir/x.txt", "");
        askr_route route;
        askr_static answer;
        askr_site_route(r.site, rq, r.now_mono_ns, &route);
        r.now_mono_ns += UINT64_C(100000000);
        if (route.kind != ASKR_ROUTE_FILE) {
            elsewhere++;
            continue;
        }
        inside++;
        CHECK_EQUAL(askr_static_answer(r.site, route.file, rq, (int64_t)time(NULL) + 1000, &answer), ASKR_OK);
        rig_check_content(&answer, "inside");
        askr_file_release(route.file);
    }
    CHECK_EQUAL(kill(one, SIGKILL), 0);
    CHECK_EQUAL(kill(other, SIGKILL), 0);
    CHECK(wait_is_dead(one) && wait_is_dead(other));
    rig_free(&r);
}

/* From now on openat2 fails with `error` for this process, as under a container's filter or on a kernel that has none. */
static void forbid_openat2(int error)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
    CHECK_EQUAL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_EQUAL(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void test_without_openat2_files_are_pythons(void)
{
    static const int errors[] = {ENOSYS, EPERM};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            rig r = rig_new(16, 64);
            rig_put(&r, "a.txt", "a");
            rig_expect(&r, "/a.txt", "a");
            forbid_openat2(errors[i]);
            rig_expect(&r, "/a.txt", "a"); /* it was looked up when that was possible */
            r.now_mono_ns += UINT64_C(2000000000);
            CHECK_EQUAL(rig_route(&r, "/a.txt").kind, ASKR_ROUTE_DEFER);
            CHECK_EQUAL(rig_route(&r, "/index.php").kind, ASKR_ROUTE_DEFER);
            CHECK_EQUAL(rig_route(&r, "/nothing").kind, ASKR_ROUTE_SCRIPT);
            rig_free(&r);
            _exit(0);
        }
        CHECK(!wait_is_dead(pid));
    }
}

static void test_a_root_that_is_none_is_not_taken(void)
{
    askr_site *site = NULL;
    askr_site_config config = {"/dev/null", "index.php", 1, 0, 16, 0};
    CHECK_EQUAL(askr_site_create(&config, &site), ASKR_ESYS);
    CHECK_EQUAL(errno, ENOTDIR);
    config.root = ""; /* the file system's own */
    CHECK_EQUAL(askr_site_create(&config, &site), ASKR_OK);
    askr_site_destroy(site);
    CHECK(site != NULL);
}

int main(void)
{
    test_a_held_file_is_sent_as_it_was_announced();
    test_a_siblings_descriptor_lives_as_long_as_the_file_is_held();
    test_the_least_recently_used_file_goes_first();
    test_descriptors_and_memory_are_bounded_however_many_files_are_asked_for();
    test_names_that_do_not_exist_displace_nothing();
    test_what_nobody_asks_for_is_closed_after_a_minute();
    test_without_descriptors_others_are_closed_and_then_python_is_asked();
    test_a_file_that_was_just_changed_is_not_kept_in_memory();
    test_a_file_that_changes_between_look_and_read_is_not_kept();
    test_content_in_memory_is_bounded();
    test_a_link_that_is_exchanged_all_the_time_opens_no_way_out();
    test_without_openat2_files_are_pythons();
    test_a_root_that_is_none_is_not_taken();
    return 0;
}
