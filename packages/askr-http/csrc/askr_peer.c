#include "askr_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static size_t write_number(uint32_t value, char *out)
{
    char digits[10];
    size_t n = 0;
    do
        digits[n++] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    for (size_t i = 0; i < n; i++)
        out[i] = digits[n - 1 - i];
    return n;
}

static void write_ipv4(const uint8_t *bytes, askr_peer *out)
{
    size_t n = 0;
    for (int i = 0; i < 4; i++) {
        n += write_number(bytes[i], out->host + n);
        out->host[n++] = '.';
    }
    out->host_len = (uint8_t)(n - 1);
}

int askr_peer_key(const struct sockaddr_storage *address, askr_address_key *out)
{
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
        memcpy(out->bytes, mapped, sizeof mapped);
        memcpy(out->bytes + 12, &v4->sin_addr, 4);
        return 1;
    }
    if (address->ss_family == AF_INET6) {
        memcpy(out->bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
        return 1;
    }
    return 0;
}

void askr_peer_write(const struct sockaddr_storage *address, askr_peer *out)
{
    uint16_t port;
    memset(out, 0, sizeof *out);
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        write_ipv4((const uint8_t *)&v4->sin_addr, out);
        port = v4->sin_port;
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
            write_ipv4((const uint8_t *)&v6->sin6_addr + 12, out);
        else if (inet_ntop(AF_INET6, &v6->sin6_addr, out->host, sizeof out->host) != NULL)
            out->host_len = (uint8_t)strlen(out->host);
        port = v6->sin6_port;
    } else {
        out->port[0] = '0'; /* as the pure wire says it of a socket without an address */
        out->port_len = 1;
        return;
    }
    out->port_len = (uint8_t)write_number(ntohs(port), out->port);
}

void askr_peer_of_socket(int fd, askr_peer *out, int *is_any)
{
    static const uint8_t zeros[16];
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    askr_address_key key;
    socklen_t size = sizeof address;
    (void)getsockname(fd, (struct sockaddr *)&address, &size);
    askr_peer_write(&address, out);
    *is_any = askr_peer_key(&address, &key) &&
              (memcmp(key.bytes + 12, zeros, 4) == 0 && (memcmp(key.bytes, zeros, 12) == 0 || key.bytes[10] == 0xff));
}
