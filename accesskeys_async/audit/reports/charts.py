"""Charts as SVG, drawn by Vega-Lite when the report is made.

Colours are the style sheet's own variables, so that a chart follows dark mode and print. Nothing in a chart
needs script or inline style, which the report's policy forbids.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import date
from typing import Final, TypeAlias

from accesskeys_async._escaping import html_attribute, printable
from accesskeys_async.audit.records import Severity
from accesskeys_async.audit.reports.context import TrendPoint
from accesskeys_async.audit.reports.histograms import AGE_STEP, Bar, Cell
from accesskeys_async.audit.reports.json_rows import SEVERITIES
from accesskeys_async.audit.reports.key_roles import RoleCount, RoleKind
from accesskeys_async.audit.reports.report_writer import import_optional
from accesskeys_async.audit.reports.worst_findings import WORST_FIRST

Spec: TypeAlias = dict[str, object]

WIDTH: Final = 400
HEIGHT: Final = 190
_NAMES: Final = [SEVERITIES[severity] for severity in WORST_FIRST]
_COLOURS: Final = {"domain": _NAMES, "range": [f"var(--{name})" for name in _NAMES]}
_ROLE_COLOURS: Final = {RoleKind.MANAGED: "late", RoleKind.OTHER: "accent", RoleKind.NONE: "info"}
_LABEL: Final = 18
"""Characters of a role's name or id."""
_NUMBER: Final = "format(datum.value, datum.value < 1e5 ? ',' : '~s')"
_HALF_YEARS: Final = {"interval": "month", "step": 6}
# A reader's fonts may be wider than those that Vega measures with.
_PADDING: Final = {"left": 24, "right": 20, "top": 6, "bottom": 6}
_TEXT_COLOURS: Final = {"labelColor": "var(--muted)", "titleColor": "var(--muted)"}
_CONFIG: Final[Spec] = {
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        **_TEXT_COLOURS,
        "domainColor": "var(--line)",
        "gridColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 11,
        "labelLimit": 0,  # what cuts labels cuts an astral character in half, and fails
        "titleFontSize": 11,
        "titleFontWeight": "normal",
    },
    "legend": {**_TEXT_COLOURS, "labelFontSize": 11, "title": None, "orient": "top", "symbolType": "square"},
    "axisY": {"domain": False, "ticks": False},
    "axisX": {"grid": False},
}
_mark: Final = re.compile(
    r'<(path|text) aria-label="([^"]*)" role="graphics-symbol" '
    r'aria-roledescription="(?!axis|legend)[^"]*"([^>]*)/>'
)
_aria: Final = re.compile(r' (?:role="graphics-[a-z]+"|aria-(?:hidden|label|roledescription)="[^"]*")')


def draw(chart: Spec, *, label: str) -> str:
    """Render a chart. A mark says on hovering what it stands for; a screen reader gets the label alone."""
    library = import_optional("vl_convert", for_report="HTML", extra="audit")
    spec = {
        "width": WIDTH,
        "height": HEIGHT,
        "background": None,
        "padding": _PADDING,
        "config": _CONFIG,
        **chart,
    }
    svg: str = library.vegalite_to_svg(spec)
    svg = _aria.sub("", _mark.sub(r"<\1\3><title>\2</title></\1>", svg))
    return svg.replace("<svg ", f'<svg role="img" aria-label="{html_attribute(label)}" ', 1)


def chart_ages(bars: Sequence[Bar], *, rotation_days: float) -> Spec:
    """Chart how old keys are, with the line past which they should have been rotated."""
    rows = [
        {
            "start": bar.start,
            "end": bar.start + AGE_STEP,
            "count": bar.count,
            "late": bar.is_late,
            "tooltip": _tooltip(bar),
        }
        for bar in bars
    ]
    x = {
        "field": "start",
        "bin": "binned",
        "type": "quantitative",
        "title": "days since the key was made",
        "axis": {"tickCount": 12, "grid": False},
    }
    line: Spec = {"data": {"values": [{"at": rotation_days, "tooltip": f"rotate by {rotation_days:g} d"}]}}
    at = {"x": {"field": "at", "type": "quantitative"}}
    text = {
        "type": "text",
        "align": "left",
        "baseline": "top",
        "dx": 5,
        "color": "var(--ink)",
        "fontSize": 11,
    }
    return {
        "layer": [
            {
                "data": {"values": rows},
                "mark": {"type": "bar", "binSpacing": 1.5},
                "encoding": {"x": x, "x2": {"field": "end"}, "y": _count_axis(), **_late()},
            },
            {**line, "mark": {"type": "rule", "color": "var(--ink)", "strokeDash": [4, 3]}, "encoding": at},
            {**line, "mark": {**text, "y": 0}, "encoding": {**at, "text": {"field": "tooltip"}}},
        ]
    }


