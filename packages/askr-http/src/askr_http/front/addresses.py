"""Addresses of sockets, as exchanges and the access log have them."""

from __future__ import annotations

from askr_http.exchange import Address


def parse_address(value: object) -> Address:
    """Return a socket's address; one of IPv4 that came to a socket of IPv6 is one of IPv4."""
    if isinstance(value, tuple) and len(value) >= 2:
        host = str(value[0]).partition("%")[0]  # without the scope of a link-local address
        return Address(host.removeprefix("::ffff:") if "." in host else host, int(value[1]))
    return Address("", 0)
