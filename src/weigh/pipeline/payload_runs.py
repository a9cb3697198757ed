"""What a reader needs to know of the runs behind a report: plan, provenance, how they ended, what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from weigh.define.variants import meaning
from weigh.pipeline.payload_again import commands_again, how_alike
from weigh.pipeline.report_source import CachedDataset, Source
from weigh.pipeline.results import suite_members
from weigh.records.run import Invocation, Run
from weigh.records.trial import FAILURES, join_spec
from weigh.store.layout import Store


def run_rows(store: Store, source: Source) -> list[dict[str, Any]]:
    """One entry a run: its plan, every invocation, its suites."""
    rows = []
    for run in source.runs:
        invocations = store.open(run.id).invocations()
        rows.append({
            "id": run.id, "name": run.name, "created": run.created, "group": run.group, "tags": list(run.tags),
            "harness": run.harness, "arms": [arm.id for arm in run.arms],
            "tasks": [join_spec(t.name, t.variant) for t in run.tasks],
            "suites": [msgspec.to_builtins(s) for s in run.suites],
            "again": commands_again(invocations), "alike": how_alike(run, invocations),
            "invocations": [_invocation(i) for i in invocations],
        })  # fmt: skip
    return rows


def _invocation(one: Invocation) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.to_builtins(one)
    made.pop("metrics", None)
    return made


_COUNTS = """
select run, arm, task, variant, status, error_kind, count(*) as n, count(distinct instance_id || '/' || epoch) as cells
from trials group by all
"""
_QUESTIONS = """
select run, task, variant, count(distinct instance_id) as n, max(epoch) + 1 as epochs from trials group by all
"""


def coverage_rows(store: Store, data: CachedDataset, source: Source) -> list[dict[str, Any]]:
    """One entry an arm and task: trials expected, done, failed by kind, without an answer by status, and why any are
    missing. Tasks of a suite that were never run have entries too."""
    counts: dict[tuple[str, str, str, str], dict[str, Any]] = {}
    for row in data.sql(_COUNTS):
        entry = counts.setdefault(
            (row["run"], row["arm"], row["task"], row["variant"] or ""), {"ok": 0, "failed": {}, "outcomes": {}}
        )
        if row["status"] in FAILURES:
            kind = row["error_kind"] or row["status"]
            entry["failed"][kind] = entry["failed"].get(kind, 0) + row["n"]
        elif row["status"] == "ok":
            entry["ok"] += row["n"]
        else:
            entry["outcomes"][row["status"]] = row["n"]
    seen = {(r["run"], r["task"], r["variant"] or ""): (r["n"], r["epochs"]) for r in data.sql(_QUESTIONS)}
    rows = []
    for place, member in enumerate(source.members):
        run = member.run
        invocations = store.open(run.id).invocations()
        for task in run.tasks:
            entry = counts.get(
                (run.id, member.arm.id, task.name, task.variant), {"ok": 0, "failed": {}, "outcomes": {}}
            )
            n, epochs = seen.get((run.id, task.name, task.variant), (0, 1))
            expected = _expected(invocations, join_spec(task.name, task.variant), task.num_instances, n, epochs)
            done = entry["ok"] + sum(entry["outcomes"].values())
            there = done + sum(entry["failed"].values())
            spec = join_spec(task.name, task.variant)
            missing = max(expected, there) - there
            reason = _reason(invocations, spec, member.arm.id) if missing else None
            rows.append({
                "arm": place, "task": spec, "expected": max(expected, there), "done": done, **entry,
                "missing": missing, "reason": reason, "why": _why(missing, reason, entry["failed"]),
            })  # fmt: skip
        rows += [
            {"arm": place, "task": spec, "expected": 0, "done": 0, "ok": 0, "failed": {}, "outcomes": {}, "missing": 0,
             "reason": None, "why": f"part of {suite}, and not in this run: left out when it was planned"}
            for spec, suite in _absent(run).items()
        ]  # fmt: skip
    return rows


def _absent(run: Run) -> dict[str, str]:
    have = {join_spec(t.name, t.variant) for t in run.tasks}
    return {spec: suite.name for suite in run.suites for spec in suite_members(suite) if spec not in have}


def _expected(invocations: Sequence[Invocation], spec: str, instances: int | None, seen: int, epochs: int) -> int:
    """Trials that the largest plan of the run asks for; what is there where no plan says (an imported table)."""
    largest = seen * epochs
    for one in invocations:
        cells = one.plan.get("cells")
        limit = one.plan.get("limit")
        if isinstance(cells, Mapping):
            largest = max(largest, int(cells.get(spec, 0)))
        elif "epochs" in one.plan and instances is not None and isinstance(limit, int | None):
            # Runs of before plans said how many cells they have.
            largest = max(largest, min(instances, limit if limit is not None else seen) * int(one.plan["epochs"] or 1))
    return largest


def _why(missing: int, reason: str | None, failed: Mapping[str, int]) -> str | None:
    parts = []
    if missing:
        parts.append(f"{missing} missing: {reason}")
    if failed:
        parts.append(f"{sum(failed.values())} failed: " + ", ".join(f"{n} {kind}" for kind, n in failed.items()))
    return "; ".join(parts) or None


def _reason(invocations: Sequence[Invocation], spec: str, arm: str) -> str:
    """Why trials of an arm on a task are not there: nobody asked for them, for fewer of them, or it ended before."""
    planned = [i for i in invocations if isinstance(i.plan.get("cells"), Mapping) and i.provenance.get("models")]
    # An execution names the models of the arms that it was to run, and counts the trials of each of its tasks.
    asked = [i for i in planned if spec in i.plan["cells"] and arm in i.provenance["models"]]
    if planned and not asked:
        return "no execution asked for them (-t and --only choose a part)"
    last = (asked or invocations)[-1] if invocations else None
    stopped = last.summary.get("stopped") if last else None
    if stopped:
        return f"the run was stopped: {stopped}"
    if last is not None and last.ended is None:
        return "the run is still going, or was killed"
    if not planned:
        return "these were not asked for, or not reached"
    most = max(int(i.plan["cells"][spec]) for i in asked)
    whole = max((int(i.plan["cells"].get(spec, 0)) for i in planned), default=0)
    few = "of these tasks and arms only {} of {} trials each were asked for (-k sets how often, -n how many questions)"
    return few.format(most, whole) if most < whole else "not reached before it ended"


def task_rows(source: Source) -> list[dict[str, Any]]:
    """Every task once, as the newest run has it: definition, metrics, where its data comes from."""
    found: dict[str, dict[str, Any]] = {}
    for run in source.runs:
        for task in run.tasks:
            spec = join_spec(task.name, task.variant)
            found[spec] = {
                "spec": spec, "name": task.name, "variant": task.variant, "definition": task.definition,
                "metrics": [
                    {"name": m.name, "scorer": m.scorer, "reduce": m.reduce, "lower": m.lower_is_better,
                     "percent": m.bounds == (0.0, 1.0) and m.unit is None, "unit": m.unit}
                    for m in task.metrics
                ],
                "meanings": {name: told for name in task.variant.split(":") if (told := meaning(name)) is not None},
                "num_instances": task.num_instances, "licence": task.licence, "source": task.source,
            }  # fmt: skip
    return list(found.values())


def marker_descriptions(source: Source) -> dict[str, str]:
    """What each marker of the tasks means, by the name of its score."""
    return {m.scorer: m.description for run in source.runs for task in run.tasks for m in task.markers if m.description}


def host_names(store: Store, source: Source) -> tuple[str, ...]:
    """Names of the machines that executed the runs."""
    found: dict[str, None] = {}
    for run in source.runs:
        for one in store.open(run.id).invocations():
            host = one.provenance.get("host")
            if isinstance(host, dict) and host.get("name"):
                found[str(host["name"])] = None
    return tuple(found)
