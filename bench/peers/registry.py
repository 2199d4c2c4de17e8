"""All peers by name."""

from __future__ import annotations

from bench.paths import SetupError
from bench.peers import askr, floor, nginx
from bench.peers.base import Peer
from bench.peers.frankenphp import peer as frankenphp

BASELINE = "nginx-fpm"
PEERS = {
    peer.name: peer
    for peer in (
        askr.PER_REQUEST,
        askr.WORKER,
        askr.PURE_PER_REQUEST,
        askr.PURE_WORKER,
        nginx.FPM_VENDOR,
        nginx.FPM_DISTRIBUTION,
        nginx.UWSGI_DISTRIBUTION,
        frankenphp.CLASSIC,
        frankenphp.WORKER,
        *floor.FLOORS,
    )
}
DEFAULT = ("askr", "askr-worker", "nginx-fpm", "nginx-uwsgi", "floor")
ALIASES = {
    "frankenphp": ("frankenphp", "frankenphp-worker"),
    "askr-pure": ("askr-pure", "askr-pure-worker"),
    "all": tuple(PEERS),
}


def chosen(names: str | None) -> list[Peer]:
    """Return the peers that a comma-separated list names; `+name` adds to the default ones.

    Raises SetupError when a name is not known.
    """
    if not names:
        return [PEERS[name] for name in DEFAULT]
    wanted: list[str] = list(DEFAULT) if names.startswith("+") else []
    for name in names.lstrip("+").split(","):
        wanted += ALIASES.get(name, (name,))
    unknown = [name for name in wanted if name not in PEERS]
    if unknown:
        raise SetupError(f"there is no peer {unknown[0]}; there are {', '.join(PEERS)}")
    return [PEERS[name] for name in dict.fromkeys(wanted)]
