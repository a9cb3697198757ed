"""Where an effect of a study comes from: the same comparison within each value of a further axis (each tier of two
revisions, each revision of two tiers), as `weigh compare --by tier` has it, and how much of the whole each holds."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from weigh.pipeline.compare import compare_sides
from weigh.pipeline.compare_options import Options
from weigh.pipeline.compare_report import TaskRow
from weigh.pipeline.sides import Side
from weigh.store.dataset import Dataset

AXES = ("revision", "tier", "agent")
NEARLY = 0.8
"""From this share of the whole difference on, an effect comes from one value."""


class Within(msgspec.Struct, frozen=True, kw_only=True):
    """A comparison split by an axis.

    Attributes:
        axis: Which.
        rows: One a value (`group`), over the questions of all tasks; p corrected for the number of values.
    """

    axis: str
    rows: tuple[TaskRow, ...]

    @property
    def source(self) -> TaskRow | None:
        """The value that holds nearly all of the difference; None where several share it, or there is none."""
        parts = {row.group: row.score.n * row.score.difference for row in self.rows
                 if row.score is not None and row.score.difference is not None}  # fmt: skip
        whole = sum(parts.values())
        return next((r for r in self.rows if whole and parts.get(r.group, 0.0) / whole >= NEARLY), None)

    @property
    def alone(self) -> bool:
        """Whether nothing differs at any value but one."""
        return sum(row.score is not None and bool(row.score.difference) for row in self.rows) == 1


def within_axes(data: Dataset, a: Side, b: Side, compared: str, options: Options) -> Iterator[Within]:
    """The comparison of two sides within each further axis of which both have several values."""
    for axis in AXES:
        if axis != compared and len(a.values(axis) & b.values(axis)) > 1:
            rows = compare_sides(data, a, b, msgspec.structs.replace(options, by=axis)).levels
            found = tuple(row for row in rows if row.score is not None and row.score.n)
            if len(found) > 1:
                yield Within(axis=axis, rows=found)
