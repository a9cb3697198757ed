"""The numbers of a report: results, costs, comparisons and matrices over the grid, by the code behind the commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weigh.analyze.verdict import show_p
from weigh.pipeline.compare import compare_sides
from weigh.pipeline.compare_notes import notes
from weigh.pipeline.compare_options import Options
from weigh.pipeline.compare_report import Report
from weigh.pipeline.compare_rows import cells, flat_rows, percent, plain, points, signed, span
from weigh.pipeline.conclusion import conclude, is_proportion
from weigh.pipeline.matrix import MatrixReport, MatrixRow, compare_many
from weigh.pipeline.matrix_rows import matrix_rows, reach_told
from weigh.pipeline.metrics import COSTS
from weigh.pipeline.payload_grid import LEVELS, Blocks, Grid, Lens
from weigh.pipeline.report_source import CachedDataset, Comparable, Source
from weigh.pipeline.result_rows import summary_rows
from weigh.pipeline.results import Totals, arm_questions, summarize_run
from weigh.records.errors import DefinitionError
from weigh.records.trial import join_spec
from weigh.store.columns import MEASURES

NUMBERS = ("difference", "low", "high", "mde80", "ratio", "ratio_low", "ratio_high", "shift", "shift_low", "shift_high",
           "mean_a", "mean_b", "lower_is_better", "verdict", "reason", "kind", "task", "group", "metric", "unit",
           "approximate", "only_a", "only_b", "changed", "lost")  # fmt: skip
COMPARED = ("tokens", "seconds", "turns", "tool_calls", "tool_errors", "cost")
"""Costs that arms are compared by in a report; others are shown per arm, and the command line compares them."""
FEW_PAIRS = 12
"""With so few pairs markers are compared between single arms too."""
RESULT = ("task", "metric", "suite", "n", "epochs", "score", "low", "high", "lower_is_better", "unit", "trials",
          "failed", "outcomes", "tokens", "seconds", "cost", "missing", "shown", "interval_method")  # fmt: skip


def result_blocks(
    data: CachedDataset, source: Source, totals: Mapping[str, Totals], blocks: Blocks, grid: Grid
) -> dict[str, int]:
    """Rows of `weigh results --metrics`, by lens, once for all questions and once (`|shared`) for those of all arms."""
    arms = {(m.run.id, m.arm.id): i for i, m in enumerate(source.members)}
    found: dict[str, int] = {}
    for lens, same in grid.lenses():
        if same.key in found:
            found |= {lens.key: found[same.key], f"{lens.key}|shared": found[f"{same.key}|shared"]}
            continue
        keep = _shared(data, source, same)
        for suffix, only in (("", None), ("|shared", keep)):
            rows = []
            for run in source.runs:
                made = summarize_run(
                    data, run, totals[run.id], errors=same.errors, level=same.level, keep=only, strict=False
                )
                primary = {(r.arm, r.task, r.metric): r.primary for r in made.rows}
                rows += [
                    {k: row[k] for k in RESULT}
                    | {"arm": arms[row["run"], row["arm"]],
                       "primary": primary[row["arm"], row["task"], row["metric"]]}
                    for row in summary_rows([made], every_metric=True)
                    if (row["run"], row["arm"]) in arms
                ]  # fmt: skip
            found[lens.key + suffix] = blocks.add(rows)
    return found


def _shared(data: CachedDataset, source: Source, lens: Lens) -> dict[tuple[str, str], set[str]]:
    """By spec and metric: keys of the questions on which every arm that has the task has a value."""
    found: dict[tuple[str, str], set[str]] = {}
    for member in source.members:
        for task in member.run.tasks:
            for metric in task.metrics:
                at = (join_spec(task.name, task.variant), metric.name)
                try:
                    own = arm_questions(data, member.run, task, metric, member.arm.id, lens.errors)
                except DefinitionError:
                    continue  # its row says why it has no number
                keys = set(own.keys.astype(str).tolist())
                found[at] = found[at] & keys if at in found else keys
    return found


def shared_questions(data: CachedDataset, source: Source, coverage: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How many questions every arm has a score for (by the tasks' first metrics), and why there is none."""
    first = {join_spec(t.name, t.variant): t.metrics[0].name for run in source.runs for t in run.tasks if t.metrics}
    kept = _shared(data, source, Lens(level=LEVELS[1], errors="exclude"))
    n = sum(len(keys) for (spec, metric), keys in kept.items() if first.get(spec) == metric)
    if n or len(source.members) < 2:
        return {"n": n, "why": None}
    ran = {entry["arm"] for entry in coverage if entry["done"]}
    without = len(source.members) - len(ran)
    why = f"no question has a score of all {len(source.members)} arms"
    if without:
        why += f"; {without} arm{'s have' if without > 1 else ' has'} no trial"
    return {"n": 0, "why": why}


