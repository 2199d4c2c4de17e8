"""The comparison from options to report and chart."""

from __future__ import annotations

from pathlib import Path

from bench import bars, chart, machine
from bench.compare import SETTINGS_SHOWN, Comparison, Plan, compare
from bench.compare_report import READING, facts_section, sections
from bench.documents import documents
from bench.figures import Sample, summarise
from bench.options import Options
from bench.paths import CHECKOUT, SetupError
from bench.peers.registry import BASELINE, PEERS
from bench.results import Report, newest

CHART = CHECKOUT / "docs/images/benchmark.svg"
CHART_DOCUMENTS = ("laravel", "hello", "json", "1k")
TITLES = {name: peer.title for name, peer in PEERS.items()}


def measure(options: Options, folder: Path) -> Report:
    """Compare, and draw the chart when the run was a full one."""
    plan = Plan(
        options.peers, options.documents, options.rounds, options.seconds, options.connections, options.executors
    )
    report = Report(
        "compare",
        "PHP servers compared",
        machine.look(),
        {
            "peers": [peer.name for peer in plan.peers],
            "documents": [document.name for document in plan.documents],
            "rounds": plan.rounds,
            "seconds": plan.seconds,
            "connections": plan.connections,
            "executors": plan.executors,
        },
    )
    found = compare(plan, folder)
    report.content = {"facts": found.facts, "samples": found.samples}
    loads = [one.load_average for peers in found.samples.values() for each in peers.values() for one in each]
    method = (
        f"{plan.rounds} interleaved rounds of {plan.seconds:g} s with {plan.connections} connections (4 for 10 MB), "
        f"{plan.executors} requests in PHP at the same time; load average during the samples "
        f"{min(loads, default=0):.1f} to {max(loads, default=0):.1f}."
    )
    report.sections = [f"{method}\n{READING}"]
    if verdicts := bars.judge(found.samples):
        report.sections.append(bars.section(verdicts))
    report.sections += sections(found.samples, documents(), TITLES, BASELINE)
    if found.facts:
        report.sections.append(facts_section(found.facts, TITLES, SETTINGS_SHOWN))
    report.notes = found.notes
    if not options.is_quick and all(name in found.samples for name in CHART_DOCUMENTS):
        report.drawings[CHART] = draw(found, report.machine)
    return report


def redraw() -> Path:
    """Draw the chart from the newest comparison that was kept, and return its path.

    Raises SetupError when there is none.
    """
    kept = newest("compare")
    if kept is None:
        raise SetupError("no comparison was kept yet; run: make bench")
    samples = {
        document: {peer: [Sample(**one) for one in each] for peer, each in peers.items()}
        for document, peers in kept["content"]["samples"].items()
    }
    found = Comparison(samples=samples, facts=kept["content"]["facts"])
    CHART.parent.mkdir(parents=True, exist_ok=True)
    CHART.write_text(draw(found, machine.Machine(**kept["machine"])))
    return CHART


def draw(found: Comparison, measured_on: machine.Machine) -> str:
    """Return the chart of a comparison."""
    known = documents()
    panels = [
        chart.panel(
            known[name].title.replace("`", ""),
            "µs",
            {peer: summarise(each).cpu_us for peer, each in found.samples[name].items()},
            TITLES,
        )
        for name in CHART_DOCUMENTS
    ]
    php = found.facts.get(BASELINE, {}).get("version", "")
    note = f"PHP {php} unless the distribution's; {measured_on.cpus} CPUs; commit {measured_on.commit[:8]}; {measured_on.when}. Figures: bench/results."
    return chart.draw("CPU time per request, all processes", note, panels, TITLES[BASELINE])
