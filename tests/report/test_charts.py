"""Charts are plain data: filled in completely, drawn by the renderer that paper uses, and by the page's own rule."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from weigh.report import charts

ROWS = [
    {"row": task, "series": arm, "value": 0.5, "low": 0.4, "high": 0.6, "label": f"{arm} on {task}"}
    for task in ("sums", "words")
    for arm in ("small", "large")
]
DIFFERENCE = {"row": "sums", "value": 0.1, "low": -0.1, "high": 0.3, "verdict": "unresolved", "label": "+10"}
BOX = {"row": "small", "low": 1.0, "q1": 2.0, "median": 3.0, "q3": 4.0, "high": 9.0, "label": "median 3"}
POINT = {"series": "small", "x": 10, "x_low": 8, "x_high": 12, "y": 0.5, "y_low": 0.4, "y_high": 0.6, "label": "small"}

STEP = {
    "panel": "sums",
    "value": 0.5,
    "low": 0.4,
    "high": 0.6,
    "band_low": None,
    "band_high": None,
    "verdict": "first",
    "label": "x",
}


def specs() -> dict[str, dict[str, Any]]:
    return {
        "dots": charts.dots(ROWS, x_title="accuracy", percent=True),
        "line": charts.line(
            [{**r, "panel": r["row"], "x": "1B"} for r in ROWS], x_title="size", y_title="accuracy", percent=True
        ),
        "forest": charts.forest([{**DIFFERENCE, "band_low": -0.2, "band_high": 0.2}], x_title="B - A", percent=True),
        "strip": charts.strip([{"row": "small", "value": 3.0, "jitter": 0.5}], [BOX], x_title="seconds", log=True),
        "trend": charts.trend(
            [{**STEP, "x": 100}, {**STEP, "x": 250, "verdict": "better"}], x_title="step", y_title="s"
        ),
        "pareto": charts.pareto([POINT], [{"x": 10, "y": 0.5}], x_title="tokens", y_title="accuracy"),
    }


@pytest.mark.parametrize("name", ["dots", "line", "forest", "strip", "pareto", "trend"])
def test_every_name_of_a_chart_is_filled_in(name: str) -> None:
    text = json.dumps(specs()[name])
    assert '"$' not in text.replace('"$schema"', "")
    assert name in charts.templates()["charts"]


def test_a_name_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError, match="colour"):
        charts.fill({"mark": {"color": "$colour"}}, {"width": 3})


def test_no_chart_reaches_for_anything_outside() -> None:
    text = json.dumps(charts.templates())
    assert "url" not in text and "http" not in text


@pytest.mark.parametrize("name", ["dots", "line", "forest", "strip", "pareto", "trend"])
def test_paper_draws_it(name: str) -> None:
    convert = pytest.importorskip("vl_convert")
    svg = convert.vegalite_to_svg(specs()[name], vl_version="6.4")
    assert svg.startswith("<svg") and "NaN" not in svg and "undefined" not in svg


def test_differences_stand_in_the_order_given_whatever_is_known_of_them() -> None:
    convert = pytest.importorskip("vl_convert")
    rows = [{**DIFFERENCE, "row": "without"}, {**DIFFERENCE, "row": "with", "band_low": -0.2, "band_high": 0.2}]
    svg = convert.vegalite_to_svg(charts.forest(rows, x_title="B - A"), vl_version="6.4")
    assert svg.index(">without<") < svg.index(">with<")


@pytest.mark.parametrize("name", ["line", "trend"])
def test_panels_stand_in_the_order_given(name: str) -> None:
    convert = pytest.importorskip("vl_convert")
    panels = ("the suite", "words", "a sum")
    rows = [{**STEP, "panel": panel, "x": x, "series": "one"} for panel in panels for x in (1, 2)]
    made = (
        charts.line(rows, x_title="x", y_title="s") if name == "line" else charts.trend(rows, x_title="x", y_title="s")
    )
    svg = convert.vegalite_to_svg(made, vl_version="6.4")
    places = [svg.index(f">{panel}<") for panel in panels]
    assert places == sorted(places)


def test_colours_of_both_themes_name_the_same_things() -> None:
    themes = charts.templates()["themes"]
    assert set(themes["light"]) == set(themes["dark"]) == set(themes["paper"])
    assert set(charts.VERDICTS) <= set(themes["light"])


def test_no_two_of_many_arms_look_alike() -> None:
    marks = [charts.mark_of(place) for place in range(64)]
    assert len(set(marks)) == 64
    assert len({colour for colour, _ in marks[:8]}) == len({shape for _, shape in marks[:8]}) == 8
    convert = pytest.importorskip("vl_convert")
    rows = [{**ROWS[0], "series": f"arm {place}"} for place in range(18)]
    svg = convert.vegalite_to_svg(charts.dots(rows, x_title="score"), vl_version="6.4")
    points = re.findall(
        r'aria-label="[^"]*series: arm \d+[^"]*" role="graphics-symbol"[^>]* d="([^"]*)" fill="([^"]*)"', svg
    )
    assert len(points) == 18 == len(set(points))


def test_a_picture_of_many_arms_is_no_taller_than_its_points_need() -> None:
    convert = pytest.importorskip("vl_convert")

    def height(arms: int, tasks: int) -> float:
        rows = [{**ROWS[0], "row": f"task {t}", "series": f"arm {a}"} for t in range(tasks) for a in range(arms)]
        svg = convert.vegalite_to_svg(charts.dots(rows, x_title="score"), vl_version="6.4")
        return float(re.findall(r'height="([\d.]+)"', svg)[0])

    one = height(18, 3) - height(18, 2)
    assert 18 * 8 < one < 18 * 11
    assert 45 < height(2, 3) - height(2, 2) < 47, "of two arms there is room between tasks"
