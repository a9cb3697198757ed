"""What Compare and Questions open on when nobody has chosen: a pair and a matrix that have something to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from weigh.pipeline.payload_grid import Blocks
from weigh.pipeline.report_source import Comparable

Places = Mapping[str, Mapping[str, Mapping[str, int]]]


def first_pair(pairs: Places, sides: Sequence[Comparable], blocks: Blocks) -> list[int]:
    """The pair of arms with the most to show: of those with a verdict the one that differs most, else of all that do.

    Without a verdict a pair with less than half the questions in common of another one is left out: of few questions
    any difference is large. Of equal pairs the earliest.
    """
    found: list[tuple[bool, int, float, list[int]]] = []
    for key, of_metric in pairs.items():
        i, j = (int(place) for place in key.split(","))
        made = next(iter(of_metric.get("", {}).values()), None)
        if made is None or sides[i].axis is not None:
            continue
        rows = [row for row in blocks.read(made).get("rows", ()) if row["kind"] != "group"]
        n = sum(int(row["cells"].get("n") or 0) for row in rows if row["kind"] == "task")
        sure = [row for row in rows if row.get("verdict") in ("better", "worse")]
        # Of everything together where it is known: one task of a few questions is soon far apart.
        whole = [row for row in rows if row["kind"] == "suite"]
        size = max((abs(row.get("difference") or 0.0) for row in whole or sure or rows), default=0.0)
        found.append((bool(sure), n, size, [i, j]))
    most = max((n for _, n, _, _ in found), default=0)
    best = max((one for one in found if one[0] or 2 * one[1] >= most), key=lambda one: (one[0], one[2]), default=None)
    return [0, min(1, len(sides) - 1)] if best is None else best[3]


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
