"""A flame graph as an SVG: a row for each depth of call, a box for each function, as wide as its share of the time. No library, no script."""

from __future__ import annotations

from xml.sax.saxutils import escape

from bench.stacks import Node

WIDTH = 1200
MARGIN = 12
ROW = 17
HEAD = 58
FOOT = 12
LEAST_WIDTH = 0.7  # narrower boxes are left out: they are less than a thousandth
LETTER = 6.4
DEPTH_MAX = 60

STYLE = """\
text { font: 11px ui-monospace, "SFMono-Regular", Menlo, Consolas, monospace; fill: #24292f }
.card { fill: #fff; stroke: #d0d7de }
.title { font: 600 16px system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif }
.quiet { font: 12px system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; fill: #57606a }
rect.askr { fill: #8fd3bd } rect.php { fill: #c3b8ec } rect.kernel { fill: #f3c9a5 } rect.other { fill: #d5dbe1 }
rect { stroke: #fff; stroke-width: 0.6 }"""


def depth_of(node: Node, least: float) -> int:
    """Return how many rows a tree has when nodes of fewer than `least` samples are left out."""
    return 1 + max((depth_of(one, least) for one in node.below.values() if one.total >= least), default=0)


def draw(title: str, note: str, root: Node) -> str:
    """Return an SVG document of a tree."""
    room = WIDTH - 2 * MARGIN
    least = root.total * LEAST_WIDTH / room
    rows = min(DEPTH_MAX, depth_of(root, least))
    height = HEAD + rows * ROW + FOOT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-labelledby="title">',
        f'<title id="title">{escape(title)}</title>',
        f"<style>{STYLE}</style>",
        f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
        f'<text class="title" x="{MARGIN}" y="26">{escape(title)}</text>',
        f'<text class="quiet" x="{MARGIN}" y="45">{escape(note)}</text>',
    ]
    parts += _boxes(root, MARGIN, 0, room / root.total, root.total) if root.total else []
    return "\n".join([*parts, "</svg>", ""])


def _boxes(node: Node, left: float, row: int, scale: float, whole: int) -> list[str]:
    width = node.total * scale
    if width < LEAST_WIDTH or row >= DEPTH_MAX:
        return []
    top = HEAD + row * ROW
    words = f"{node.name} {node.total / whole * 100:.1f} %"
    fits = int((width - 6) / LETTER)
    label = (
        words if len(words) <= fits else node.name if len(node.name) <= fits else node.name[: max(0, fits - 1)] + "…"
    )
    parts = [
        f'<g><title>{escape(words)}</title><rect class="{node.kind}" x="{left:.1f}" y="{top}" width="{width:.1f}" height="{ROW - 1}" rx="2"/>'
    ]
    if fits > 2:
        parts.append(f'<text x="{left + 3:.1f}" y="{top + 12}">{escape(label)}</text>')
    parts.append("</g>")
    for one in sorted(node.below.values(), key=lambda each: each.name):
        parts += _boxes(one, left, row + 1, scale, whole)
        left += one.total * scale
    return parts
