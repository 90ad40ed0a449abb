from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from xml.etree import ElementTree

import pytest

from accesskeys_async.audit.records import Severity
from accesskeys_async.audit.reports import TrendPoint, charts
from accesskeys_async.audit.reports.histograms import Histograms
from accesskeys_async.audit.reports.key_roles import RoleCounts
from tests.unit.audit.fleet import AT, HOSTILE_NAMES, Fleet

SVG = "{http://www.w3.org/2000/svg}"


def make_histograms() -> Histograms:
    histograms = Histograms()
    for audit in Fleet(unreadable=0).audits():
        histograms.add(audit.keys, at=audit.taken_at)
    return histograms


def make_role_counts(*names: str) -> RoleCounts:
    counts = RoleCounts()
    for audit in Fleet(unreadable=0, role_names=names).audits():
        counts.add(audit.keys)
    return counts


TREND = [
    TrendPoint(AT - timedelta(days=7 * back), ((Severity.HIGH, 10 + back), (Severity.LOW, 1)))
    for back in range(3)
]
CHARTS: dict[str, Callable[[], dict[str, object]]] = {
    "ages": lambda: charts.chart_ages(make_histograms().ages(rotation_days=90), rotation_days=90),
    "idle": lambda: charts.chart_idle(make_histograms().idle()),
    "cells": lambda: charts.chart_cells(make_histograms().cells()),
    "weeks": lambda: charts.chart_weeks(make_histograms().weeks()),
    "counts": lambda: charts.chart_counts([("AK003", (5, 4, 3, 2, 1)), ("AK001", (0, 9, 0, 0, 0))]),
    "roles": lambda: charts.chart_roles(make_role_counts().ranked()),
    "trend": lambda: charts.chart_trend(TREND),
}


@pytest.fixture(scope="module")
def drawn() -> dict[str, str]:
    return {name: charts.draw(make(), label=f"the chart of {name}") for name, make in CHARTS.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_needs_nothing_that_the_reports_policy_forbids(drawn: dict[str, str], name: str) -> None:
    svg = drawn[name]
    tags = {element.tag.removeprefix(SVG) for element in ElementTree.fromstring(svg).iter()}
    assert tags.isdisjoint({"script", "style", "image", "a", "foreignObject"})
    assert not re.search(r"\s(style|href|on\w+)=", svg)
    assert "http" not in svg.replace("http://www.w3.org/", "")


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_one_picture_with_a_label(drawn: dict[str, str], name: str) -> None:
    root = ElementTree.fromstring(drawn[name])
    assert (root.get("role"), root.get("aria-label")) == ("img", f"the chart of {name}")
    assert not [element for element in root.iter() if element is not root and element.get("role")]


@pytest.mark.slow
@pytest.mark.parametrize("name", CHARTS)
def test_every_colour_is_the_style_sheets(drawn: dict[str, str], name: str) -> None:
    colours = set(re.findall(r'(?:fill|stroke)="([^"]+)"', drawn[name]))
    assert colours - {"none", "transparent"} <= {colour for colour in colours if colour.startswith("var(--")}


@pytest.mark.parametrize("name", CHARTS)
def test_a_mark_says_what_it_stands_for(drawn: dict[str, str], name: str) -> None:
    titles = [element.text or "" for element in ElementTree.fromstring(drawn[name]).iter(f"{SVG}title")]
    assert any(re.search(r": \d", title) for title in titles)


def test_the_line_of_rotation_is_named(drawn: dict[str, str]) -> None:
    assert "rotate by 90 d" in drawn["ages"]


def test_hostile_names_are_text() -> None:
    counts = [(name, (1, 2, 3, 4, 5)) for name in HOSTILE_NAMES if name.isprintable()]
    root = ElementTree.fromstring(charts.draw(charts.chart_counts(counts), label='"<b>'))
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "g", "path", "line", "text", "title", "rect"}
    titles = {(element.text or "").rsplit(",", 1)[0] for element in root.iter(f"{SVG}title")}
    assert "<script>alert(1)</script>" in titles


def test_managed_roles_are_marked_by_colour_and_by_word(drawn: dict[str, str]) -> None:
    bars = re.findall(r'<path[^>]*fill="(var\(--[a-z]+\))"[^>]*><title>([^<]*)</title>', drawn["roles"])
    assert {colour for colour, told in bars if "(managed)" in told} == {"var(--late)"}
    assert {colour for colour, told in bars if told.startswith("no roles")} == {"var(--info)"}
    others = [colour for colour, told in bars if "(managed)" not in told and not told.startswith("no roles")]
    assert set(others) == {"var(--accent)"}
    assert len(bars) == 11


def test_roles_of_one_name_and_hostile_ones_have_a_bar_each() -> None:
    names = [name for name in HOSTILE_NAMES if name.isprintable()][:4]
    spec = charts.chart_roles(make_role_counts(*names, "same", "same").ranked())
    rows = spec["data"]["values"]  # type: ignore[index]
    assert len({row["name"] for row in rows}) == len(rows) == 11
    root = ElementTree.fromstring(charts.draw(spec, label="roles"))
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "g", "path", "line", "text", "title", "rect"}


def test_large_counts_are_short() -> None:
    histograms = Histograms()
    keys = next(iter(Fleet(unreadable=0, keys=3).audits())).keys
    for _ in range(5):
        histograms.add(keys * 700, at=AT)
    shown = {row["shown"] for row in charts.chart_cells(histograms.cells())["data"]["values"]}  # type: ignore[index]
    assert shown & {"3.5k", "7k", "10k"}


def test_a_week_without_keys_is_drawn_too() -> None:
    weeks = [(date(2026, 1, 5) + timedelta(weeks=week), week % 2) for week in range(6)]
    assert charts.draw(charts.chart_weeks(weeks), label="weeks").count("<title>") == 6
