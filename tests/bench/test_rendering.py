from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

from bench.compare_report import facts_section, sections
from bench.documents import documents
from bench.machine import Machine
from bench.results import Report, newest

from bench import chart, table
from tests.bench.test_figures import sample

MACHINE = Machine(
    "2026-11-21 13:30 UTC", "A CPU", 2, 24 << 30, "6.18", "Debian", "3.11.7", "0123456789ab", False, (0.5, 0.4, 0.3)
)


def test_numbers_have_as_many_digits_as_say_something() -> None:
    assert [table.significant(value) for value in (0.004, 1.234, 12.34, 123.4, 12345.6, None)] == [
        "0.00", "1.23", "12.3", "123", "12,346", "–",
    ]  # fmt: skip
    assert table.mebibytes(3 * 2**19) == "1.5"


def test_a_table_has_one_line_per_row() -> None:
    assert table.markdown(("a", "b"), [("x", "1"), ("y", "2")]) == "| a | b |\n|---|---:|\n| x | 1 |\n| y | 2 |"


def test_a_comparison_shows_the_cheapest_first_and_ratios_to_the_baseline() -> None:
    samples = {"hello": {"nginx-fpm": [sample(100, cpu_us=100)], "askr": [sample(400, cpu_us=25, errors=1)]}}
    (text,) = sections(samples, documents(), {"askr": "Askr"}, "nginx-fpm")
    assert text.startswith("## Hello (5 bytes)\n")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith(("| Askr", "| nginx"))]
    assert [row[0] for row in rows] == ["| Askr", "| nginx-fpm"]
    assert rows[0][-3:] == ["1", "0.25", "4.00 |"]


def test_a_comparison_without_its_baseline_has_dashes() -> None:
    (text,) = sections({"hello": {"askr": [sample(400)]}}, documents(), {}, "nginx-fpm")
    assert text.endswith("| – | – |")


def test_how_php_was_set_is_shown() -> None:
    facts = {
        "askr": {
            "version": "8.4.24",
            "sapi": "embed",
            "is_thread_safe": False,
            "has_opcache": True,
            "has_jit": False,
            "ini": {"x": "1"},
        }
    }
    assert "| askr | 8.4.24 | embed | no | on | off | 1 |" in facts_section(facts, {}, ("x",))


def test_a_chart_is_well_formed_and_escapes_what_it_shows() -> None:
    panels = [chart.panel("A & <B>", "µs", {"nginx-fpm": 100.0, "askr": 25.0, "none": 0.0}, {"nginx-fpm": "nginx"})]
    root = ET.fromstring(chart.draw("CPU <time>", "a & b", panels, "nginx"))
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "A & <B>" in words
    assert "25 µs (0.25 ×)" in words
    assert "100 µs" in words
    bars = [element for element in root.iter("{http://www.w3.org/2000/svg}rect") if element.get("class") != "card"]
    widths = [float(bar.get("width", "0")) for bar in bars]
    assert widths[2] == 4 * widths[1]
    assert [bar.get("class") for bar in bars] == ["peer", "own", "peer"]


def test_a_report_is_saved_beside_what_it_was_made_from(tmp_path: Path) -> None:
    report = Report(
        "compare",
        "Compared",
        MACHINE,
        {"rounds": 3},
        {"one": sample(1)},
        ["## A\n\ntext"],
        ["b was absent"],
        ["too slow"],
    )
    path = report.save(tmp_path)
    assert path.name == "20261121-1330-01234567-compare.md"
    text = path.read_text()
    assert text.startswith("# Compared\n\n2026-11-21 13:30 UTC, commit 0123456789ab, A CPU, 2 CPUs, 24 GiB")
    assert (
        text.index("## A")
        < text.index("## Limits broken\n\n- too slow")
        < text.index("## Not measured\n\n- b was absent")
    )
    found = newest("compare", tmp_path)
    assert found is not None
    assert found["content"]["one"]["rate_per_s"] == 1
    assert json.loads(path.with_suffix(".json").read_text()) == found
    assert newest("soak", tmp_path) is None
