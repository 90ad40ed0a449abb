"""The chart: well-formed, and its bars are as long as the figures say."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from benchmarks.chart import LABEL, LONGEST, Bar, Panel, draw, plot
from benchmarks.contest import Contest, Entrant, Standing
from benchmarks.measurement import Round

SVG = "{http://www.w3.org/2000/svg}"


def _widths(svg: str) -> list[float]:
    return [float(bar.attrib["width"]) for bar in ElementTree.fromstring(svg).iter(f"{SVG}rect")]


def test_bars_are_as_long_as_their_ratios_from_zero() -> None:
    panel = Panel("Speed", [Bar("ours", 2.0, is_ours=True), Bar("other", 1.0), Bar("slow", 0.5)])
    assert _widths(draw([panel])) == [LONGEST, LONGEST / 2, LONGEST / 4]


def test_a_line_stands_at_the_yardstick() -> None:
    line = ElementTree.fromstring(draw([Panel("Speed", [Bar("ours", 0.5)])])).find(f"{SVG}line")
    assert line is not None
    assert float(line.attrib["x1"]) == LABEL + LONGEST


def test_labels_are_escaped() -> None:
    assert "a &amp; b &lt;c&gt;" in draw([Panel("a & b <c>", [Bar("ours", 1.0)])])


@pytest.mark.parametrize("name", ["stream", "single"])
def test_the_fastest_comes_first_and_variants_are_left_to_the_tables(name: str) -> None:
    entrants = {key: Entrant(f"**{key}**", (key,)) for key in ("bare", "client", "uvloop", "absent")}
    rounds = {
        "bare": [Round(100, 1.0, 1.0)],
        "client": [Round(100, 0.5, 1.0)],
        "uvloop": [Round(100, 0.1, 1.0)],
    }
    svg = plot({name: Standing(Contest("Read", "keys", "bare", entrants), rounds)})
    texts = [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert texts == ["Read: keys/s, beside **bare**", "client", "2.00", "bare", "1.00"]
