#include <arpa/inet.h>
#include <netinet/in.h>

#include "../../askr-shm/ctests/testing.h"
#include "askr_peer.h"

/* Each address has as many connections as were counted for it, no more than it may have, and what has none is forgotten. */

enum { CONNECTIONS = 100, ADDRESSES = 300, MOST = 7 };

static askr_address_key key_of(uint32_t i)
{
    askr_address_key key = {{0}};
    key.bytes[i % 16] = (uint8_t)(i % 251 + 1);
    key.bytes[15 - i % 3] ^= (uint8_t)(i / 256 + 1);
    return key;
}

static void counts_are_those_of_a_plain_model(void)
{
    uint32_t counts[ADDRESSES] = {0}, entries[CONNECTIONS], whose[CONNECTIONS], used = 0;
    uint64_t random = 17;
    askr_addresses *a;
    CHECK_EQUAL(askr_addresses_create(CONNECTIONS, &a), ASKR_OK);
    for (int round = 0; round < 200000; round++) {
        if (used > 0 && (used == CONNECTIONS || random_next(&random) % 2 == 0)) {
            uint32_t i = random_next(&random) % used;
            askr_addresses_release(a, entries[i]);
            counts[whose[i]]--;
            used--;
            entries[i] = entries[used];
            whose[i] = whose[used];
            continue;
        }
        uint32_t address = random_next(&random) % (round % 2 == 0 ? ADDRESSES : 10);
        askr_address_key key = key_of(address);
        uint32_t entry = askr_addresses_take(a, &key, MOST);
        CHECK_EQUAL(entry == ASKR_NO_ADDRESS, counts[address] == MOST);
        if (entry == ASKR_NO_ADDRESS)
            continue;
        for (uint32_t i = 0; i < used; i++)
            CHECK_EQUAL(entries[i] == entry, whose[i] == address);
        entries[used] = entry;
        whose[used++] = address;
        counts[address]++;
    }
    while (used > 0)
        askr_addresses_release(a, entries[--used]);
    for (uint32_t i = 0; i < CONNECTIONS; i++) { /* all of them are free again */
        askr_address_key key = key_of(i);
        CHECK(askr_addresses_take(a, &key, 1) != ASKR_NO_ADDRESS);
    }
    askr_address_key key = key_of(CONNECTIONS);
    CHECK_EQUAL(askr_addresses_take(a, &key, 1), ASKR_NO_ADDRESS);
    askr_addresses_destroy(a);
    CHECK_EQUAL(askr_addresses_create(0, &a), ASKR_EINVAL);
    askr_addresses_destroy(NULL);
}

static struct sockaddr_storage address_of(int family, const char *text, uint16_t port)
{
    struct sockaddr_storage out = {.ss_family = (sa_family_t)family};
    if (family == AF_INET) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&out;
        v4->sin_port = htons(port);
        CHECK_EQUAL(inet_pton(AF_INET, text, &v4->sin_addr), 1);
    } else if (family == AF_INET6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out;
        v6->sin6_port = htons(port);
        v6->sin6_scope_id = 2;
        CHECK_EQUAL(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
    }
    return out;
}

static void an_address_is_written_as_the_pure_wire_writes_it(void)
{
    static const struct {
        int family;
        uint16_t port;
        const char *address, *host, *port_text;
    } cases[] = {
        {AF_INET, 80, "127.0.0.1", "127.0.0.1", "80"},
        {AF_INET, 65535, "255.255.255.255", "255.255.255.255", "65535"},
        {AF_INET, 0, "0.0.0.0", "0.0.0.0", "0"},
        {AF_INET, 1, "10.200.3.40", "10.200.3.40", "1"},
        {AF_INET6, 8000, "::1", "::1", "8000"},
        {AF_INET6, 443, "::ffff:192.0.2.7", "192.0.2.7", "443"},
        {AF_INET6, 443, "fe80::1", "fe80::1", "443"}, /* without its scope */
        {AF_INET6, 9, "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", "9"},
        {AF_UNIX, 0, "", "", "0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sockaddr_storage address = address_of(cases[i].family, cases[i].address, cases[i].port);
        askr_address_key key;
        askr_peer peer;
        askr_peer_write(&address, &peer);
        CHECK_EQUAL(peer.host_len, strlen(cases[i].host));
        CHECK(memcmp(peer.host, cases[i].host, peer.host_len) == 0);
        CHECK_EQUAL(peer.port_len, strlen(cases[i].port_text));
        CHECK(memcmp(peer.port, cases[i].port_text, peer.port_len) == 0);
        CHECK_EQUAL(askr_peer_key(&address, &key), cases[i].family != AF_UNIX);
    }
}

static void an_address_is_the_same_over_both_families(void)
{
    struct sockaddr_storage v4 = address_of(AF_INET, "192.0.2.7", 1), v6 = address_of(AF_INET6, "::ffff:192.0.2.7", 2);
    askr_address_key one, other;
    CHECK(askr_peer_key(&v4, &one) && askr_peer_key(&v6, &other));
    CHECK(memcmp(&one, &other, sizeof one) == 0);
}

static void a_socket_says_where_it_is_bound(void)
{
    static const struct {
        const char *address;
        int is_any;
    } cases[] = {{"127.0.0.1", 0}, {"0.0.0.0", 1}};
    for (size_t i = 0; i < 2; i++) {
        struct sockaddr_storage address = address_of(AF_INET, cases[i].address, 0);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), is_any = -1;
        askr_peer peer;
        CHECK_EQUAL(bind(fd, (struct sockaddr *)&address, sizeof(struct sockaddr_in)), 0);
        askr_peer_of_socket(fd, &peer, &is_any);
        CHECK_EQUAL(is_any, cases[i].is_any);
        CHECK_EQUAL(peer.host_len, strlen(cases[i].address));
        (void)close(fd);
    }
}

int main(void)
{
    counts_are_those_of_a_plain_model();
    an_address_is_written_as_the_pure_wire_writes_it();
    an_address_is_the_same_over_both_families();
    a_socket_says_where_it_is_bound();
    printf("ok\n");
    return 0;
}
