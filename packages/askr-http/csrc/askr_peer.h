#ifndef ASKR_PEER_H
#define ASKR_PEER_H

#include <sys/socket.h>

#include "askr_addresses.h"
#include "askr_slice.h"

/* One end of a connection as text: IPv4 for an IPv4-mapped IPv6 address, no scope; empty for what is no IP socket. */
typedef struct {
    uint8_t host_len, port_len;
    char host[46]; /* INET6_ADDRSTRLEN */
    char port[6];
} askr_peer;

static inline askr_slice askr_peer_host(const askr_peer *p)
{
    return (askr_slice){(const uint8_t *)p->host, p->host_len};
}
static inline askr_slice askr_peer_port(const askr_peer *p)
{
    return (askr_slice){(const uint8_t *)p->port, p->port_len};
}
void askr_peer_write(const struct sockaddr_storage *address, askr_peer *out);
/* 1 and the key, 0: it is no IP address. */
int askr_peer_key(const struct sockaddr_storage *address, askr_address_key *out);
/* The local end of a socket; *is_any: it is bound to no address in particular. */
void askr_peer_of_socket(int fd, askr_peer *out, int *is_any);

#endif
