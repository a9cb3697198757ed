"""For whom: whether the effect of one value of an axis against another differs along a further axis, over the grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weigh.pipeline.compare_options import Options
from weigh.pipeline.interaction import compare_along
from weigh.pipeline.interaction_rows import interaction_cells, interaction_notes
from weigh.pipeline.payload_grid import Blocks, Grid, Lens
from weigh.pipeline.report_source import CachedDataset, Comparable, Source
from weigh.records.errors import DefinitionError


def interaction_blocks(
    data: CachedDataset, source: Source, sides: Sequence[Comparable], pairs: Sequence[tuple[int, int]],
    blocks: Blocks, grid: Grid,
) -> dict[str, dict[str, dict[str, int]]]:  # fmt: skip
    """By pair of sides that are values of an axis, then the further axis, then lens; scores only.

    A pair that has no level in common with another, or none twice, has no entry; where too little was paired, the block
    says why.
    """
    found: dict[str, dict[str, dict[str, int]]] = {}
    for i, j in pairs if grid.has_metric(None) else ():
        a, b = sides[i], sides[j]
        if a.axis is None:
            continue
        # Of axes that split the arms alike (a model and its size) the one with an order is asked along.
        kept = {tuple(sorted(axis.arms)): axis for axis in sorted(source.axes, key=lambda axis: axis.ordered)}
        for axis in kept.values():
            if axis.name == a.axis or len(set(axis.values)) < 2 or not _crossed(axis.arms, a, b):
                continue
            of_axis: dict[str, int] = {}
            for lens, same in grid.lenses():
                if same.key not in of_axis:
                    of_axis[same.key] = blocks.add(_along(data, a, b, axis.name, same))
                of_axis[lens.key] = of_axis[same.key]
            found.setdefault(f"{i},{j}", {})[axis.name] = of_axis
    return found


def _crossed(levels: Sequence[Sequence[int]], a: Comparable, b: Comparable) -> bool:
    """Whether two levels or more have arms on both sides."""
    return sum(bool(set(at) & set(a.arms)) and bool(set(at) & set(b.arms)) for at in levels) > 1


def _along(data: CachedDataset, a: Comparable, b: Comparable, axis: str, lens: Lens) -> dict[str, Any]:
    options = Options(alpha=lens.alpha, errors=lens.errors, bootstrap=False)
    try:
        report = compare_along(data, a.side, b.side, axis, options)
    except DefinitionError as error:
        return {"missing": str(error)}
    return {"levels": list(report.levels), "rows": interaction_cells(report), "notes": interaction_notes(report)}
