"""The comparison: every document on every peer in interleaved rounds, each answer checked."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import load as load_generator
from bench import processes
from bench.client import ConnectionBroken, ask_once, request_bytes
from bench.documents import Document
from bench.figures import Sample, rotated
from bench.load import LoadFailed
from bench.paths import SetupError
from bench.peers import ini
from bench.peers.base import Peer, Running, started
from bench.sites import SITES

WARM_UP_S = 1.0
SETTINGS_SHOWN = ("opcache.validate_timestamps", "opcache.revalidate_freq", "memory_limit", "output_buffering")


@dataclass(frozen=True)
class Plan:
    """What is compared and for how long."""

    peers: Sequence[Peer]
    documents: Sequence[Document]
    rounds: int
    seconds: float
    connections: int
    executors: int


@dataclass
class Comparison:
    """What was found: samples by document and peer, what each peer's PHP says of itself, what could not be measured."""

    samples: dict[str, dict[str, list[Sample]]] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Keep something that the report must say."""
        say(f"! {text}")
        self.notes.append(text.partition("\n")[0])


def say(text: str) -> None:
    """Write a line of progress."""
    print(text, file=sys.stderr, flush=True)


def compare(plan: Plan, folder: Path) -> Comparison:
    """Start every peer for every site that a document needs and measure; files go below `folder`."""
    found = Comparison()
    with ExitStack() as stack:
        for name in dict.fromkeys(document.site for document in plan.documents):
            site = SITES[name](folder)
            running: dict[str, Running] = {}
            for peer in plan.peers:
                if name not in peer.sites:
                    continue
                try:
                    running[peer.name] = stack.enter_context(started(peer, site, plan.executors, folder))
                except SetupError as error:
                    found.note(f"{peer.name} was not started for {name}: {error}")
                else:
                    if name == "documents":
                        found.facts[peer.name] = facts_of(running[peer.name])
            for document in plan.documents:
                if document.site == name:
                    _rounds(plan, document, running, found)
    return found


def facts_of(running: Running) -> dict[str, Any]:
    """Return what a peer's PHP says of itself."""
    answer = ask_once(running.host, running.port, request_bytes(f"/facts.php?ini={','.join(ini.SETTINGS)}"))
    found: dict[str, Any] = json.loads(answer.body)
    return found


def check(running: Running, document: Document) -> str | None:
    """Return what is wrong with one answer of a peer, or None."""
    try:
        return document.complaint(ask_once(running.host, running.port, document.request()))
    except ConnectionBroken as error:
        return f"no answer: {error}"


def _rounds(plan: Plan, document: Document, running: dict[str, Running], found: Comparison) -> None:
    static = {peer.name for peer in plan.peers if peer.serves_static}
    names = []
    for name, server in running.items():
        if document.is_static and name not in static:
            continue
        if complaint := check(server, document):
            found.note(f"{name} fails the check of {document.name}: {complaint}")
            continue
        names.append(name)
    for name in list(names):
        try:
            sample(running[name], document, plan, WARM_UP_S)
        except LoadFailed as error:
            found.note(f"{name} fails the load of {document.name}: {error}")
            names.remove(name)
    for turn in range(plan.rounds):
        for name in rotated(names, turn):
            try:
                one = sample(running[name], document, plan, plan.seconds)
            except LoadFailed as error:
                found.note(f"{name} failed in round {turn + 1} of {document.name}: {error}")
                continue
            if complaint := check(running[name], document):
                found.note(f"{name} answers {document.name} wrongly after round {turn + 1}: {complaint}")
            found.samples.setdefault(document.name, {}).setdefault(name, []).append(one)
            say(
                f"{document.name} {turn + 1}/{plan.rounds} {name}: {one.cpu_us:.0f} µs CPU ({one.php_cpu_us:.0f} in PHP), {one.rate_per_s:.0f}/s, "
                f"p99 {one.p99_ms:.1f} ms, errors {one.errors}, load {one.load_average:.1f}"
            )


def sample(running: Running, document: Document, plan: Plan, seconds: float) -> Sample:
    """Load a peer for some seconds and return what it did and what it used.

    Raises LoadFailed.
    """
    connections = document.connections or plan.connections
    edges = running.edges()
    edges_before = processes.cpu_s(edges)
    cpu_before, started_s = running.cpu_s(), time.monotonic()
    done = load_generator.run(running.host, running.port, document, connections=connections, seconds=seconds)
    used_s, took_s = running.cpu_s() - cpu_before, time.monotonic() - started_s
    if done.requests == 0:
        raise LoadFailed("no answer at all")
    # Not by adding up the PHP processes: one that left meanwhile has taken its account along.
    php_s = used_s - (processes.cpu_s(edges) - edges_before)
    memory = running.memory()
    return Sample(
        requests=done.requests,
        rate_per_s=done.rate_per_s,
        p50_ms=done.p50_ms,
        p99_ms=done.p99_ms,
        errors=done.errors,
        cpu_us=used_s / done.requests * 1e6,
        php_cpu_us=php_s / done.requests * 1e6,
        rss_bytes=memory.rss_bytes,
        pss_bytes=memory.pss_bytes,
        cores=used_s / took_s,
        load_average=os.getloadavg()[0],
    )
