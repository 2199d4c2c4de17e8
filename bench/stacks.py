"""Profiles as perf prints them: stacks by thread, what each function costs by itself, and what hangs below it. No input or output."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

Stack = tuple[str, ...]
Kinds = dict[tuple[str, str], str]  # by thread and function: names of one library are found in others, too

FRAME = re.compile(r"^\s+[0-9a-f]+ (.*) \(([^()]*)\)$")
INLINED = re.compile(r"^\s+[0-9a-f]+ (.*) \(inlined\)$")
HEAD = re.compile(r"^(\S.*?)\s+\d+\s*$")
UNKNOWN = "[unknown]"
KERNEL_MARK = " [k]"  # behind the names of the kernel's functions


@dataclass
class Node:
    """A function in a tree of calls: `own` samples in itself, `total` with all below it; `kind` is what it belongs to."""

    name: str
    kind: str = "other"
    own: int = 0
    total: int = 0
    below: dict[str, Node] = field(default_factory=dict)


def parse(text: str, kinds: Kinds) -> Iterator[tuple[str, Stack]]:
    """Read `perf script -F comm,tid,ip,sym,dso`: one (thread's name, stack from the outermost function inwards) for each sample.

    `kinds` is filled: what each function of a thread belongs to.
    """
    thread = ""
    frames: list[tuple[str, str]] = []
    for line in [*text.splitlines(), ""]:
        if not line.strip():
            if stack := _named(thread, frames, kinds) if thread else ():
                yield thread, stack
            thread, frames = "", []
        elif found := INLINED.match(line):
            frames.append((found[1], ""))
        elif found := FRAME.match(line):
            frames.append((found[1], found[2]))
        elif found := HEAD.match(line):
            thread = found[1]


def _named(thread: str, frames: Iterable[tuple[str, str]], kinds: Kinds) -> Stack:
    names = []
    library = ""
    for symbol, place in reversed(list(frames)):
        library = place or library  # a function that was inlined belongs to the one around it
        name = frame_name(symbol, library)
        if name:
            kinds[thread, name] = kind_of(name, library)
            names.append(name)
    return tuple(names)


def frame_name(symbol: str, library: str) -> str:
    """Return what a frame is called: the function without compilers' suffixes, or its library where it has no name; empty where nothing is known."""
    name = re.sub(r"\.(isra|constprop|part|cold|llvm)\b.*$", "", symbol.strip())
    if name == UNKNOWN:
        return "" if UNKNOWN in library else f"[{library.rpartition('/')[2]}]"
    return name + KERNEL_MARK if library.startswith("[kernel") else name


def kind_of(name: str, library: str) -> str:
    """Return what a function belongs to: askr, php, kernel or other (the C library, Python)."""
    if library.startswith("[kernel"):
        return "kernel"
    file = library.rpartition("/")[2]
    if file.startswith("_kernel."):
        return "askr"
    if file.startswith(("_kernel_", "libphp", "opcache")):  # PHP, and Askr's functions around it
        return "askr" if "askr" in name else "php"
    return "other"


def own_counts(stacks: Iterable[Stack]) -> Counter[str]:
    """Return how many samples fell into each function itself."""
    return Counter(stack[-1] for stack in stacks)


def total_counts(stacks: Iterable[Stack]) -> Counter[str]:
    """Return how many samples fell into each function or what it called."""
    return Counter(name for stack in stacks for name in set(stack))


def tree(name: str, stacks: Mapping[Stack, int], kinds: Mapping[tuple[str, str], str]) -> Node:
    """Return stacks, with their numbers, as a tree below one node `name`; each begins with its thread."""
    root = Node(name)
    for stack, count in stacks.items():
        root.total += count
        node = root
        for frame in stack:
            node = node.below.setdefault(frame, Node(frame, kinds.get((stack[0], frame), "other")))
            node.total += count
        node.own += count
    return root
