"""A bar chart as SVG, which follows the reader's choice of light or dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

from attrs import frozen

from benchmarks.contest import OURS, Standing

__all__ = ["Bar", "Panel", "draw", "plot"]

WIDTH: Final = 760
LABEL: Final = 250
"""Where bars begin."""
LONGEST: Final = 440
"""Pixels of the longest bar."""
ROW: Final = 24
HEAD: Final = 44
GAP: Final = 20

LEFT_OUT: Final = frozenset({"sequential", "uvloop", "socket"})
"""Variants and the floor without HTTP, which the tables have: beside them the bars would be too short."""

STYLE: Final = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600 }
  .ours { fill: #0a7d55 }
  .other { fill: #a3adb8 }
  .one { stroke: #57606a; stroke-dasharray: 3 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .ours { fill: #2ebd85 }
    .other { fill: #59636e }
    .one { stroke: #9198a1 }
  }
"""


@frozen
class Bar:
    """One contestant."""

    label: str
    ratio: float
    is_ours: bool = False


@frozen
class Panel:
    """One contest; the ratios are to its yardstick, whose own is 1."""

    title: str
    bars: Sequence[Bar]


def plot(standings: Mapping[str, Standing]) -> str:
    """Draw the contests of streaming and of single reads."""
    panels = [_make_panel(standings[name]) for name in ("stream", "single") if name in standings]
    return draw(panels)


def _make_panel(standing: Standing) -> Panel:
    contest = standing.contest
    bars = [
        Bar(
            entrant.title.replace("*", ""),
            standing.times_as_fast(key, contest.yardstick),
            is_ours=key == OURS,
        )
        for key, entrant in contest.entrants.items()
        if key in standing.rounds and key not in LEFT_OUT
    ]
    title = f"{contest.title}: {contest.unit}/s, beside {contest.entrants[contest.yardstick].title}"
    return Panel(title, sorted(bars, key=lambda bar: -bar.ratio))


def draw(panels: Sequence[Panel]) -> str:
    """Draw panels one below the other. Every bar of a panel is as long as its ratio says, from zero."""
    parts: list[str] = []
    top = 0
    for panel in panels:
        parts.append(_draw_panel(panel, top))
        top += HEAD + ROW * len(panel.bars) + GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img">\n'
        f"<style>{STYLE}</style>\n{''.join(parts)}</svg>\n"
    )


def _draw_panel(panel: Panel, top: int) -> str:
    pixels = LONGEST / max(1.0, *(bar.ratio for bar in panel.bars))
    first, end = top + HEAD, top + HEAD + ROW * len(panel.bars)
    lines = [f'<text class="title" x="0" y="{top + 24}">{escape(panel.title)}</text>']
    for number, bar in enumerate(panel.bars):
        y = first + ROW * number
        kind = "ours" if bar.is_ours else "other"
        width = bar.ratio * pixels
        lines += [
            f'<text x="{LABEL - 10}" y="{y + 14}" text-anchor="end">{escape(bar.label)}</text>',
            f'<rect class="{kind}" x="{LABEL}" y="{y + 2}" width="{width:.1f}" height="{ROW - 8}"/>',
            f'<text x="{LABEL + width + 6:.1f}" y="{y + 14}">{bar.ratio:.2f}</text>',
        ]
    one = LABEL + pixels
    lines.append(f'<line class="one" x1="{one:.1f}" x2="{one:.1f}" y1="{first - 4}" y2="{end}"/>')
    return "\n".join(lines) + "\n"
