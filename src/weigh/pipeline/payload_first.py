"""What Compare opens on when nobody has chosen: a pair and a matrix that have something to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from weigh.pipeline.payload_grid import Blocks
from weigh.pipeline.report_source import Comparable

Places = Mapping[str, Mapping[str, Mapping[str, int]]]


def first_pair(pairs: Places, sides: Sequence[Comparable], blocks: Blocks) -> list[int]:
    """The pair of arms with most questions in common; of equal ones the earliest, two single arms before two groups."""
    best, most = [0, min(1, len(sides) - 1)], -1
    for key, of_metric in pairs.items():
        i, j = (int(place) for place in key.split(","))
        made = next(iter(of_metric.get("", {}).values()), None)
        if made is None or sides[i].axis is not None:
            continue
        rows = blocks.read(made).get("rows", ())
        n = sum(int(row["cells"].get("n") or 0) for row in rows if row["kind"] == "task")
        if n > most:
            best, most = [i, j], n
    return best


def first_rows(matrices: Mapping[str, Mapping[str, int]], blocks: Blocks) -> dict[str, int]:
    """By metric: the place of the first suite, unless a task has more than twice as many pairs that can be compared."""
    found: dict[str, int] = {}
    for metric, lenses in matrices.items():
        made = next(iter(lenses.values()), None)
        rows = [] if made is None else blocks.read(made).get("rows", [])
        if rows:
            full = [sum(pair["difference"] is not None for pair in row["pairs"]) for row in rows]
            found[metric] = max(range(len(rows)), key=lambda at: full[at] * (2 if rows[at]["suite"] else 1))
    return found
