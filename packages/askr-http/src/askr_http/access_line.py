"""One line of the access log (contract, "observability")."""

from __future__ import annotations

import json


def access_line(
    *, ts_wall_s: int, ip: str, method: bytes, path: bytes, status: int, body_bytes: int, duration_ns: int
) -> bytes:
    """Return a JSON object and a line feed.

    Args:
        ts_wall_s: When the response ended, seconds since the epoch.
        ip: The peer of the connection.
        method: As sent; `-` when no request could be read.
        path: As sent, percent-encoded, without the query: that is where secrets are.
        status: Of the response; 499 when the client left before there was one (nginx's number).
        body_bytes: Bytes of the body that were given to the socket, without framing.
        duration_ns: From the request's head to the end of the response; an integer, so that the native wire rounds it alike.
    """
    method_text, path_text = json.dumps(method.decode("latin-1")), json.dumps(path.decode("latin-1"))
    hundredths = (duration_ns + 5000) // 10_000  # of a millisecond
    return (
        f'{{"ts":{ts_wall_s},"ip":"{ip}","method":{method_text},"path":{path_text},'
        f'"status":{status},"bytes":{body_bytes},"dur_ms":{hundredths // 100}.{hundredths % 100:02}}}\n'
    ).encode()
