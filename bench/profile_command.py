"""Where the time goes: CPU time by thread and by function, and system calls for each answer."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import flame, load, machine, stacks, table
from bench.compare import Plan, sample, say
from bench.documents import Document, documents
from bench.figures import Sample
from bench.options import Options
from bench.paths import CHECKOUT, SetupError, tool
from bench.peers.base import Running, started
from bench.peers.registry import PEERS
from bench.results import Report
from bench.sites import SITES
from bench.syscalls import Calls, counted

# peer, document: what is looked at
CASES = (
    ("askr", "404"),
    ("askr", "1k"),
    ("askr", "64k"),
    ("askr", "hello"),
    ("askr-worker", "hello"),
    ("askr-worker", "json"),
    ("askr-worker", "laravel"),
)
DRAWN = {("askr-worker", "hello"), ("askr", "hello"), ("askr", "1k"), ("askr-worker", "laravel")}
IMAGES = CHECKOUT / "docs/images"
FREQUENCY_HZ = 1499  # no multiple of what others do by the clock
STACK_BYTES = 8192  # of each sample, from which perf finds the callers
TOP = 12
TOP_TOTAL = 20
COMMON = 0.97
KEPT = 100  # functions of each side in the JSON file
CALLS_S = 1.0
WIRE, FRONT, WORKER = "askr-wire", "askr-front", "askr-worker"


@dataclass
class Profile:
    """One case: the sample without any tool, the shares of functions by thread, and system calls by side."""

    requests: int
    cpu_us: float
    php_cpu_us: float
    samples: dict[str, int] = field(default_factory=dict)
    own: dict[str, dict[str, int]] = field(default_factory=dict)
    total: dict[str, dict[str, int]] = field(default_factory=dict)
    kinds: dict[str, dict[str, int]] = field(default_factory=dict)
    calls_requests: int = 0
    front_calls: Calls = field(default_factory=Calls)
    worker_calls: Calls = field(default_factory=Calls)


def measure(options: Options, folder: Path) -> Report:
    """Profile each case."""
    chosen = {document.name for document in options.documents}
    plan = Plan((), (), 1, options.seconds, options.connections, options.executors)
    report = Report(
        "profile",
        "Where the time goes",
        machine.look(),
        {"seconds": options.seconds, "connections": options.connections, "executors": options.executors},
    )
    method = (
        f"First the CPU time without any tool, {options.seconds:g} s with {options.connections} connections; then perf ({FREQUENCY_HZ} samples of the CPU clock a second, "
        f"{STACK_BYTES // 1024} KiB of stack each) and after it strace, each under the same load again.\n"
        "µs are a function's share of the samples of its side times that side's CPU time, so they do not contain what the tools cost.\n"
        "This machine has no hardware counters: what runs with interrupts off is booked where they are switched on again "
        "(`finish_task_switch`, `_raw_spin_unlock_irqrestore` and the like)."
    )
    report.sections = [method]
    for name, document_name in CASES:
        if document_name not in chosen:
            continue
        document = documents()[document_name]
        case = f"{PEERS[name].title}: {document.title}"
        own = folder / f"{name}-{document_name}"
        own.mkdir()
        with started(PEERS[name], SITES[document.site](own), options.executors, own) as running:
            found, tree = _profile(running, document, plan, own)
        report.content[f"{name} {document_name}"] = found
        report.sections.append(section(case, found))
        if (name, document_name) in DRAWN and not options.is_quick:
            report.drawings[IMAGES / f"flame-{name}-{document_name}.svg"] = flame.draw(case, NOTE, tree)
        say(f"profile {case}: {found.cpu_us:.1f} µs, of them {found.php_cpu_us:.1f} in PHP")
    return report


NOTE = "Width is CPU time. Green: Askr's own functions; violet: PHP; orange: the kernel; grey: C library and others."


def section(case: str, found: Profile) -> str:
    """Return the tables of one case."""
    front_us = found.cpu_us - found.php_cpu_us
    cost = f"{table.significant(found.cpu_us)} µs of CPU per answer: {table.significant(front_us)} in the front, {table.significant(found.php_cpu_us)} in PHP's processes."
    parts = [f"## {case}\n\n{cost}"]
    for title, sides, cost_us in (("front", (WIRE, FRONT), front_us), ("PHP's processes", (WORKER,), found.php_cpu_us)):
        if whole := sum(found.samples.get(side, 0) for side in sides):
            parts += [
                _kinds(title, _added(found.kinds, sides), whole, cost_us),
                _totals(title, _added(found.total, sides), whole, cost_us),
                _owns(title, _added(found.own, sides), whole, cost_us),
            ]
    rows = [
        (side, table.number(sum(calls.counts.values()) / found.calls_requests, 2), _each(calls, found.calls_requests))
        for side, calls in (("front", found.front_calls), ("PHP's processes", found.worker_calls))
        if calls.counts and found.calls_requests
    ]
    if rows:
        parts.append(table.markdown(("system calls per answer", "all", "which"), rows))
    return "\n\n".join(parts)


def _added(by_side: Mapping[str, Mapping[str, int]], sides: Sequence[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for side in sides:
        counts.update(by_side.get(side, {}))
    return counts


KIND_WORDS = {"kernel": "the kernel", "askr": "Askr", "php": "PHP", "other": "C library, Python and others"}


def _kinds(title: str, counts: Counter[str], whole: int, cost_us: float) -> str:
    rows = [_row(KIND_WORDS[kind], count, whole, cost_us) for kind, count in counts.most_common()]
    return table.markdown((f"{title}: spent in", "share", "µs per answer"), rows)


def _totals(title: str, counts: Counter[str], whole: int, cost_us: float) -> str:
    # What all stacks go through says nothing, and the kernel's own functions follow from the system call.
    said = [
        (name, count)
        for name, count in counts.most_common()
        if not name.endswith(stacks.KERNEL_MARK) and count < whole * COMMON
    ]
    rows = [_row(f"`{name}`", count, whole, cost_us) for name, count in said[:TOP_TOTAL]]
    return table.markdown((f"{title}: function with all it calls", "share", "µs per answer"), rows)


def _owns(title: str, counts: Counter[str], whole: int, cost_us: float) -> str:
    rows = [_row(f"`{name}`", count, whole, cost_us) for name, count in counts.most_common(TOP)]
    return table.markdown((f"{title}: function by itself", "share", "µs per answer"), rows)


def _row(words: str, count: int, whole: int, cost_us: float) -> tuple[str, str, str]:
    return words, f"{count / whole * 100:.1f} %", table.number(count / whole * cost_us, 2)


def _each(calls: Calls, requests: int) -> str:
    parts = []
    for name, count in sorted(calls.counts.items(), key=lambda pair: -pair[1]):
        if count / requests >= 0.005:
            failed = calls.errors.get(name, 0) / requests
            parts.append(f"{name} {count / requests:.2f}" + (f" ({failed:.2f} failed)" if failed >= 0.005 else ""))
    return ", ".join(parts)


def _profile(running: Running, document: Document, plan: Plan, folder: Path) -> tuple[Profile, stacks.Node]:
    sample(running, document, plan, 1.0)  # warm-up
    plain: Sample = sample(running, document, plan, plan.seconds)
    found = Profile(plain.requests, plain.cpu_us, plain.php_cpu_us)
    seen: stacks.Kinds = {}
    by_thread: dict[str, list[stacks.Stack]] = {}
    for thread, stack in stacks.parse(_perf(running, document, plan, folder), seen):
        by_thread.setdefault(side_of(thread), []).append(trimmed(stack))
    kinds = {(side_of(thread), name): kind for (thread, name), kind in seen.items()}
    kinds |= {(side, side): "askr" for side in (WIRE, FRONT, WORKER)}
    for side, found_stacks in by_thread.items():
        found.samples[side] = len(found_stacks)
        found.own[side] = dict(stacks.own_counts(found_stacks).most_common(KEPT))
        found.total[side] = dict(stacks.total_counts(found_stacks).most_common(KEPT))
        found.kinds[side] = dict(Counter(kinds[side, stack[-1]] for stack in found_stacks))
    with _both_counted(running, folder) as (found.front_calls, found.worker_calls):
        found.calls_requests = _load(running, document, plan, CALLS_S).requests
    counts: Counter[stacks.Stack] = Counter()
    for side, found_stacks in by_thread.items():
        counts.update((side, *stack) for stack in found_stacks)
    return found, stacks.tree("all", counts, kinds)


def side_of(thread: str) -> str:
    """Return which part of Askr a thread belongs to: the wire's thread, the event loop's, or a worker."""
    return next((side for side in (WIRE, FRONT, WORKER) if thread.startswith(side)), thread)


# The way to these is the same in every stack of a thread: it says nothing and makes the picture high.
ENTRIES = ("askr_loop_main", "zif_askr_handle_request", "askr_template_run")


def trimmed(stack: stacks.Stack) -> stacks.Stack:
    """Return a stack without the frames above the first function that all of its thread's stacks go through."""
    for entry in ENTRIES:
        if entry in stack:
            return stack[stack.index(entry) :]
    return stack


