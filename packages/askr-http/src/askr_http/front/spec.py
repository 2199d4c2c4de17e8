"""What a front is told by the master, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field

from askr_http.limits import Limits
from askr_http.wires import WireChoice
from askr_shm.pool import Pool


@dataclass(frozen=True)
class FrontSpec:
    """Everything a front needs; made by the master before the fork.

    Attributes:
        index: The number of the front process in the pool, from 0.
        listener_fds: Bound and listening sockets, not blocking; shared with the other fronts.
        pool: The pool's memory, inherited.
        root: The document root, absolute.
        front_controller: The front controller's path relative to `root`, with slashes ("index.php"); "": there is none.
        is_worker_mode: Every request that no static file answers goes to the booted application.
        scripts: Whether a request may name an existing `.php` file below the root (per-request mode only).
        follow_symlinks: Whether symbolic links may leave the root.
        https: Tell PHP that the client came over HTTPS: TLS ends at a proxy.
        access_log: Path of the access log, "-" for standard output, None for none.
        spool_dir: Where responses that slow readers leave are kept (files without a name); None: TMPDIR.
        ready_fd: Written (one line feed) and closed when connections are accepted; None: nobody waits.
        wire: Which wire serves; "auto": the native one where it loads.
        limits: Limits; `queue_timeout_s`, `drain_timeout_s`, `body_bytes` ... are in there.
    """

    index: int
    listener_fds: tuple[int, ...]
    pool: Pool
    root: str
    front_controller: str = "index.php"
    is_worker_mode: bool = False
    scripts: bool = True
    follow_symlinks: bool = False
    https: bool = False
    access_log: str | None = None
    spool_dir: str | None = None
    ready_fd: int | None = None
    wire: WireChoice = "auto"
    limits: Limits = field(default_factory=Limits)
