"""The comparison as Markdown. No input or output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench import table
from bench.documents import Document
from bench.figures import Sample, ratio, summarise

HEADER = (
    "peer",
    "CPU µs per request",
    "of them in PHP",
    "requests/s",
    "lowest–highest",
    "p50 ms",
    "p99 ms",
    "PSS MiB",
    "cores used",
    "errors",
)

READING = """\
"CPU µs per request" is the user and system time of all of the peer's processes divided by the answers: other work on the machine disturbs it least, so it is the figure to compare.
"of them in PHP" is what remains without the processes that hold the connections (for FrankenPHP, which is one process, everything).
Everything ran on the CPUs that the load generator used as well, so requests/s is what was left for the peer, not what the peer can do.
Medians over the rounds; errors are summed, and count broken connections, timeouts, statuses other than 200 and bodies other than the expected one."""


def sections(
    samples: Mapping[str, Mapping[str, Sequence[Sample]]],
    documents: Mapping[str, Document],
    titles: Mapping[str, str],
    baseline: str,
) -> list[str]:
    """Return one section per document: a table with the cheapest peer first, ratios to `baseline` at the end of each row."""
    found = []
    for name, peers in samples.items():
        summaries = {peer: summarise(each) for peer, each in peers.items()}
        base = summaries.get(baseline)
        rows = []
        for peer, one in sorted(summaries.items(), key=lambda pair: pair[1].cpu_us):
            rows.append(
                (
                    titles.get(peer, peer),
                    table.significant(one.cpu_us),
                    table.significant(one.php_cpu_us),
                    table.number(one.rate_per_s),
                    f"{table.number(one.rate_low_per_s)}–{table.number(one.rate_high_per_s)}",
                    table.significant(one.p50_ms),
                    table.significant(one.p99_ms),
                    table.mebibytes(one.pss_bytes),
                    table.number(one.cores, 2),
                    table.number(one.errors),
                    table.number(ratio(one.cpu_us, base.cpu_us if base else None), 2),
                    table.number(ratio(one.rate_per_s, base.rate_per_s if base else None), 2),
                )
            )
        header = (*HEADER, "CPU ÷", "requests/s ÷")
        title = documents[name].title if name in documents else name
        found.append(f"## {title}\n\n{table.markdown(header, rows)}")
    return found


def facts_section(facts: Mapping[str, Mapping[str, Any]], titles: Mapping[str, str], settings: Sequence[str]) -> str:
    """Return what each peer's PHP said of itself, so that a reader can see that they are set alike."""
    header = ("peer", "PHP", "SAPI", "threads", "OPcache", "JIT", *(f"`{name}`" for name in settings))
    rows = [
        (
            titles.get(peer, peer),
            str(one["version"]),
            str(one["sapi"]),
            "yes" if one["is_thread_safe"] else "no",
            "on" if one["has_opcache"] else "off",
            "on" if one["has_jit"] else "off",
            *(str(one["ini"].get(name)) for name in settings),
        )
        for peer, one in facts.items()
    ]
    return f"## How each PHP was set\n\n{table.markdown(header, rows)}"
