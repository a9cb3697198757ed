"""The small plot beside the table of a trend, in characters: interval, score and band."""

from __future__ import annotations

import math
from collections.abc import Sequence

from weigh.pipeline.compare_rows import percent, plain
from weigh.pipeline.conclusion import is_proportion
from weigh.pipeline.trend import Line

PLOT = 32


def plot(line: Line) -> list[str]:
    """The ends of the scale, then for each point its band (░), interval (├──┤) and score (●)."""
    marks = [
        (p.estimate.mean, p.estimate.low, p.estimate.high, s.band_low if s else None, s.band_high if s else None)
        for p, s in zip(line.points, (None, *line.steps), strict=True)
    ]
    low, high = scale([value for mark in marks for value in mark])
    shape = percent if is_proportion(line.metric) else plain
    ends = [shape(low), shape(high)]
    rows = [ends[0] + " " * max(1, PLOT - len(ends[0]) - len(ends[1])) + ends[1]]

    def at(value: float) -> int:
        return min(PLOT - 1, max(0, round((value - low) / (high - low) * (PLOT - 1))))

    for mean, least, most, band_low, band_high in marks:
        cells = ["·"] * PLOT
        if band_low is not None and band_high is not None:
            for i in range(at(band_low), at(band_high) + 1):
                cells[i] = "░"
        if least is not None and most is not None:
            first, last = at(least), at(most)
            for i in range(first + 1, last):
                cells[i] = "─" if cells[i] == "·" else "▒"
            cells[first], cells[last] = "├", "┤"
        if mean is not None:
            cells[at(mean)] = "●"
        rows.append("".join(cells))
    return rows


def scale(values: Sequence[float | None]) -> tuple[float, float]:
    """The range to show, at round numbers."""
    known = [v for v in values if v is not None and math.isfinite(v)] or [0.0, 1.0]
    least, most = min(known), max(known)
    if most - least < 1e-12 * max(1.0, abs(most)):
        least, most = least - 0.5 * (abs(least) or 1.0), most + 0.5 * (abs(most) or 1.0)
    rough = (most - least) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * f for f in (1, 2, 5, 10) if power * f >= rough)
    return math.floor(least / step + 1e-9) * step, math.ceil(most / step - 1e-9) * step
