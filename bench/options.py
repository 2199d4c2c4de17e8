"""What the command line asked for, with the defaults of full and of quick runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from bench.documents import Document, documents
from bench.paths import SetupError
from bench.peers.base import Peer
from bench.peers.registry import PEERS, chosen

QUICK_DOCUMENTS = ("hello", "json", "laravel", "1k")


@dataclass(frozen=True)
class Options:
    """The choices of one run. `samples` is None where each measurement has a default of its own."""

    is_quick: bool
    peers: Sequence[Peer]
    documents: Sequence[Document]
    rounds: int
    seconds: float
    connections: int
    executors: int
    requests: int
    samples: int | None

    @classmethod
    def of(cls, given: argparse.Namespace) -> Options:
        """Return the options of a parsed command line.

        Raises SetupError when it names something that is not there.
        """
        known = documents()
        names = given.documents.split(",") if given.documents else QUICK_DOCUMENTS if given.quick else tuple(known)
        unknown = [name for name in names if name not in known]
        if unknown:
            raise SetupError(f"there is no document {unknown[0]}; there are {', '.join(known)}")
        return cls(
            is_quick=given.quick,
            peers=chosen(given.peers),
            documents=[known[name] for name in names],
            rounds=given.rounds or (2 if given.quick else 3),
            seconds=given.seconds or (1 if given.quick else 2),
            connections=given.connections,
            executors=given.executors,
            requests=given.requests,
            samples=given.samples,
        )

    def only(self, *names: str) -> list[Peer]:
        """Return the peers of `names`, in that order: for measurements that make sense for some only."""
        return [PEERS[name] for name in names]
