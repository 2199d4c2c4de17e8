"""The bars: what a comparison must show, and whether it does. No input or output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench import table
from bench.figures import Sample, Summary, summarise

OF_PHP = "PHP's own time"


@dataclass(frozen=True)
class Bar:
    """One line of the bill: the CPU time of `peer` for `document` may be at most `most` times that of `base`.

    Where `base` is OF_PHP, `most` is the share that the front, everything outside PHP, may add to it.
    """

    title: str
    document: str
    peer: str
    base: str
    most: float


BARS = (
    Bar("`hello.php`, per request, of nginx + PHP-FPM", "hello", "askr", "nginx-fpm", 0.28),
    Bar("`hello.php`, worker mode, of nginx + PHP-FPM", "hello", "askr-worker", "nginx-fpm", 0.16),
    Bar("1 KB JSON (GET), worker mode, of nginx + PHP-FPM", "json", "askr-worker", "nginx-fpm", 0.22),
    Bar("1 KB JSON (POST), worker mode, of nginx + PHP-FPM", "post", "askr-worker", "nginx-fpm", 0.22),
    Bar(
        "Laravel, plain route, worker mode: what the front adds to PHP's own time",
        "laravel",
        "askr-worker",
        OF_PHP,
        0.10,
    ),
    Bar("static file, 1 KB, of nginx", "1k", "askr", "nginx-fpm", 1.1),
    Bar("static file, 64 KB, of nginx", "64k", "askr", "nginx-fpm", 1.1),
    Bar("static file, 10 MB, of nginx", "10m", "askr", "nginx-fpm", 1.1),
    Bar("fixed answer (404), of the floor", "404", "askr", "floor", 1.5),
)


@dataclass(frozen=True)
class Verdict:
    """A bar beside what was measured, in µs of CPU per request."""

    bar: Bar
    cpu_us: float
    base_us: float
    share: float

    @property
    def is_met(self) -> bool:
        """Whether the figure is within the bar."""
        return self.share <= self.bar.most


def verdict(bar: Bar, peers: Mapping[str, Summary]) -> Verdict | None:
    """Return what the summaries of one document say about a bar, or None where one of its figures was not measured."""
    own = peers.get(bar.peer)
    if own is None:
        return None
    if bar.base == OF_PHP:
        return Verdict(bar, own.cpu_us, own.php_cpu_us, (own.cpu_us - own.php_cpu_us) / own.php_cpu_us)
    base = peers.get(bar.base)
    return None if base is None else Verdict(bar, own.cpu_us, base.cpu_us, own.cpu_us / base.cpu_us)


def judge(samples: Mapping[str, Mapping[str, Sequence[Sample]]]) -> list[Verdict]:
    """Return the verdicts on all bars of which a comparison has the figures."""
    found = []
    for bar in BARS:
        one = verdict(bar, {peer: summarise(each) for peer, each in samples.get(bar.document, {}).items()})
        if one is not None:
            found.append(one)
    return found


def section(verdicts: Sequence[Verdict]) -> str:
    """Return the table of the bars."""
    header = ("CPU time per request, all processes", "Askr, µs", "compared with, µs", "ratio", "at most", "met")
    rows = [
        (
            one.bar.title,
            table.significant(one.cpu_us),
            table.significant(one.base_us),
            table.number(one.share, 2),
            table.number(one.bar.most, 2),
            "yes" if one.is_met else "**no**",
        )
        for one in verdicts
    ]
    return f"## Bars\n\n{table.markdown(header, rows)}"
