"""What arms cost, how often their trials failed and what they did: means and medians with intervals, and boxes.

Means and medians are taken over questions (epochs averaged first, so that a repeat is no further question), boxes over
trials, since it is single trials that are drawn as points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from weigh.analyze.estimate import Estimate, estimate
from weigh.analyze.spread import median_interval, spread
from weigh.pipeline.compare_rows import percent, plain, span
from weigh.pipeline.metrics import COSTS
from weigh.pipeline.paths import PREFIX
from weigh.pipeline.payload_grid import LEVELS
from weigh.pipeline.questions import questions
from weigh.pipeline.report_source import CachedDataset, Source
from weigh.pipeline.values import did_fail, read_values
from weigh.records.run import MetricInfo
from weigh.records.trial import OK, join_spec

FAILED = MetricInfo(name="failed", scorer="failed", lower_is_better=True)
UNANSWERED = MetricInfo(name="unanswered", scorer="unanswered", lower_is_better=True)
"""Trials that ended without an answer and are no failures (timeouts, limits); left out where there are none."""
EVERY = -1
"""The place of "all tasks" where a task's place is expected."""


def cost_rows(
    data: CachedDataset, source: Source, tasks: Sequence[str], costs: Sequence[str], markers: Sequence[str]
) -> list[dict[str, Any]]:
    """One row an arm, measure and task, and one for all tasks together; nothing where nobody knows the cost."""
    infos = [COSTS[name] for name in costs] + [FAILED, UNANSWERED] + [MetricInfo(name=m, scorer=m) for m in markers]
    rows = []
    for place, member in enumerate(source.members):
        for info in infos:
            parts: list[tuple[int, Any, Any]] = []
            for task in member.run.tasks:
                values = _values(data, task, info, member)
                if values is not None and values.value.size:
                    at = tasks.index(join_spec(task.name, task.variant))
                    parts.append((at, values.value[~np.isnan(values.value)], questions(values, info)))
            for at, flat, found in parts:
                rows.append(_row(place, at, info, flat, found.values, found.clusters))
            if len(parts) > 1:
                flat = np.concatenate([flat for _, flat, _ in parts])
                over = np.concatenate([found.values for _, _, found in parts])
                rows.append(_row(place, EVERY, info, flat, over, None))
    asked = any(row["mean"] for row in rows if row["measure"] == UNANSWERED.name)
    return [row for row in rows if row["n"] and (asked or row["measure"] != UNANSWERED.name)]


def _values(data: CachedDataset, task: Any, info: MetricInfo, member: Any) -> Any:
    if info not in (FAILED, UNANSWERED):
        return read_values(data, task, info, member)
    found = read_values(data, task, COSTS["seconds"], member)
    failed = did_fail(found.status)
    value = failed if info is FAILED else ~failed & (found.status != OK)
    return msgspec.structs.replace(found, value=value.astype(float))


def _row(arm: int, task: int, info: MetricInfo, flat: Any, over: Any, clusters: Any) -> dict[str, Any]:
    proportion = info.bounds is not None
    shape = percent if proportion else plain
    box = spread(flat)
    made: dict[str, Any] = {"arm": arm, "task": task, "measure": info.name, "n": int(over.size), "trials": box.n}
    at: dict[str, Any] = {}
    for level in LEVELS:
        mean = estimate(over, clusters=None if clusters is None else clusters.tolist(), bounds=info.bounds, level=level)
        at[f"{level:g}"] = _at(mean, None if proportion else median_interval(over, level), shape)
        made["mean"], made["mean_shown"] = mean.mean, _shown(mean, shape)
    made["at"] = at
    if proportion:
        return made
    made["median"] = float(np.median(over)) if over.size else None
    made["median_shown"] = None if made["median"] is None else shape(made["median"])
    made["box"] = {
        "low": box.low, "q1": box.q1, "median": box.median, "q3": box.q3, "high": box.high,
        "shown": None if box.q1 is None or box.q3 is None or box.median is None
        else f"{shape(box.median)} ({shape(box.q1)} to {shape(box.q3)})",
    }  # fmt: skip
    return made


def _at(mean: Estimate, median: tuple[float, float] | None, shape: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"low": mean.low, "high": mean.high, "shown": span(mean.low, mean.high, shape)}
    if median is not None:
        made |= {"median_low": median[0], "median_high": median[1], "median_shown": span(*median, shape)}
    return made


def _shown(mean: Estimate, shape: Any) -> str | None:
    if mean.mean is None:
        return None
    text = str(shape(mean.mean))
    if mean.error is None:
        return text
    # The error to as many decimals as the mean.
    decimals = len(text.partition(".")[2])
    return f"{text} ± {shape(mean.error) if shape is percent else f'{mean.error:.{decimals}f}'}"


def marker_names(data: CachedDataset) -> list[str]:
    """Markers that any trial has."""
    query = "select distinct unnest(map_keys(scores)) as name from trials"
    return sorted(row["name"] for row in data.sql(query) if row["name"].startswith(PREFIX))


def fired_markers(costs: Sequence[Mapping[str, Any]], markers: Sequence[str], most: int = 12) -> list[str]:
    """Markers that fired anywhere, those first whose shares lie furthest apart between arms."""
    shares: dict[str, list[float]] = {}
    for row in costs:
        if row["measure"] in markers and row["mean"] is not None:
            shares.setdefault(row["measure"], []).append(row["mean"])
    apart = {name: max(own) - min(own) for name, own in shares.items() if max(own) > 0}
    return sorted(apart, key=lambda name: -apart[name])[:most]


def marker_metrics(markers: Sequence[str]) -> list[dict[str, Any]]:
    """Markers as what arms can be compared by: the share of trials in which each fired."""
    return [
        {"name": name, "label": f"trials with {name.removeprefix(PREFIX)}", "cost": False, "marker": True}
        for name in markers
    ]
