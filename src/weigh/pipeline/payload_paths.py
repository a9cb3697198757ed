"""What trials that took a path scored and cost, side by side: `weigh compare --by marker:NAME` for every two sides.

The rows of one side do not depend on what it is held against, so each side has its own and the page puts two together.
"""

from __future__ import annotations

from collections.abc import Sequence

from weigh.pipeline.compare_options import Options
from weigh.pipeline.path_rows import path_cells
from weigh.pipeline.paths import side_paths
from weigh.pipeline.payload_grid import ERRORS, Blocks, Grid
from weigh.pipeline.report_source import CachedDataset, Comparable
from weigh.pipeline.task_pairs import task_pairs
from weigh.records.errors import DefinitionError


def path_blocks(
    data: CachedDataset, sides: Sequence[Comparable], markers: Sequence[str], blocks: Blocks, grid: Grid
) -> dict[str, list[dict[str, int]]]:
    """By marker, then side: by how failed trials count, the place of its rows (texts), in the order of its tasks."""
    return {
        marker: [_of_side(data, side, marker, blocks, grid.failed) for side in sides]
        for marker in markers if grid.has_split(marker)
    }  # fmt: skip


def _of_side(data: CachedDataset, side: Comparable, marker: str, blocks: Blocks, failed: bool) -> dict[str, int]:
    found: dict[str, int] = {}
    for errors in ERRORS if failed else ERRORS[:1]:
        try:
            tasks = task_pairs(side.side, side.side)
        except DefinitionError:
            return {}  # its runs have no task, or two variants of one that cannot be told apart
        options = Options(errors=errors)
        rows = []
        for name, own, _ in tasks:
            rows += side_paths(data, side.side, name, own, marker, options, means=False)
        found[errors] = blocks.add(path_cells(rows))
    return found if failed else dict.fromkeys(ERRORS, found[ERRORS[0]])
