"""The comparison as an SVG: one panel per document, one bar per peer. No library, no script, no font to fetch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH = 840
MARGIN = 24
LABEL_WIDTH = 262
VALUE_WIDTH = 130
BAR_HEIGHT = 20
BAR_STEP = 28
PANEL_HEAD = 44
HEAD = 74
FOOT = 40

# A card with colours of its own: it looks the same on a light and on a dark page.
STYLE = """\
text { font: 13px system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; fill: #24292f }
.card { fill: #fff; stroke: #d0d7de }
.title { font-size: 17px; font-weight: 600 }
.panel { font-weight: 600 }
.quiet { fill: #57606a; font-size: 12px }
.own { fill: #0a7d5a }
.peer { fill: #b6bec8 }
.label { text-anchor: end }
.value { font-variant-numeric: tabular-nums }"""


@dataclass(frozen=True)
class Bar:
    """One peer's figure; `is_own` marks Askr's."""

    label: str
    value: float
    is_own: bool


@dataclass(frozen=True)
class Panel:
    """One document's bars, in one unit and on one scale."""

    title: str
    unit: str
    bars: Sequence[Bar]


def panel(title: str, unit: str, values: Mapping[str, float], titles: Mapping[str, str]) -> Panel:
    """Return a panel of `values` by peer, smallest first."""
    ordered = sorted(values.items(), key=lambda pair: pair[1])
    return Panel(title, unit, [Bar(titles.get(name, name), value, name.startswith("askr")) for name, value in ordered])


def draw(title: str, note: str, panels: Sequence[Panel], baseline: str) -> str:
    """Return an SVG document; shorter bars are better. `baseline` is the label to which each bar's ratio is written."""
    height = HEAD + sum(PANEL_HEAD + BAR_STEP * len(one.bars) for one in panels) + FOOT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-labelledby="title">',
        f'<title id="title">{escape(title)}</title>',
        f"<style>{STYLE}</style>",
        f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
        f'<text class="title" x="{MARGIN}" y="36">{escape(title)}</text>',
        f'<text class="quiet" x="{MARGIN}" y="57">Less is better.</text>',
    ]
    top = HEAD
    for one in panels:
        parts += _panel(one, top, baseline)
        top += PANEL_HEAD + BAR_STEP * len(one.bars)
    parts += [f'<text class="quiet" x="{MARGIN}" y="{height - 16}">{escape(note)}</text>', "</svg>", ""]
    return "\n".join(parts)


def _panel(one: Panel, top: int, baseline: str) -> list[str]:
    parts = [f'<text class="panel" x="{MARGIN}" y="{top + 26}">{escape(one.title)}</text>']
    largest = max((bar.value for bar in one.bars), default=0.0)
    base = next((bar.value for bar in one.bars if bar.label == baseline), None)
    room = WIDTH - 2 * MARGIN - LABEL_WIDTH - VALUE_WIDTH
    left = MARGIN + LABEL_WIDTH
    for index, bar in enumerate(one.bars):
        y = top + PANEL_HEAD - 4 + BAR_STEP * index
        length = max(2.0, room * bar.value / largest) if largest else 2.0
        share = f" ({bar.value / base:.2f} ×)" if base and bar.label != baseline else ""
        middle = y + BAR_HEIGHT - 6
        parts += [
            f'<text class="label" x="{left - 10}" y="{middle}">{escape(bar.label)}</text>',
            f'<rect class="{"own" if bar.is_own else "peer"}" x="{left}" y="{y}" width="{length:.1f}" height="{BAR_HEIGHT}" rx="3"/>',
            f'<text class="value" x="{left + length + 8:.1f}" y="{middle}">{bar.value:,.0f} {escape(one.unit)}{share}</text>',
        ]
    return parts
