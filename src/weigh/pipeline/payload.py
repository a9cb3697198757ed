"""Everything a report shows as one plain value, made once and written or served by `report`.

Inference is computed here, by the code behind `weigh results` and `weigh compare`, over a finite grid (levels, how
failed trials count, shared questions only, subgroups). The page looks up and draws; it computes no statistic.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from weigh._version import __version__
from weigh.pipeline.path_rows import path_notes
from weigh.pipeline.paths import PREFIX
from weigh.pipeline.payload_costs import cost_rows, fired_markers, marker_metrics, marker_names
from weigh.pipeline.payload_first import first_pair, first_rows
from weigh.pipeline.payload_fronts import front_rows
from weigh.pipeline.payload_grid import ERRORS, LEVELS, Blocks, Grid, grid_of
from weigh.pipeline.payload_interactions import interaction_blocks
from weigh.pipeline.payload_numbers import (
    matrix_blocks,
    metrics_of,
    pair_blocks,
    result_blocks,
    shared_questions,
    subgroup_fields,
)
from weigh.pipeline.payload_paths import path_blocks
from weigh.pipeline.payload_runs import coverage_rows, host_names, marker_descriptions, run_rows, task_rows
from weigh.pipeline.payload_study import study_block
from weigh.pipeline.payload_trials import Chunk, Traces, collect_trials
from weigh.pipeline.report_source import CachedDataset, Source, comparables, find_source, open_source, pairs_of
from weigh.pipeline.results import arm_totals
from weigh.records.plain import plain
from weigh.records.trial import FAILURES
from weigh.records.wish import Wish
from weigh.store.layout import Store

FORMAT = 1
MOST_PAIRS = 120
"""Pairs of sides compared in one report; the matrix has every pair of arms whatever their number."""


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """A report as data.

    Attributes:
        index: JSON: everything but the whole records of trials.
        chunks: Records in the order of the index, for `traces`.
        title: Of the report.
        hosts: Names of machines that runs recorded; they are somebody's own.
        trials, arms: How many.
    """

    index: bytes
    chunks: tuple[Chunk, ...]
    title: str
    hosts: tuple[str, ...]
    trials: int
    arms: int


def build_payload(
    store: Store, words: Sequence[str] = (), *, traces: Traces = "all", title: str = "",
    wishes: Sequence[Wish] | None = None,
) -> Payload:  # fmt: skip
    """Read and compute everything about the arms that words name (the latest run without words).

    Args:
        traces: Whose records go into chunks: of all trials, of those that failed or gave no answer, of none.
        wishes: The only comparisons to compute, for a page that is renewed while a run goes on; None for all.

    Raises:
        StoreError, DefinitionError: As `resolve_sides`; trials cannot be read.
    """
    source = find_source(store, words)
    with open_source(store, source) as data:
        return _build(store, data, source, words, traces, title, wishes)


def _build(
    store: Store, data: CachedDataset, source: Source, words: Sequence[str], traces: Traces, title: str,
    wishes: Sequence[Wish] | None,
) -> Payload:  # fmt: skip
    title = title or " · ".join(dict.fromkeys(run.name for run in source.runs))
    tasks = task_rows(source)
    specs = [task["spec"] for task in tasks]
    trials = collect_trials(store, data, source, specs, traces)
    statuses = {trials.texts[place] for place in set(trials.columns["status"])}
    failed = bool(statuses & {*FAILURES}) or trials.unscored > 0
    totals = {run.id: arm_totals(data, run.id) for run in source.runs}
    metrics = metrics_of(data, source)
    names: list[str | None] = [m["name"] or None for m in metrics if not m["cost"] or m["compared"]]
    markers = marker_names(data)
    blocks = Blocks()
    sides = comparables(source)
    pairs, left_out = pairs_of(source, sides, MOST_PAIRS)
    fields = subgroup_fields(trials.instances, specs)
    results = result_blocks(data, source, totals, blocks, Grid(failed=failed))
    grid = grid_of(failed, wishes)
    prices = [m["name"] for m in metrics if m["cost"]]
    coverage = coverage_rows(store, data, source)
    costs = cost_rows(data, source, specs, prices, markers)
    fired = fired_markers(costs, markers)
    compared = pair_blocks(data, sides, pairs, names, fields, blocks, grid, fired)
    matrices = matrix_blocks(data, source, names, blocks, grid)
    value = {
        "format": FORMAT,
        "weigh": __version__,
        "made": time.time(),
        "title": title,
        "words": list(words),
        "store": store.path.name,
        "levels": [f"{level:g}" for level in LEVELS],
        "errors": list(ERRORS),
        "failed": failed,
        "arms": [
            {"label": label, "word": word, "run": m.run.id, "id": m.arm.id, "axes": m.arm.axes, "config": m.arm.config}
            for label, word, m in zip(source.labels, source.words, source.members, strict=True)
        ],
        "axes": [msgspec.to_builtins(axis) for axis in source.axes],
        "tasks": tasks,
        "metrics": [*metrics, *marker_metrics(fired)],
        "markers": markers,
        "marker_descriptions": marker_descriptions(source),
        "results": results,
        "costs": costs,
        "fronts": front_rows(results, blocks, costs, specs, prices),
        "sides": [{"label": s.label, "word": s.word, "arms": list(s.arms), "axis": s.axis} for s in sides],
        "pairs": compared,
        "first": first_pair(compared, sides, blocks),
        "interactions": interaction_blocks(data, source, sides, pairs, blocks, grid),
        "pairs_left_out": left_out,
        "paths": path_blocks(data, sides, markers, blocks, grid),
        "path_notes": {marker: path_notes(marker.removeprefix(PREFIX)) for marker in markers},
        "fields": {name: list(own) for name, own in fields.items()},
        "matrix": matrices,
        "first_row": first_rows(matrices, blocks),
        "wishes": None if wishes is None else [msgspec.to_builtins(wish) for wish in wishes],
        "runs": run_rows(store, source),
        "coverage": coverage,
        "study": study_block(store, data, source, coverage, blocks, grid, trials.skills),
        "shared": shared_questions(data, source, coverage),
        "trials": trials.columns,
        "scores": trials.scores,
        "texts": trials.texts,
        "instances": trials.instances,
        "cut": trials.cut,
        "traces": traces,
        "chunks": [[chunk.first, chunk.count] for chunk in trials.chunks],
        "given": trials.given,
        "blocks": blocks.kept,
    }
    return Payload(
        index=msgspec.json.encode(value, enc_hook=plain),
        chunks=tuple(trials.chunks),
        title=title,
        hosts=host_names(store, source),
        trials=len(trials.columns["id"]),
        arms=len(source.members),
    )
