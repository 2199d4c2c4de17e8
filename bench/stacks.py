"""Profiles as perf prints them: stacks by thread, what each function costs by itself, and what hangs below it. No input or output."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

Stack = tuple[str, ...]

FRAME = re.compile(r"^\s+[0-9a-f]+ (.*) \((.*)\)$")
HEAD = re.compile(r"^(\S.*?)\s+\d+\s*$")
UNKNOWN = "[unknown]"
KERNEL_MARK = " [k]"  # behind the names of the kernel's functions


@dataclass
class Node:
    """A function in a tree of calls: `own` samples in itself, `total` with all below it."""

    name: str
    own: int = 0
    total: int = 0
    below: dict[str, Node] = field(default_factory=dict)


def parse(text: str) -> Iterator[tuple[str, Stack]]:
    """Read `perf script -F comm,tid,ip,sym,dso`: one (thread's name, stack from the outermost function inwards) for each sample."""
    thread = ""
    frames: list[str] = []
    for line in [*text.splitlines(), ""]:
        if not line.strip():
            if thread and frames:
                yield thread, tuple(reversed(frames))
            thread, frames = "", []
        elif found := FRAME.match(line):
            if name := frame_name(found[1], found[2]):
                frames.append(name)
        elif found := HEAD.match(line):
            thread = found[1]


def frame_name(symbol: str, library: str) -> str:
    """Return what a frame is called: the function without compilers' suffixes, or its library where it has no name; empty where nothing is known."""
    name = re.sub(r"\.(isra|constprop|part|cold|llvm)\b.*$", "", symbol.strip())
    if name == UNKNOWN:
        return "" if UNKNOWN in library else f"[{library.rpartition('/')[2]}]"
    return name + KERNEL_MARK if library.startswith("[kernel") else name


def below(stacks: Iterable[Stack], entry: str) -> list[Stack]:
    """Return the stacks from function `entry` on where they have it, and whole where they do not: the way to it is the same for all."""
    return [stack[stack.index(entry) :] if entry in stack else stack for stack in stacks]


def own_counts(stacks: Iterable[Stack]) -> Counter[str]:
    """Return how many samples fell into each function itself."""
    return Counter(stack[-1] for stack in stacks)


def total_counts(stacks: Iterable[Stack]) -> Counter[str]:
    """Return how many samples fell into each function or what it called."""
    return Counter(name for stack in stacks for name in set(stack))


def tree(name: str, stacks: Mapping[Stack, int]) -> Node:
    """Return stacks, with their numbers, as a tree below one node `name`."""
    root = Node(name)
    for stack, count in stacks.items():
        root.total += count
        node = root
        for frame in stack:
            node = node.below.setdefault(frame, Node(frame))
            node.total += count
        node.own += count
    return root
