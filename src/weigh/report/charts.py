"""Charts as plain data: numbers in, a Vega-Lite specification out, the same on the page and on paper.

`assets/charts.json` holds every chart once, with `$names` where something is filled in. The page fills them in its
browser, this module in Python; both by the rule of `fill`. A row of a chart is a plain dictionary; which fields it has
is said at each function. Numbers are shown as they come: nothing is computed here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal

Theme = Literal["light", "dark", "paper"]
Row = Mapping[str, Any]
Spec = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
VERDICTS = ("better", "worse", "equivalent", "unresolved", "withheld")
SHAPES = ("triangle-up", "triangle-down", "square", "circle", "cross")
CHANGES = {"better": "better", "worse": "worse", "unresolved": "unresolved", "withheld": "withheld", "first": "soft"}
"""Verdicts of a step, and the colour of each."""
TICKS = 12
"""So many values of an axis are named one by one."""
PERCENT, PLAIN, COUNT = ".0%", ",~f", "~s"
POINTS = "datum.value == 0 ? '0' : format(100 * datum.value, '+~g')"
"""Differences of proportions, in percentage points."""
SIGNED = "datum.value == 0 ? '0' : format(datum.value, '+~g')"


@cache
def templates() -> dict[str, Any]:
    """The file with all charts: `charts`, `themes`, `config`, and sizes and shapes by how much there is to draw."""
    text = (files("weigh.report") / "assets" / "charts.json").read_text(encoding="utf-8")
    made: dict[str, Any] = json.loads(text)
    return made


def fill(template: Any, values: Mapping[str, Any]) -> Any:
    """A copy of a template in which every text that is exactly `$name` is replaced by the value of that name.

    Raises:
        KeyError: A name has no value.
    """
    if isinstance(template, str) and template.startswith("$"):
        return values[template[1:]]
    if isinstance(template, list):
        return [fill(part, values) for part in template]
    if isinstance(template, dict):
        return {key: fill(part, values) for key, part in template.items()}
    return template


def chart(name: str, data: Mapping[str, Sequence[Row]], values: Mapping[str, Any], theme: Theme = "paper") -> Spec:
    """A whole specification.

    Args:
        name: A key of `charts`.
        data: The named tables of the chart; all have `rows`.
        values: For the `$names`, colours excluded.
        theme: Gives the colours.
    """
    colours = templates()["themes"][theme]
    marks = [mark_of(place, theme) for place in range(max(1, len(values.get("series", ()))))]
    whole = {
        **colours,
        "series_colours": [colour for colour, _ in marks],
        "series_shapes": [shape for _, shape in marks],
        "verdicts": list(VERDICTS),
        "verdict_shapes": list(SHAPES),
        "verdict_colours": [colours[v] for v in VERDICTS],
        **values,
    }
    return {
        "$schema": SCHEMA,
        "datasets": {table: [dict(row) for row in rows] for table, rows in data.items()},
        "config": fill(templates()["config"], whole),
        **fill(templates()["charts"][name], whole),
    }


def mark_of(place: int, theme: Theme = "paper") -> tuple[str, str]:
    """Colour and shape of a series by its place, as the page has them; of 64 no two have both alike."""
    colours, shapes = templates()["themes"][theme]["category"], templates()["series_shapes"]
    return colours[place % len(colours)], shapes[(place + place // len(colours)) % len(shapes)]


def room_of(series: int) -> dict[str, float]:
    """How far apart points of a category stand, how large they are, and which share is left between categories."""
    made = dict(_room("series", series))
    between = 8 * min(series, 2)
    gap = between / (between + made["step"] * max(series, 1))
    return {**made, "gap": gap, "margin": gap / 2}


def _room(of: str, count: int) -> dict[str, Any]:
    """Sizes in pixels: where there are many, things stand closer."""
    rule = templates()["room"][of]
    made: dict[str, Any] = rule["wide" if count <= rule["few"] else "close"]
    return made


def dots(
    rows: Sequence[Row], *, x_title: str, percent: bool = False, width: int = 520, description: str = "",
    theme: Theme = "paper",
) -> Spec:  # fmt: skip
    """Points with intervals, one line a category. Rows: `row`, `series`, `value`, `low`, `high`, `label`."""
    series = _series(rows)
    return chart("dots", {"rows": rows}, {
        "series": series, "legend": _legend(series), "x_title": x_title, "format": PERCENT if percent else PLAIN,
        "zero": False, "width": width, "description": description or x_title, **room_of(len(series)),
    }, theme)  # fmt: skip


def line(
    rows: Sequence[Row], *, x_title: str, y_title: str, percent: bool = False, columns: int = 2, width: int = 300,
    description: str = "", theme: Theme = "paper",
) -> Spec:  # fmt: skip
    """Points with intervals along an ordered axis; panels of percentages share theirs. Rows: `panel`, `x`, `series`,
    `value`, `low`, `high`, `label`."""
    series = _series(rows)
    return chart("line", {"rows": rows}, {
        "series": series, "legend": _legend(series), "x_title": x_title, "y_title": y_title, "columns": columns,
        "panels": _panels(rows), "format": PERCENT if percent else PLAIN, "zero": percent,
        "y_scale": "shared" if percent else "independent",
        "width": width, "description": description or y_title,
    }, theme)  # fmt: skip


def forest(
    rows: Sequence[Row], *, x_title: str, percent: bool = False, null: float = 0.0, width: int = 520,
    description: str = "", theme: Theme = "paper",
) -> Spec:  # fmt: skip
    """Differences with intervals around a line of no difference. Rows: `row`, `value`, `low`, `high`, `verdict`,
    `label`, and `band_low`, `band_high`: what is too small to have been seen (None where nobody knows)."""
    return chart("forest", {"rows": rows}, {
        "order": list(dict.fromkeys(r["row"] for r in rows)),
        "legend": {"values": [v for v in VERDICTS if any(r["verdict"] == v for r in rows)]}, "x_title": x_title,
        "null": null, "label_expr": POINTS if percent else SIGNED, "width": width,
        "description": description or x_title,
    }, theme)  # fmt: skip


def strip(
    rows: Sequence[Row], boxes: Sequence[Row], *, x_title: str, log: bool = False, format: str = PLAIN,
    width: int = 520, description: str = "", theme: Theme = "paper",
) -> Spec:  # fmt: skip
    """Every trial as a point, with a box. Rows: `row`, `value`, `jitter` (0 to 1). Boxes: `row`, `low`, `q1`,
    `median`, `q3`, `high`, `label`. On a logarithmic scale values must be above 0."""
    series = list(dict.fromkeys(b["row"] for b in boxes))
    return chart("strip", {"rows": rows, "boxes": boxes}, {
        **_room("rows", len(series)), "series": series, "x_title": x_title, "scale": "log" if log else "linear",
        "format": format, "grid": not log, "width": width, "description": description or x_title,
    }, theme)  # fmt: skip


def pareto(
    rows: Sequence[Row], front: Sequence[Row], *, x_title: str, y_title: str, percent: bool = False, log: bool = False,
    format: str = PLAIN, width: int = 520, description: str = "", theme: Theme = "paper",
) -> Spec:  # fmt: skip
    """A score against a cost. Rows: `series`, `x`, `x_low`, `x_high`, `y`, `y_low`, `y_high`, `label`. Front: `x`, `y`
    of the arms that no other one beats in both, by x."""
    series = _series(rows)
    return chart("pareto", {"rows": rows, "front": front}, {
        "series": series, "legend": _legend(series), "x_title": x_title, "y_title": y_title,
        "format": PERCENT if percent else PLAIN, "x_format": format, "scale": "log" if log else "linear",
        "grid": not log, "width": width, "description": description or f"{y_title} against {x_title}",
    }, theme)  # fmt: skip


def trend(
    rows: Sequence[Row], *, x_title: str, y_title: str, percent: bool = False, columns: int = 1, width: int = 560,
    height: int = 200, description: str = "", theme: Theme = "paper",
) -> Spec:  # fmt: skip
    """Points along an ordered axis, each with its interval, and a band where it would lie had nothing changed since
    the point before. Rows: `panel`, `x`, `value`, `low`, `high`, `band_low`, `band_high`, `verdict` (of the step to
    the point; `first` where there is none), `label`. Where all `x` are numbers they lie as far apart as they are."""
    values = list(dict.fromkeys(row["x"] for row in rows))
    numbers = all(isinstance(row["x"], int | float) for row in rows)
    colours = templates()["themes"][theme]
    shown = [name for name in CHANGES if any(row["verdict"] == name for row in rows)]
    return chart("trend", {"rows": rows}, {
        "x_title": x_title, "y_title": y_title, "format": PERCENT if percent else PLAIN, "columns": columns,
        "panels": _panels(rows), "width": width, "height": height, "description": description or y_title,
        "x_values": values if numbers and len(values) <= TICKS else None,
        "x_type": "quantitative" if numbers else "ordinal",
        "x_scale": {"zero": False, "padding": 24} if numbers else {"padding": 0.5},
        "changes": list(CHANGES), "change_colours": [colours[colour] for colour in CHANGES.values()],
        "change_shapes": ["triangle-up", "triangle-down", "circle", "cross", "diamond"], "legend": {"values": shown},
    }, theme)  # fmt: skip


def _series(rows: Sequence[Row]) -> list[Any]:
    return list(dict.fromkeys(row["series"] for row in rows))


def _panels(rows: Sequence[Row]) -> list[str]:
    """Panels in the order of the rows; left to itself Vega-Lite sorts them by their names."""
    return list(dict.fromkeys(row["panel"] for row in rows))


def _legend(series: Sequence[Any]) -> dict[str, Any] | None:
    """A legend where there is something to tell apart."""
    return {"columns": min(3, len(series))} if len(series) > 1 else None