def chart_idle(bars: Sequence[Bar]) -> Spec:
    """Chart how long ago keys were last used."""
    rows = [
        {"name": bar.name, "count": bar.count, "late": bar.is_late, "tooltip": _tooltip(bar)} for bar in bars
    ]
    x = {
        "field": "name",
        "type": "nominal",
        "sort": None,
        "title": "since the last use",
        "axis": {"labelAngle": -40},
    }
    encoding = {"x": x, "y": _count_axis(), **_late()}
    return {"data": {"values": rows}, "mark": {"type": "bar"}, "encoding": encoding}


def chart_cells(cells: Sequence[Cell]) -> Spec:
    """Chart age against idle time; the darker, the more keys."""
    rows = [
        {
            "age": cell.age,
            "idle": cell.idle,
            "count": cell.count,
            "shown": _short(cell.count),
            "tooltip": f"made {cell.age} ago, idle {cell.idle}: {cell.count:,} keys",
        }
        for cell in cells
    ]
    x = {
        "field": "idle",
        "type": "nominal",
        "sort": None,
        "title": "since the last use",
        "axis": {"labelAngle": -40},
    }
    y = {"field": "age", "type": "nominal", "sort": None, "title": None}
    scale = {"type": "symlog", "range": [0.06, 0.75]}
    shade = {"field": "count", "type": "quantitative", "scale": scale, "legend": None}
    tooltip = {"description": {"field": "tooltip"}}
    return {
        "data": {"values": rows},
        "encoding": {"x": x, "y": y},
        "layer": [
            {
                "mark": {"type": "rect", "color": "var(--accent)", "stroke": "var(--panel)"},
                "encoding": {"fillOpacity": shade, **tooltip},
            },
            {
                "mark": {"type": "text", "color": "var(--ink)", "fontSize": 10},
                "encoding": {"text": {"field": "shown"}, **tooltip},
            },
        ],
    }


def chart_weeks(weeks: Sequence[tuple[date, int]]) -> Spec:
    """Chart how many keys were made in each week."""
    rows = [
        {"week": week.isoformat(), "count": count, "tooltip": f"week of {week}: {count:,} keys"}
        for week, count in weeks
    ]
    x = {
        "field": "week",
        "type": "temporal",
        "title": "week",
        "axis": {"format": "%b %Y", "labelAngle": 0, "tickCount": _HALF_YEARS},
    }
    return {
        "data": {"values": rows},
        "mark": {"type": "bar", "color": "var(--accent)", "width": 2.6},
        "encoding": {"x": x, "y": _count_axis(), "description": {"field": "tooltip"}},
    }


def chart_counts(counts: Iterable[tuple[str, Sequence[int]]]) -> Spec:
    """Chart findings by severity in a bar for each name; names are shown as they are."""
    listed = list(counts)
    rows = [
        {
            "name": name,
            "severity": severity,
            "count": count,
            "rank": rank,
            "tooltip": f"{name}, {severity}: {count:,}",
        }
        for name, by_severity in listed
        for rank, (severity, count) in enumerate(zip(_NAMES, by_severity, strict=True))
        if count
    ]
    x = {
        "field": "count",
        "type": "quantitative",
        "title": "findings",
        "axis": {"labelExpr": _NUMBER, "tickCount": 6, "tickMinStep": 1, "grid": True},
    }
    y = {"field": "name", "type": "nominal", "sort": [name for name, _ in listed], "title": None}
    encoding = {"x": x, "y": y, "order": {"field": "rank"}, **_by_severity()}
    height = {"height": max(130, 17 * len(listed))}
    return {**height, "data": {"values": rows}, "mark": {"type": "bar"}, "encoding": encoding}


