"""A picture of arms by task made into one along an axis of theirs: a panel a task, a line for what differs besides."""

from __future__ import annotations

from collections.abc import Sequence

from weigh.pipeline.plot_rows import Drawing
from weigh.pipeline.report_source import Axis, axes_of
from weigh.pipeline.sides import Member
from weigh.records.errors import DefinitionError, suggest

WIDE_PANELS = 3
"""So many panels stand beside each other where there are more."""


def over_axis(drawing: Drawing, arms: Sequence[tuple[str, Member]], name: str) -> Drawing:
    """The same points along an axis, in its order; arms without a value of it are left out and named.

    Args:
        drawing: Of the chart `dots`, its series the arms.
        arms: With the names that the drawing has for them.

    Raises:
        DefinitionError: The arms do not differ on the axis, or two of one line have the same value of it.
    """
    axes = axes_of([member for _, member in arms])
    known = [axis.name for axis in axes]
    if name not in known:
        raise DefinitionError(
            f"--over {name}: the arms do not differ on such an axis{suggest(name, known)} "
            f"(they differ on {', '.join(known) or 'none'})"
        )
    axis = axes[known.index(name)]
    rest = _others(axes, axis)
    at = {arms[place][0]: value for value, places in zip(axis.values, axis.arms, strict=True) for place in places}
    series = {arm: _named(member, rest) for arm, member in arms}
    taken: dict[tuple[str, str], str] = {}
    for arm, value in at.items():
        other = taken.setdefault((value, series[arm]), arm)
        if other != arm:
            raise DefinitionError(f"--over {name}: {other} and {arm} are both at {value}; name one of them")
    panels = list(dict.fromkeys(row["row"] for row in drawing.rows))
    rows = [
        {key: value for key, value in row.items() if key != "row"}
        | {"panel": row["row"], "x": at[row["series"]], "series": series[row["series"]]}
        for row in drawing.rows
        if row["series"] in at
    ]
    rows.sort(key=lambda row: (panels.index(row["panel"]), axis.values.index(row["x"])))
    left = [arm for arm, _ in arms if arm not in at]
    notes = (f"left out, since they have no {name}: {', '.join(left)}",) if left else ()
    return Drawing(
        chart="line", rows=tuple(rows), notes=(*drawing.notes, *notes),
        settings={
            "x_title": name, "y_title": drawing.settings["x_title"], "percent": drawing.settings["percent"],
            "columns": min(len(panels), WIDE_PANELS),
        },
    )  # fmt: skip


def _others(axes: Sequence[Axis], chosen: Axis) -> list[Axis]:
    """The axes besides one that say more: of those that split the arms alike (a model and its size) the first."""
    seen = {tuple(sorted(chosen.arms))}
    found = []
    for axis in axes:
        split = tuple(sorted(axis.arms))
        if split not in seen:
            seen.add(split)
            found.append(axis)
    return found


def _named(member: Member, axes: Sequence[Axis]) -> str:
    values = [value for axis in axes if (value := member.axis(axis.name)) is not None]
    return " · ".join(map(str, values)) or "all"
