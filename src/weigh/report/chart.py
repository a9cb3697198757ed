"""A small plain-SVG writer for a metric along an axis: points with intervals, the line, and the noise band.

The band at a point is where it would lie if nothing had changed since the point before; a point outside its band is a
step that its own interval shows. Nothing is loaded; PNG takes `resvg-py`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

import msgspec

from weigh.records.errors import CapabilityError

INK, FAINT, BAND, LINE, UP, DOWN = "#222222", "#dddddd", "#d9dde3", "#2563a8", "#2c7a4b", "#b8402a"
WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 46, 50


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """One point.

    Attributes:
        label: Under the axis.
        y: The score; None where there is none.
        low, high: Its interval.
        band_low, band_high: Where it would lie if nothing had changed since the point before.
        change: `better` or `worse` where the step to it is shown.
        title: What is shown when the mouse rests on it.
    """

    label: str
    y: float | None
    low: float | None = None
    high: float | None = None
    band_low: float | None = None
    band_high: float | None = None
    change: str | None = None
    title: str = ""


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """One line with its heading.

    Attributes:
        title, subtitle: Above it.
        axis: Under the horizontal axis.
        percent: Whether y is a proportion, shown in percent.
        positions: Where the points lie along the axis; evenly where None.
    """

    title: str
    marks: tuple[Mark, ...]
    subtitle: str = ""
    axis: str = ""
    percent: bool = False
    positions: tuple[float, ...] | None = None


def draw(panels: Sequence[Panel]) -> str:
    """An SVG with one panel under the other."""
    height = HEIGHT * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="DejaVu Sans, Verdana, sans-serif" font-size="12" role="img">'
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
    ]
    for number, panel in enumerate(panels):
        parts += [f'<g transform="translate(0 {number * HEIGHT})">', *_panel(panel), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def png(svg: str, *, zoom: int = 2) -> bytes:
    """The picture as PNG. Raises `CapabilityError` without `resvg-py`."""
    try:
        import resvg_py
    except ImportError:
        raise CapabilityError(
            "a PNG takes resvg-py, which is not installed: pip install 'weigh[png]', or write an .svg file"
        ) from None
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=zoom))


def _panel(panel: Panel) -> list[str]:
    low, high, ticks = scale(panel.marks)
    places = _places(panel)

    def across(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - low) / (high - low))

    parts = [_text(LEFT, 20, panel.title, size=14), _text(LEFT, 37, panel.subtitle, colour="#666666", size=11)]
    for tick in ticks:
        y = across(tick)
        parts += [_line(LEFT, y, WIDTH - RIGHT, y, FAINT, 1), _text(LEFT - 8, y + 4, _shown(tick, panel, ticks), "end")]
    wide = max(3.0, min(14.0, _closest(places) / 3))
    for x, mark in zip(places, panel.marks, strict=True):
        if mark.band_low is not None and mark.band_high is not None:
            top, bottom = across(min(high, mark.band_high)), across(max(low, mark.band_low))
            parts.append(
                f'<rect class="band" x="{x - wide:.1f}" y="{top:.1f}" width="{2 * wide:.1f}" '
                f'height="{max(1.0, bottom - top):.1f}" fill="{BAND}"/>'
            )
    known = [(x, across(m.y)) for x, m in zip(places, panel.marks, strict=True) if m.y is not None]
    if len(known) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in known)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{LINE}" stroke-width="1.5"/>')
    last = -math.inf
    for x, mark in zip(places, panel.marks, strict=True):
        parts += _point(x, mark, across)
        if x - last >= 7 * len(mark.label) + 6:  # labels that would touch are left out
            parts.append(_text(x, HEIGHT - BOTTOM + 18, mark.label, "middle"))
            last = x
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, panel.axis, "middle", "#666666"))
    return parts


def _point(x: float, mark: Mark, across: object) -> list[str]:
    if mark.y is None or not callable(across):
        return []
    parts = [f"<g><title>{escape(mark.title)}</title>"] if mark.title else ["<g>"]
    if mark.low is not None and mark.high is not None:
        top, bottom = across(mark.high), across(mark.low)
        parts += [_line(x, top, x, bottom, LINE, 1.5), _line(x - 4, top, x + 4, top, LINE, 1.5)]
        parts.append(_line(x - 4, bottom, x + 4, bottom, LINE, 1.5))
    fill = {"better": UP, "worse": DOWN}.get(mark.change or "", LINE)
    size = 5.5 if mark.change in ("better", "worse") else 4
    parts.append(f'<circle cx="{x:.1f}" cy="{across(mark.y):.1f}" r="{size}" fill="{fill}"/></g>')
    return parts


def scale(marks: Sequence[Mark]) -> tuple[float, float, list[float]]:
    """The range to show and its ticks, at round numbers."""
    values = [
        v for m in marks for v in (m.y, m.low, m.high, m.band_low, m.band_high) if v is not None and math.isfinite(v)
    ] or [0.0, 1.0]
    least, most = min(values), max(values)
    if most - least < 1e-12 * max(1.0, abs(most)):
        least, most = least - 0.5 * (abs(least) or 1.0), most + 0.5 * (abs(most) or 1.0)
    rough = (most - least) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * f for f in (1, 2, 5, 10) if power * f >= rough)
    first, last = math.floor(least / step + 1e-9), math.ceil(most / step - 1e-9)
    return first * step, last * step, [round(i * step, 12) for i in range(first, last + 1)]


def _places(panel: Panel) -> list[float]:
    size = len(panel.marks)
    room = WIDTH - LEFT - RIGHT - 40
    if size == 1:
        return [LEFT + 20 + room / 2]
    at = panel.positions or tuple(float(i) for i in range(size))
    return [LEFT + 20 + room * (x - at[0]) / (at[-1] - at[0]) for x in at]


def _closest(places: Sequence[float]) -> float:
    gaps = [b - a for a, b in itertools.pairwise(places)]
    return min(gaps) if gaps else 60.0


def _shown(tick: float, panel: Panel, ticks: Sequence[float]) -> str:
    factor = 100 if panel.percent else 1
    step = abs(ticks[1] - ticks[0]) * factor if len(ticks) > 1 else 1.0
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{tick * factor:.{digits}f}" + (" %" if panel.percent else "")


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def _text(x: float, y: float, words: str, anchor: str = "start", colour: str = INK, size: int = 12) -> str:
    style = f'text-anchor="{anchor}" fill="{colour}" font-size="{size}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(words)}</text>'