@contextmanager
def _both_counted(running: Running, folder: Path) -> Iterator[tuple[Calls, Calls]]:
    with counted(running.edges(), folder) as front:
        executors = running.executors()
        if not executors:
            yield front, Calls()
            return
        with counted(executors, folder) as worker:
            yield front, worker


def _load(running: Running, document: Document, plan: Plan, seconds: float) -> load.Load:
    connections = document.connections or plan.connections
    return load.run(running.host, running.port, document, connections=connections, seconds=seconds)


def _perf(running: Running, document: Document, plan: Plan, folder: Path) -> str:
    out = folder / "perf.data"
    pids = ",".join(map(str, running.edges() + running.executors()))
    control, acknowledged = folder / "perf-control", folder / "perf-acknowledged"
    os.mkfifo(control)
    os.mkfifo(acknowledged)
    words = [tool("perf", "linux-perf"), "record", "-q", "-e", "cpu-clock", "-F", str(FREQUENCY_HZ)]
    words += ["-o", os.fspath(out), "--call-graph", f"dwarf,{STACK_BYTES}", "-p", pids]
    # It begins when it is told to and says that it has: on a busy machine it needs a while.
    words += ["-D", "-1", f"--control=fifo:{control},{acknowledged}"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        with control.open("w") as order:
            order.write("enable\n")
        with acknowledged.open() as answer:
            answer.readline()
        _load(running, document, plan, plan.seconds)
    finally:
        process.send_signal(signal.SIGINT)
        error = process.communicate()[1]
    script = [tool("perf", "linux-perf"), "script", "-i", os.fspath(out), "-F", "comm,tid,ip,sym,dso"]
    done = subprocess.run(script, check=False, capture_output=True, text=True)
    if done.returncode != 0 or not done.stdout:
        raise SetupError(f"perf found nothing: {error}{done.stderr}")
    return done.stdout
