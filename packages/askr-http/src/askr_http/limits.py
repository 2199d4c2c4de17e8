"""What a connection may cost, in one record of plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of the wire; sizes in bytes, times in seconds.

    Attributes:
        head_bytes: Request line and header fields together; more is 431. Precedents: nginx 4 of 8 KiB, Go 1 MiB, node 16 KiB.
        header_count: Header fields; more is 431. Precedents: Apache 100, hyper 100; PHP applications behind proxies see 60.
        target_bytes: The request target; more is 414. Precedent: nginx 8 KiB, Apache 8190.
        body_bytes: The request's body (`max_body_size`); more is 413.
        body_memory_bytes: A body up to this stays in shared memory, a larger one goes to the spool file.
        chunk_line_bytes: A chunk's size line with its extensions; more is 400. Precedent: hyper 16 KiB for all of them.
        chunk_overhead_bytes: Size lines and trailers of one body together, beyond what small chunks need.
        header_read_timeout_s: From a request's first byte to the end of its head; then 408.
        keepalive_timeout_s: An idle connection waiting for its next request.
        body_read_timeout_s: Without a byte of a body that is asked for; then 408.
        write_timeout_s: Without progress of a reader; then the connection is cut.
        linger_timeout_s: How long a refused body is read and dropped so that the refusal is not lost by a reset.
        queue_timeout_s: How long a request waits for a worker; then 503.
        drain_timeout_s: How long requests in flight may take when the server stops.
        connections: Connections of one front at once; more are answered with 503 and closed. Precedents: nginx 512 per worker
            (worker_connections), HAProxy by the limit of open files.
        connections_per_address: Of them, from one address; more are answered with 503 and closed. 0: no limit, because behind a proxy all
            clients have its address. Precedents: nginx's limit_conn and HAProxy's src_conn_cur, both off unless set; Apache's mod_qos 50.
        buffer_bytes: Memory for what connections of one native wire have sent and not been read for, together; when it is used up, no
            further connection is accepted, and a body that is still arriving is answered with 503. And for bodies that arrive at the
            event loop, together; what goes beyond it is spooled as if it were large, or answered with 503. Precedents: Envoy's overload manager
            (shrink_heap at a share of a heap limit), Varnish's workspace times threads (64 KiB times 5000).
        response_memory_bytes: What a slow reader leaves of a response stays in memory up to this, then goes to a file.
        open_files: Files that a native wire keeps open because they were asked for. Precedent: nginx's open_file_cache, 1000 in its examples.
        small_file_bytes: A file up to this stays in memory while it is open, and goes out in one write with its head; above it sendfile(2) is
            cheaper than a copy (measured: 2.0 against 2.6 µs for 16 KiB, 3.5 against 3.0 for 32 KiB).
    """

    head_bytes: int = 64 * 1024
    header_count: int = 256
    target_bytes: int = 16 * 1024
    body_bytes: int = 16 * 1024 * 1024
    body_memory_bytes: int = 256 * 1024
    chunk_line_bytes: int = 1024
    chunk_overhead_bytes: int = 64 * 1024
    header_read_timeout_s: float = 15.0
    keepalive_timeout_s: float = 75.0
    body_read_timeout_s: float = 60.0
    write_timeout_s: float = 60.0
    linger_timeout_s: float = 5.0
    queue_timeout_s: float = 30.0
    drain_timeout_s: float = 10.0
    connections: int = 8192
    connections_per_address: int = 0
    buffer_bytes: int = 256 * 1024 * 1024
    response_memory_bytes: int = 1024 * 1024
    open_files: int = 1024
    small_file_bytes: int = 16 * 1024