def chart_roles(counts: Sequence[RoleCount]) -> Spec:
    """Chart how many keys have each role; the managed ones are marked by colour and by word."""
    labels: dict[str, RoleCount] = {}
    for count in counts:
        labels[_label_role(count, taken=labels)] = count
    rows = [
        {"name": label, "kind": one.kind.value, "count": one.keys, "tooltip": f"{label}: {one.keys:,} keys"}
        for label, one in labels.items()
    ]
    x = {
        "field": "count",
        "type": "quantitative",
        "title": "keys",
        "axis": {"labelExpr": _NUMBER, "tickCount": 6, "tickMinStep": 1, "grid": True},
    }
    y = {"field": "name", "type": "nominal", "sort": list(labels), "title": None}
    kinds = [kind.value for kind in _ROLE_COLOURS]
    scale = {"domain": kinds, "range": [f"var(--{colour})" for colour in _ROLE_COLOURS.values()]}
    encoding = {
        "x": x,
        "y": y,
        "color": {"field": "kind", "type": "nominal", "scale": scale, "legend": {"columnPadding": 24}},
        "description": {"field": "tooltip"},
    }
    height = {"height": max(130, 17 * len(rows))}
    return {**height, "data": {"values": rows}, "mark": {"type": "bar"}, "encoding": encoding}


def _label_role(count: RoleCount, *, taken: Container[str]) -> str:
    """Return a short label that no other bar has: two roles may have one name."""
    shown = str(count.role_id)
    brief = f"{shown[:8]}…{shown[-4:]}"
    name = brief if count.role_id is not None and count.name is None else printable(count.label)
    short = name if len(name) <= _LABEL else f"{name[: _LABEL - 1]}…"
    mark = " (managed)" if count.kind is RoleKind.MANAGED else ""
    tries = (f"{short}{mark}", f"{short} {brief}{mark}", f"{short} {shown}{mark}")
    return next(label for label in tries if label not in taken)


def chart_trend(points: Sequence[TrendPoint]) -> Spec:
    """Chart findings by severity over audits."""
    rows = [
        {
            "at": point.taken_at.isoformat(),
            "severity": SEVERITIES[severity],
            "count": count,
            "tooltip": f"{point.taken_at:%Y-%m-%d %H:%M}, {SEVERITIES[severity]}: {count:,}",
        }
        for point in points
        for severity, count in _every_severity(point.by_severity)
    ]
    x = {"field": "at", "type": "temporal", "title": "audit", "axis": {"labelAngle": 0, "tickCount": 5}}
    return {
        "width": 2 * WIDTH + 80,
        "data": {"values": rows},
        "mark": {"type": "line", "point": {"size": 25}, "strokeWidth": 2},
        "encoding": {"x": x, "y": _count_axis(), **_by_severity()},
    }


def _every_severity(counts: Iterable[tuple[Severity, int]]) -> list[tuple[Severity, int]]:
    known = dict(counts)
    return [(severity, known.get(severity, 0)) for severity in WORST_FIRST]


def _count_axis() -> Mapping[str, object]:
    axis = {"labelExpr": _NUMBER, "tickCount": 5, "tickMinStep": 1}
    return {"field": "count", "type": "quantitative", "title": None, "axis": axis}


def _late() -> Spec:
    scale = {"domain": [False, True], "range": ["var(--accent)", "var(--late)"]}
    return {
        "color": {"field": "late", "type": "nominal", "scale": scale, "legend": None},
        "description": {"field": "tooltip"},
    }


def _by_severity() -> Spec:
    return {
        "color": {"field": "severity", "type": "nominal", "scale": _COLOURS},
        "description": {"field": "tooltip"},
    }


def _tooltip(bar: Bar) -> str:
    return f"{bar.name}: {bar.count:,} keys"


def _short(count: int) -> str:
    if count == 0:
        return ""
    if count < 1000:
        return str(count)
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            return (
                f"{count / size:.1f}".removesuffix(".0") + unit
                if count < 10 * size
                else f"{count // size}{unit}"
            )
    raise AssertionError("unreachable")
