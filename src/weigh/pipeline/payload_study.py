"""What a study concludes, for the head of its report: the verdicts of `weigh study show`, which arms ever succeeded,
what is missing, and what its tiers are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from weigh.define.study import StudyCompare
from weigh.pipeline.compare_options import Options
from weigh.pipeline.payload_given import skill_ways
from weigh.pipeline.payload_grid import Blocks, Grid
from weigh.pipeline.report_source import CachedDataset, Source
from weigh.pipeline.study_changes import recorded_study
from weigh.pipeline.study_results import study_contrasts
from weigh.pipeline.study_rows import contrast_told, interaction_told, rough_told, verdict_row, within_rows
from weigh.records.run import Run
from weigh.store.layout import Store
from weigh.study.tiers import BUILT_IN

FEW = 3
"""So many arms that ever succeeded are named one by one."""


def study_block(
    store: Store, data: CachedDataset, source: Source, coverage: Sequence[Mapping[str, Any]], blocks: Blocks,
    grid: Grid, skills: Mapping[int, Mapping[str, str]],
) -> dict[str, Any] | None:  # fmt: skip
    """The head of a study's report; None where the report is not about one study.

    Args:
        skills: By place of an arm, the way it got each Skill.
    """
    if len(source.runs) != 1:
        return None
    [run] = source.runs
    axes = {name for member in source.members for name in member.arm.axes}
    if "study" not in run.tags and "tier" not in axes:
        return None
    about = recorded_study(store, run)
    compared = [msgspec.convert(one, StudyCompare) for one in about.get("compare", ())]
    return {
        "conclusions": _conclusions(store, data, source, run, compared, blocks, grid),
        "successes": _successes(data, source, run),
        "missing": _missing(coverage),
        "tiers": _tiers(source, about, skills),
        "about": about or None,
    }


def _conclusions(
    store: Store, data: CachedDataset, source: Source, run: Run, compared: Sequence[StudyCompare], blocks: Blocks,
    grid: Grid,
) -> dict[str, int]:  # fmt: skip
    """By lens: each contrast with its sentence and its rows, one a model."""
    arms = [member.arm for member in source.members]
    found: dict[str, int] = {}
    for lens, same in grid.lenses():
        if same.key not in found:
            options = Options(alpha=same.alpha, errors=same.errors, bootstrap=False)
            made = [
                {"axis": c.axis, "a": c.a, "b": c.b, "told": contrast_told(c), "note": c.note,
                 "rows": rows, "within": within, "rough": rough_told([*rows, *within]), "differ": interaction_told(c)}
                for c in study_contrasts(store, data, run, arms, compared, options)
                for rows in [[verdict_row(one) for one in c.models]]
                for within in [[row for one in c.models for row in within_rows(one)]]
            ]  # fmt: skip
            found[same.key] = blocks.add(made)
        found[lens.key] = found[same.key]
    return found


def _successes(data: CachedDataset, source: Source, run: Run) -> str | None:
    """Which arms ever solved a task, where that is none or a few; None where many did, or nothing was scored."""
    solved: dict[int, list[str]] = {}
    scored = trials = 0
    for place, member in enumerate(source.members):
        total = 0
        for task in run.tasks:
            if not task.metrics or task.metrics[0].bounds != (0.0, 1.0) or task.metrics[0].lower_is_better:
                return None
            scorer = task.metrics[0].scorer
            own = data.values(task.name, scorer, variant=task.variant, arm=member.arm.id, run=run.id).value
            known = own[~np.isnan(own)]
            total += known.size
            good = int((known > 0).sum())
            if good:
                name = task.name.rpartition(".")[2]
                solved.setdefault(place, []).append(f"{name} {good} of {known.size}")
        scored += total > 0
        trials += total
    if scored < 2 or len(solved) > FEW or len(solved) == scored:
        return None
    if not solved:
        return f"No arm solved any task: 0 of {trials} scored trials."
    told = "; ".join(f"{source.labels[place]} ({', '.join(tasks)})" for place, tasks in solved.items())
    return f"Only {told} ever solved a task; the other {scored - len(solved)} arms with trials never did."


def _missing(coverage: Sequence[Mapping[str, Any]]) -> str | None:
    """How much of what was planned is not there."""
    expected = sum(entry["expected"] for entry in coverage)
    done = sum(entry["done"] for entry in coverage)
    failed = sum(sum(entry["failed"].values()) for entry in coverage)
    if done >= expected:
        return None
    ran = {entry["arm"] for entry in coverage if entry["done"] or entry["failed"]}
    without = len({entry["arm"] for entry in coverage}) - len(ran)
    parts = []
    if expected > done + failed:
        parts.append(f"{expected - done - failed:,} of {expected:,} planned trials were not run")
    if failed:
        parts.append(f"{failed:,} failed")
    if without:
        parts.append(f"{without} arm{'s have' if without > 1 else ' has'} no trial at all")
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _tiers(source: Source, about: Mapping[str, Any], skills: Mapping[int, Mapping[str, str]]) -> list[dict[str, Any]]:
    """What each tier gave the agent: as the study recorded it, else what weigh means by the name."""
    recorded = {one["name"]: one for one in about.get("tiers", ())}
    names = next((axis.values for axis in source.axes if axis.name == "tier"), ())
    names = names or tuple(dict.fromkeys(str(m.axis("tier")) for m in source.members if m.axis("tier") is not None))
    made = []
    for name in names:
        usual = BUILT_IN.get(name)
        assumed: dict[str, Any] = {"name": name, "description": usual.description if usual else None, "recorded": False}
        made.append({**recorded[name], "recorded": True} if name in recorded else assumed)
        made[-1]["ways"] = skill_ways(source, skills, name)
    return made