def pair_blocks(
    data: CachedDataset,
    sides: Sequence[Comparable],
    pairs: Sequence[tuple[int, int]],
    metrics: Sequence[str | None],
    fields: Mapping[str, tuple[str, ...]],
    blocks: Blocks,
    grid: Grid,
    markers: Sequence[str] = (),
) -> dict[str, dict[str, dict[str, int]]]:
    """Comparisons of two sides: by pair (`i,j`), then metric (empty for each task's first), then lens.

    Args:
        fields: Metadata fields that make subgroups, with the tasks that have them; under `lens|by:FIELD`.
        grid: What to compute.
        markers: To compare the values of axes by, and arms where there are few.
    """

    split = {name: tasks for name, tasks in fields.items() if grid.has_split(name)}

    def compared(pair: tuple[int, int]) -> dict[str, dict[str, Any]]:
        a, b = (sides[place] for place in pair)
        by = [*metrics, *(markers if a.axis is not None or len(pairs) <= FEW_PAIRS else ())]
        return {m or "": _lenses(data, a, b, m, split if m is None else {}, grid) for m in by if grid.has_metric(m)}

    # The first lens of equal numbers is where the others point, so a block is made once.
    return {
        f"{i},{j}": {m: {key: blocks.add(one) for key, one in of_metric.items()} for m, of_metric in of_pair.items()}
        for (i, j), of_pair in ((pair, compared(pair)) for pair in pairs)
    }


def _lenses(
    data: CachedDataset, a: Comparable, b: Comparable, metric: str | None,
    fields: Mapping[str, tuple[str, ...]], grid: Grid,
) -> dict[str, Any]:  # fmt: skip
    """One pair by one metric, by lens; sides of several arms also for the questions that every one has (`|shared`)."""
    found: dict[str, Any] = {}
    whole: set[str] = set()
    for lens, same in grid.lenses(metric not in COSTS):
        if same.key not in found:
            made = found[same.key] = _pair(data, a, b, same, metric=metric)
            for field, tasks in fields.items():
                found[f"{same.key}|by:{field}"] = _pair(data, a, b, same, by=field, tasks=tasks)
            if a.axis is not None and grid.shared:
                alike = same.errors in whole
                shared = made if alike else _pair(data, a, b, same, metric=metric, shared=True)
                found[f"{same.key}|shared"] = shared
                if shared.get("rows") == made.get("rows"):
                    whole.add(same.errors)  # every question is in every context, whatever the level
        if lens is not same:
            found |= {lens.key + key.removeprefix(same.key): found[key]
                      for key in list(found) if key.startswith(same.key)}  # fmt: skip
    return found


def _pair(
    data: CachedDataset, a: Comparable, b: Comparable, lens: Lens, **more: Any
) -> dict[str, Any]:  # fmt: skip
    options = Options(alpha=lens.alpha, errors=lens.errors, bootstrap=False, **more)
    try:
        report = compare_sides(data, a.side, b.side, options)
    except DefinitionError as error:
        return {"missing": str(error)}
    return pair_block(report)


def pair_block(report: Report) -> dict[str, Any]:
    """One comparison as the page shows it: numbers for the chart, and the texts that the terminal prints."""
    rows = flat_rows(report)
    return {
        "rows": [{k: row[k] for k in NUMBERS if row[k] is not None} | {"cells": cells(row)} for row in rows],
        "notes": notes(report, rows),
        "conclusion": conclude(report),
    }


def matrix_blocks(
    data: CachedDataset, source: Source, metrics: Sequence[str | None], blocks: Blocks, grid: Grid
) -> dict[str, dict[str, int]]:
    """Every arm with every other: by metric, then lens (and `lens|shared`)."""
    found: dict[str, dict[str, int]] = {}
    sides = [source.side(i) for i in range(len(source.members))]
    if len(sides) < 2:
        return found
    for metric in filter(grid.has_metric, metrics):
        of_metric = found.setdefault(metric or "", {})
        for lens, same in grid.lenses(metric not in COSTS):
            if same.key not in of_metric:
                options = Options(metric=metric, alpha=same.alpha, errors=same.errors, bootstrap=False)
                whole = _matrix(data, sides, options, False)
                of_metric[same.key] = blocks.add(whole)
                if grid.shared:
                    all_alike = "rows" in whole and not any(row["unpaired"] for row in whole["rows"])
                    shared = whole if all_alike else _matrix(data, sides, options, True)
                    of_metric[f"{same.key}|shared"] = blocks.add(shared)
            of_metric[lens.key] = of_metric[same.key]
            if grid.shared:
                of_metric[f"{lens.key}|shared"] = of_metric[f"{same.key}|shared"]
    return found


def _matrix(data: CachedDataset, sides: Sequence[Any], options: Options, shared: bool) -> dict[str, Any]:
    try:
        return matrix_block(compare_many(data, sides, options, shared=shared))
    except DefinitionError as error:
        return {"missing": str(error)}


def matrix_block(report: MatrixReport) -> dict[str, Any]:
    """Many arms as the page shows them; arms by their place in `names`."""
    at = {name: i for i, name in enumerate(report.names)}
    flat = matrix_rows(report)
    return {"rows": [_matrix_row(row, at, [r for r in flat if _of(r, row)]) for row in report.rows]}


