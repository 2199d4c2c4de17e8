#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "askr_output.h"
#include "askr_unnamed_file.h"
#include "fake_transport.h"

/* ctest-skip: tsan (one thread) */

enum { MEMORY = 8192, LEAST_ALLOCATED = 4096, HOLE = 256 * 1024 };

static uint64_t held;
static char directory[] = "/tmp/askr-test-output-XXXXXX";
static askr_output_policy policy = {.memory_bytes = MEMORY, .directory = directory, .held_bytes = &held};
static uint8_t bytes[4 * 1024 * 1024];
static int descriptors;

static void set_up(void)
{
    policy.memory_bytes = MEMORY;
    policy.most_held = 0;
    descriptors = open_descriptors();
    CHECK_EQUAL(held, 0);
}

/* An output that is empty owns nothing. */
static void tear_down(askr_output *o, fake_transport *f)
{
    CHECK_EQUAL(askr_output_pending(o), 0);
    CHECK(o->bytes == NULL && o->fd == -1);
    CHECK_EQUAL(held, 0);
    if (f != NULL)
        fake_free(f);
    CHECK_EQUAL(open_descriptors(), descriptors);
    CHECK_EQUAL(entries_of(directory), 0);
}

/* The file can grow to this and no further: a full disk. */
static void limit_files(rlim_t most)
{
    struct rlimit limit;
    CHECK_EQUAL(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = most;
    CHECK_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_what_the_transport_takes_at_once_is_not_kept(void)
{
    askr_output o;
    fake_transport f = fake_new();
    set_up();
    askr_output_init(&o);
    CHECK_EQUAL(askr_output_send_or_put(&o, &policy, &f.base, bytes, 100), ASKR_OK);
    CHECK_EQUAL(f.calls, 1);
    CHECK_EQUAL(askr_output_send(&o, &policy, &f.base, SIZE_MAX), ASKR_OK);
    CHECK_EQUAL(f.calls, 1);
    check_stream(f.got, 0, 100);
    tear_down(&o, &f);
}

static void test_what_waits_goes_first_and_in_one_call(void)
{
    askr_output o;
    fake_transport f = fake_new();
    set_up();
    askr_output_init(&o);
    f.room = 10;
    CHECK_EQUAL(askr_output_send_or_put(&o, &policy, &f.base, bytes, 100), ASKR_OK);
    CHECK_EQUAL(askr_output_pending(&o), 90);
    CHECK_EQUAL(held, LEAST_ALLOCATED);
    f.room = SIZE_MAX;
    f.calls = 0;
    CHECK_EQUAL(askr_output_send_or_put(&o, &policy, &f.base, bytes + 100, 50), ASKR_OK);
    CHECK_EQUAL(f.calls, 1);
    CHECK_EQUAL(f.len, 150);
    check_stream(f.got, 0, 150);
    tear_down(&o, &f);
}

static void test_order_is_kept_at_any_rate(void)
{
    uint64_t random = 1;
    for (int round = 0; round < 100; round++) {
        askr_output o;
        fake_transport f = fake_new();
        size_t put = 0, total = 1 + random_next(&random) % 300000;
        set_up();
        policy.memory_bytes = random_next(&random) % 20000;
        policy.most_held = random_next(&random) % 2 ? 1 + random_next(&random) % 10000 : 0;
        askr_output_init(&o);
        f.piece = 1 + random_next(&random) % (random_next(&random) % 2 ? 100 : 100000);
        while (f.len < total) {
            size_t n = random_next(&random) % 30000;
            n = n < total - put ? n : total - put;
            f.room = random_next(&random) % 40000;
            switch (random_next(&random) % 3) {
            case 0: CHECK_EQUAL(askr_output_put(&o, &policy, bytes + put, n), ASKR_OK); break;
            case 1: CHECK_EQUAL(askr_output_send_or_put(&o, &policy, &f.base, bytes + put, n), ASKR_OK); break;
            default: n = 0; CHECK(askr_output_send(&o, &policy, &f.base, random_next(&random) % 50000) != ASKR_ESYS);
            }
            put += n;
            CHECK_EQUAL(askr_output_pending(&o), put - f.len);
            CHECK_EQUAL(held, o.cap);
            CHECK(o.cap <= policy.memory_bytes * 3 / 2 || o.cap <= LEAST_ALLOCATED);
        }
        check_stream(f.got, 0, total);
        tear_down(&o, &f);
    }
}

static void test_a_byte_at_a_time_moves_memory_seldom(void)
{
    askr_output o;
    fake_transport f = fake_new();
    set_up();
    askr_output_init(&o);
    CHECK_EQUAL(askr_output_put(&o, &policy, bytes, MEMORY - 1), ASKR_OK);
    for (size_t i = 0; i < 100000; i++) {
        CHECK_EQUAL(askr_output_put(&o, &policy, bytes + MEMORY - 1 + i, 1), ASKR_OK);
        f.room = 1;
        CHECK_EQUAL(askr_output_send(&o, &policy, &f.base, SIZE_MAX), ASKR_EAGAIN);
        CHECK(held <= MEMORY * 3 / 2);
    }
    CHECK_EQUAL(o.fd, -1);
    check_stream(f.got, 0, f.len);
    askr_output_drop(&o, &policy);
    tear_down(&o, &f);
}

static void test_a_turn_sends_its_share_and_no_more(void)
{
    askr_output o;
    fake_transport f = fake_new();
    set_up();
    askr_output_init(&o);
    CHECK_EQUAL(askr_output_put(&o, &policy, bytes, MEMORY), ASKR_OK);
    CHECK_EQUAL(askr_output_put(&o, &policy, bytes + MEMORY, 300000), ASKR_OK);
    for (size_t sent = 0; sent + 1000 < MEMORY + 300000; sent += 1000) {
        CHECK_EQUAL(askr_output_send(&o, &policy, &f.base, 1000), ASKR_OUTPUT_SHARE);
        CHECK_EQUAL(f.len, sent + 1000);
    }
    CHECK_EQUAL(askr_output_send(&o, &policy, &f.base, 1000), ASKR_OK);
    check_stream(f.got, 0, MEMORY + 300000);
    tear_down(&o, &f);
}

static void test_the_file_gives_its_room_back_while_it_is_sent(void)
{
    askr_output o;
    fake_transport f = fake_new();
    struct stat st;
    set_up();
    askr_output_init(&o);
    CHECK_EQUAL(askr_output_put(&o, &policy, bytes, sizeof bytes), ASKR_OK);
    CHECK_EQUAL(o.len, 0);
    f.room = sizeof bytes - 100;
    CHECK_EQUAL(askr_output_send(&o, &policy, &f.base, SIZE_MAX), ASKR_EAGAIN);
    CHECK_EQUAL(held, 0); /* waiting costs no memory */
    CHECK_EQUAL(askr_output_put(&o, &policy, bytes, sizeof bytes), ASKR_OK);
    f.room = sizeof bytes / 2;
    CHECK_EQUAL(askr_output_send(&o, &policy, &f.base, SIZE_MAX), ASKR_EAGAIN);
    CHECK_EQUAL(fstat(o.fd, &st), 0);
    CHECK((uint64_t)st.st_blocks * 512 <= o.file_left + 2 * HOLE);
    f.room = SIZE_MAX;
    CHECK_EQUAL(askr_output_send(&o, &policy, &f.base, SIZE_MAX), ASKR_OK);
    CHECK_EQUAL(f.len, 2 * sizeof bytes);
    check_stream(f.got, 0, sizeof bytes);
    check_stream(f.got + sizeof bytes, 0, sizeof bytes);
    tear_down(&o, &f);
}

static void test_when_all_together_hold_enough_the_next_goes_to_the_file(void)
{
    askr_output first, second;
    fake_transport f = fake_new(), g = fake_new();
    set_up();
    policy.most_held = LEAST_ALLOCATED;
    askr_output_init(&first);
    askr_output_init(&second);
    CHECK_EQUAL(askr_output_put(&first, &policy, bytes, 100), ASKR_OK);
    CHECK_EQUAL(askr_output_put(&second, &policy, bytes, 100), ASKR_OK);
    CHECK(second.fd >= 0 && second.bytes == NULL);
    askr_output_drop(&second, &policy);
    limit_files(0);
    CHECK_EQUAL(askr_output_put(&second, &policy, bytes, 10), ASKR_OK);
    limit_files(RLIM_INFINITY);
    CHECK(second.fd == -1 && second.len == 10); /* the disk is full, and the bound is no reason to lose a connection */
    askr_output_drop(&second, &policy);
    CHECK_EQUAL(askr_output_put(&second, &policy, bytes, 100), ASKR_OK);
    CHECK_EQUAL(askr_output_put(&first, &policy, bytes + 100, LEAST_ALLOCATED - 100), ASKR_OK);
    CHECK_EQUAL(first.fd, -1); /* what is allocated may be used */
    CHECK_EQUAL(askr_output_put(&first, &policy, bytes + LEAST_ALLOCATED, 1), ASKR_OK);
    CHECK(first.fd >= 0);
    CHECK_EQUAL(held, LEAST_ALLOCATED);
    CHECK_EQUAL(askr_output_send(&second, &policy, &f.base, SIZE_MAX), ASKR_OK);
    CHECK_EQUAL(askr_output_send(&first, &policy, &g.base, SIZE_MAX), ASKR_OK);
    check_stream(f.got, 0, 100);
    check_stream(g.got, 0, LEAST_ALLOCATED + 1);
    policy.most_held = 0;
    fake_free(&g);
    tear_down(&second, NULL);
    tear_down(&first, &f);
}

static void test_a_full_disk_takes_all_or_nothing(void)
{
    askr_output o;
    fake_transport f = fake_new();
    set_up();
    askr_output_init(&o);
    CHECK_EQUAL(askr_output_put(&o, &policy, bytes, MEMORY), ASKR_OK);
    limit_files(20000);
    CHECK_EQUAL(askr_output_put(&o, &policy, bytes + MEMORY, 30000), ASKR_ESYS);
    CHECK_EQUAL(errno, EFBIG);
    CHECK_EQUAL(o.fd, -1); /* nothing in it: it is not kept open */
    CHECK_EQUAL(askr_output_put(&o, &policy, bytes + MEMORY, 15000), ASKR_OK);
    CHECK_EQUAL(askr_output_put(&o, &policy, bytes + MEMORY + 15000, 10000), ASKR_ESYS);
    CHECK_EQUAL(askr_output_pending(&o), MEMORY + 15000);
    limit_files(RLIM_INFINITY);
    CHECK_EQUAL(askr_output_put(&o, &policy, bytes + MEMORY + 15000, 10000), ASKR_OK);
    CHECK_EQUAL(askr_output_send(&o, &policy, &f.base, SIZE_MAX), ASKR_OK);
    CHECK_EQUAL(f.len, MEMORY + 25000);
    check_stream(f.got, 0, f.len);
    tear_down(&o, &f);
}

/* Whoever offers and is told of a rest finds something waiting, and gets rid of all of it in the end. */
static void test_what_a_full_disk_does_not_take_can_be_offered_again(void)
{
    const size_t memories[] = {0, 1, 100, MEMORY};
    limit_files(0);
    for (size_t i = 0; i < sizeof memories / sizeof *memories; i++) {
        askr_output o;
        fake_transport f = fake_new();
        size_t offered = 0;
        int rounds = 0;
        set_up();
        policy.memory_bytes = memories[i];
        askr_output_init(&o);
        while (offered < 100000) {
            f.room = 777;
            CHECK(askr_output_send(&o, &policy, &f.base, SIZE_MAX) != ASKR_ESYS);
            int64_t taken = askr_output_offer(&o, &policy, &f.base, bytes + offered, 100000 - offered);
            CHECK(taken >= 0);
            offered += (size_t)taken;
            CHECK(offered == 100000 || askr_output_pending(&o) > 0);
            CHECK(++rounds <= 200);
        }
        f.room = SIZE_MAX;
        CHECK_EQUAL(askr_output_send(&o, &policy, &f.base, SIZE_MAX), ASKR_OK);
        CHECK_EQUAL(f.len, 100000);
        check_stream(f.got, 0, f.len);
        tear_down(&o, &f);
    }
    limit_files(RLIM_INFINITY);
}

static int times_done;

static void note_done(void *fd)
{
    times_done++;
    CHECK_EQUAL(close(*(int *)fd), 0);
}

static int file_with(size_t n)
{
    int fd = memfd_create("lent", MFD_CLOEXEC);
    CHECK_EQUAL(write(fd, bytes, n), n);
    return fd;
}

static void test_a_lent_file_follows_its_head_and_is_given_back_once(void)
{
    askr_output o;
    fake_transport f = fake_new();
    set_up();
    int fd = file_with(100000);
    askr_output_init(&o);
    times_done = 0;
    CHECK_EQUAL(askr_output_put(&o, &policy, bytes, 10), ASKR_OK);
    askr_output_put_file(&o, fd, 10, 99990, note_done, &fd);
    CHECK_EQUAL(askr_output_pending(&o), 100000);
    CHECK_EQUAL(askr_output_put(&o, &policy, bytes, 1), ASKR_ESYS);
    CHECK_EQUAL(errno, EBUSY);
    f.room = 50;
    CHECK_EQUAL(askr_output_send(&o, &policy, &f.base, SIZE_MAX), ASKR_EAGAIN);
    CHECK_EQUAL(held, 0); /* while a file goes out, no memory is held */
    CHECK_EQUAL(askr_output_offer(&o, &policy, &f.base, bytes, 1), 0);
    f.room = SIZE_MAX;
    CHECK_EQUAL(askr_output_send(&o, &policy, &f.base, 10000), ASKR_OUTPUT_SHARE);
    CHECK_EQUAL(times_done, 0);
    CHECK_EQUAL(askr_output_send(&o, &policy, &f.base, SIZE_MAX), ASKR_OK);
    CHECK_EQUAL(times_done, 1);
    CHECK_EQUAL(f.more_calls, 1); /* head and file in one segment */
    check_stream(f.got, 0, 100000);
    tear_down(&o, &f);
}

static void test_a_lent_file_is_given_back_however_it_ends(void)
{
    askr_output o;
    fake_transport f = fake_new();
    set_up();
    askr_output_init(&o);
    times_done = 0;
    int fd = file_with(10);
    askr_output_put_file(&o, fd, 0, 0, note_done, &fd); /* nothing of it is to be sent */
    CHECK_EQUAL(times_done, 1);
    fd = file_with(10);
    askr_output_put_file(&o, fd, 5, 5, note_done, &fd);
    askr_output_drop(&o, &policy);
    CHECK_EQUAL(times_done, 2);
    askr_output_drop(&o, &policy);
    CHECK_EQUAL(times_done, 2);
    fd = file_with(10); /* it was truncated after its length had been announced */
    askr_output_put_file(&o, fd, 0, 11, note_done, &fd);
    CHECK_EQUAL(askr_output_send(&o, &policy, &f.base, SIZE_MAX), ASKR_ESYS);
    CHECK_EQUAL(f.len, 10);
    askr_output_drop(&o, &policy);
    CHECK_EQUAL(times_done, 3);
    askr_output_put_file(&o, file_with(10), 0, 10, NULL, NULL); /* a gift */
    CHECK_EQUAL(askr_output_send(&o, &policy, &f.base, SIZE_MAX), ASKR_OK);
    tear_down(&o, &f);
}

static void test_a_break_at_any_call_loses_nothing_of_ours(void)
{
    for (int breaks_at = 1;; breaks_at++) {
        askr_output o;
        fake_transport f = fake_new();
        int rc;
        set_up();
        askr_output_init(&o);
        f.breaks_at = breaks_at;
        f.piece = 20000;
        rc = askr_output_send_or_put(&o, &policy, &f.base, bytes, 100000);
        for (int i = 0; i < 10 && rc != ASKR_ESYS; i++)
            rc = askr_output_send(&o, &policy, &f.base, SIZE_MAX);
        int was_broken = rc == ASKR_ESYS;
        check_stream(f.got, 0, f.len);
        askr_output_drop(&o, &policy);
        tear_down(&o, &f);
        if (!was_broken)
            break;
    }
}

static void test_a_file_made_by_name_leaves_none(void)
{
    uint8_t back[10];
    set_up();
    int fd = askr_unnamed_file_open_by_name(directory);
    CHECK(fd >= 0);
    CHECK_EQUAL(entries_of(directory), 0);
    CHECK_EQUAL(askr_unnamed_file_write(fd, 5, bytes, 10), ASKR_OK);
    CHECK_EQUAL(askr_unnamed_file_read(fd, 5, back, 10), 10);
    check_stream(back, 0, 10);
    CHECK_EQUAL(askr_unnamed_file_read(fd, 15, back, 10), ASKR_ESYS);
    CHECK_EQUAL(close(fd), 0);
    CHECK_EQUAL(askr_unnamed_file_open_by_name("/nowhere"), ASKR_ESYS);
    CHECK_EQUAL(askr_unnamed_file_open("/nowhere"), ASKR_ESYS);
    CHECK_EQUAL(open_descriptors(), descriptors);
}

/* ---- plain TCP ---- */

static void connect_pair(askr_transport *ours, int *peer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQUAL(bind(listener, (struct sockaddr *)&address, size), 0);
    CHECK_EQUAL(listen(listener, 1), 0);
    CHECK_EQUAL(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    *peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQUAL(connect(*peer, (struct sockaddr *)&address, size), 0);
    *ours = (askr_transport){.ops = &askr_tcp_ops, .fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    CHECK(ours->fd >= 0);
    CHECK_EQUAL(close(listener), 0);
}

static void wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    CHECK_EQUAL(poll(&p, 1, -1), 1);
}

static void test_a_slow_reader_gets_everything_over_tcp(void)
{
    askr_output o;
    askr_transport t;
    int peer;
    size_t got = 0, put = 0;
    static uint8_t read_back[100000];
    set_up();
    connect_pair(&t, &peer);
    int fd = file_with(sizeof bytes);
    askr_output_init(&o);
    times_done = 0;
    while (put < sizeof bytes) { /* nobody reads: the socket's buffers, memory and file fill up */
        CHECK_EQUAL(askr_output_send_or_put(&o, &policy, &t, bytes + put, 65536), ASKR_OK);
        put += 65536;
    }
    while (got < 2 * sizeof bytes) {
        if (askr_output_pending(&o) == 0 && times_done == 0 && got < sizeof bytes && o.fd < 0)
            askr_output_put_file(&o, fd, 0, sizeof bytes, note_done, &fd);
        int rc = askr_output_send(&o, &policy, &t, 200000);
        CHECK(rc == ASKR_OK || rc == ASKR_EAGAIN || rc == ASKR_OUTPUT_SHARE);
        ssize_t n = recv(peer, read_back, sizeof read_back, MSG_DONTWAIT);
        if (n > 0) {
            for (ssize_t i = 0; i < n; i++)
                CHECK_EQUAL(read_back[i], bytes[(got + (size_t)i) % sizeof bytes]);
            got += (size_t)n;
        } else if (rc == ASKR_OK && got < 2 * sizeof bytes) {
            wait_for(peer, POLLIN);
        }
    }
    CHECK_EQUAL(times_done, 1);
    t.ops->close(&t, 0);
    CHECK_EQUAL(recv(peer, read_back, 1, 0), 0);
    CHECK_EQUAL(close(peer), 0);
    tear_down(&o, NULL);
}

static void test_what_tcp_says_at_its_ends(void)
{
    askr_transport t;
    uint8_t buf[16];
    int peer;
    const struct iovec parts[2] = {{.iov_base = bytes, .iov_len = 3}, {.iov_base = bytes + 3, .iov_len = 4}};
    set_up();
    connect_pair(&t, &peer);
    CHECK_EQUAL(t.ops->receive(&t, buf, sizeof buf), ASKR_EAGAIN);
    CHECK_EQUAL(t.ops->send(&t, parts, 2, 1), 7);
    CHECK_EQUAL(t.ops->finish(&t), ASKR_OK);
    CHECK_EQUAL(recv(peer, buf, sizeof buf, MSG_WAITALL), 7);
    CHECK_EQUAL(recv(peer, buf, sizeof buf, 0), 0);
    CHECK_EQUAL(t.ops->send(&t, parts, 1, 0), ASKR_ESYS); /* and no SIGPIPE */
    CHECK_EQUAL(send(peer, "x", 1, 0), 1);
    wait_for(t.fd, POLLIN);
    CHECK_EQUAL(t.ops->receive(&t, buf, sizeof buf), 1);
    CHECK_EQUAL(shutdown(peer, SHUT_WR), 0);
    wait_for(t.fd, POLLIN);
    CHECK_EQUAL(t.ops->receive(&t, buf, sizeof buf), 0);
    t.ops->close(&t, 0);
    t.ops->close(&t, 1); /* closed already */
    CHECK_EQUAL(t.fd, -1);
    CHECK_EQUAL(close(peer), 0);

    connect_pair(&t, &peer);
    t.ops->close(&t, 1);
    wait_for(peer, POLLIN);
    CHECK_EQUAL(recv(peer, buf, sizeof buf, 0), -1);
    CHECK_EQUAL(errno, ECONNRESET);
    CHECK_EQUAL(close(peer), 0);
    CHECK_EQUAL(open_descriptors(), descriptors);
}

int main(void)
{
    CHECK(mkdtemp(directory) != NULL);
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR); /* as in a Python process; SIGPIPE is left deadly */
    stream_fill(bytes, 0, sizeof bytes);
    test_what_the_transport_takes_at_once_is_not_kept();
    test_what_waits_goes_first_and_in_one_call();
    test_order_is_kept_at_any_rate();
    test_a_byte_at_a_time_moves_memory_seldom();
    test_a_turn_sends_its_share_and_no_more();
    test_the_file_gives_its_room_back_while_it_is_sent();
    test_when_all_together_hold_enough_the_next_goes_to_the_file();
    test_a_full_disk_takes_all_or_nothing();
    test_what_a_full_disk_does_not_take_can_be_offered_again();
    test_a_lent_file_follows_its_head_and_is_given_back_once();
    test_a_lent_file_is_given_back_however_it_ends();
    test_a_break_at_any_call_loses_nothing_of_ours();
    test_a_file_made_by_name_leaves_none();
    test_a_slow_reader_gets_everything_over_tcp();
    test_what_tcp_says_at_its_ends();
    CHECK_EQUAL(rmdir(directory), 0);
    return 0;
}
