#include "askr_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "askr_put.h"

/* Of AF_INET or AF_INET6. */
static void write_host(int family, const void *bytes, askr_peer *out)
{
    if (inet_ntop(family, bytes, out->host, sizeof out->host) != NULL)
        out->host_len = (uint8_t)strlen(out->host);
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
    uint16_t port = 0;
    memset(out, 0, sizeof *out);
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        write_host(AF_INET, &v4->sin_addr, out);
        port = v4->sin_port;
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        int is_mapped = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
        write_host(is_mapped ? AF_INET : AF_INET6, v6->sin6_addr.s6_addr + (is_mapped ? 12 : 0), out);
        port = v6->sin6_port;
    }
    askr_put number = askr_put_in((uint8_t *)out->port, sizeof out->port);
    askr_put_number(&number, ntohs(port)); /* 0 where there is none, as the pure wire says it */
    out->port_len = (uint8_t)number.at;
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