def _of(flat: Mapping[str, Any], row: MatrixRow) -> bool:
    return bool(flat["task"] == row.task and flat["kind"] == ("suite" if row.is_suite else "task"))


def _matrix_row(row: MatrixRow, at: Mapping[str, int], flat: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    made: Any = row.matrix or row.costs
    one, two = (percent, points) if is_proportion(row.metric) else (plain, signed)
    return {
        "task": row.task,
        "metric": row.metric.name,
        "suite": row.is_suite,
        "lower": row.metric.lower_is_better,
        "proportion": is_proportion(row.metric),
        "unpaired": {str(at[name]): n for name, n in row.unpaired.items()},
        "arms": [
            {"arm": at[name], "n": n, "score": None if mean is None else one(mean)}
            for name, n, mean in zip(made.names, made.counts, made.means, strict=True)
        ],
        "tiers": [[at[name] for name in tier] for tier in made.tiers],
        "best": [at[name] for name in _best(made)],
        "reach": reach_told(row),
        "pairs": [_matrix_pair(pair, at, one, two) for pair in flat],
    }


def _best(made: Any) -> list[str]:
    """The arms with the best mean: several where it is the same to the last digit, which leaves no first one."""
    known = {name: mean for name, mean in zip(made.names, made.means, strict=True) if mean is not None}
    first = made.tiers[0][0] if made.tiers and made.tiers[0] else None
    return [] if first is None else [first, *(n for n, mean in known.items() if n != first and mean == known[first])]


def _matrix_pair(pair: Mapping[str, Any], at: Mapping[str, int], one: Any, two: Any) -> dict[str, Any]:
    shape = two if pair["ratio"] is None else signed
    rough = "~" if pair["approximate"] else ""
    shown = {
        "n": str(pair["n"]),
        "a": None if pair["mean_a"] is None else one(pair["mean_a"]),
        "b": None if pair["mean_b"] is None else one(pair["mean_b"]),
        "difference": None if pair["difference"] is None else shape(pair["difference"]),
        "flipped": None if pair["difference"] is None else shape(0.0 - pair["difference"]),
        "interval": span(pair["low"], pair["high"], shape, rough if pair["ratio"] is None else ""),
        "ratio": None if pair["ratio"] is None else f"{rough}{pair['ratio']:.3f}",
        "p": None if pair["p"] is None else show_p(pair["p"]),
        "p_corrected": None if pair["p_corrected"] is None else show_p(pair["p_corrected"]),
        "wins": None if pair["wins"] is None else f"{pair['wins']} / {pair['losses']} / {pair['ties']}",
        "mde80": None if pair["mde80"] is None else one(pair["mde80"]),
        "method": pair["method"],
    }
    return {
        "a": at[pair["a"]], "b": at[pair["b"]], "verdict": pair["verdict"], "reason": pair["reason"], "p": pair["p"],
        "difference": pair["difference"], "cells": {k: v for k, v in shown.items() if v is not None},
    }  # fmt: skip


def metrics_of(data: CachedDataset, source: Source) -> list[dict[str, Any]]:
    """What arms can be compared by: each task's first metric (empty name), further metrics, costs that are known."""
    found: list[dict[str, Any]] = [{"name": "", "label": "score (each task's first metric)", "cost": False}]
    tasks = [task for run in source.runs for task in run.tasks]
    first = {task.metrics[0].name for task in tasks if task.metrics}
    more = dict.fromkeys(m.name for task in tasks for m in task.metrics[1:] if m.name not in first)
    found += [{"name": name, "label": name, "cost": False} for name in more]
    counts = {m: f'count("{m}") filter (where "{m}" > {1 if m == "turns" else 0})' for m in MEASURES}
    counts |= {"tokens": 'count(coalesce("new", cached, generated))', "seconds": "count(seconds)"}
    known = data.sql("select " + ", ".join(f'{count} as "{name}"' for name, count in counts.items()) + " from trials")[
        0
    ]
    found += [
        {"name": name, "label": name.replace("_", " "), "cost": True, "unit": metric.unit, "compared": name in COMPARED}
        for name, metric in COSTS.items()
        if known[name]
    ]
    return found


def subgroup_fields(
    instances: Sequence[Mapping[str, Any]], tasks: Sequence[str], most: int = 4, values: int = 8
) -> dict[str, tuple[str, ...]]:
    """Metadata fields with two to a few values, each on several questions, and the tasks that have them."""
    seen: dict[tuple[str, int], list[str]] = {}
    for one in instances:
        for field, value in one.get("metadata", {}).items():
            seen.setdefault((field, one["task"]), []).append(value)
    fields: dict[str, list[str]] = {}
    for (field, task), found in seen.items():
        kinds = len(set(found))
        if 2 <= kinds <= values and len(found) >= 2 * kinds:
            fields.setdefault(field, []).append(tasks[task])
    return {name: tuple(own) for name, own in list(fields.items())[:most]}
