"""A trial as one row: what every table, query and export of the store has as columns."""

from __future__ import annotations

from typing import Any

import msgspec

from weigh.records.trial import Trial

TYPES = {
    "run": "VARCHAR",
    "id": "VARCHAR",
    "key": "VARCHAR",
    "arm": "VARCHAR",
    "task": "VARCHAR",
    "variant": "VARCHAR",
    "instance_id": "VARCHAR",
    "instance_digest": "VARCHAR",
    "cluster": "VARCHAR",
    "epoch": "INTEGER",
    "status": "VARCHAR",
    "error_kind": "VARCHAR",
    "error_message": "VARCHAR",
    "started": "DOUBLE",
    "seconds": "DOUBLE",
    "new": "BIGINT",
    "cached": "BIGINT",
    "generated": "BIGINT",
    "cost": "DOUBLE",
    "turns": "BIGINT",
    "tool_calls": "BIGINT",
    "answer": "VARCHAR",
    "scores": "MAP(VARCHAR, DOUBLE)",
    "scorers": "VARCHAR",
    "metadata": "JSON",
    "reused": "VARCHAR",
    "written": "DOUBLE",
    "superseded": "VARCHAR",
    "record": "VARCHAR",
}
"""Column -> DuckDB type, in order.

`scorers` is JSON, scorer -> digest; `superseded` says why another trial of the cell counts instead of this one
(`doubled`, `retried`, `changed`), and is null for the one that counts; `record` is the whole trial as JSON.
"""

MEASURES = ("seconds", "new", "cached", "generated", "cost", "turns", "tool_calls")
"""Columns that are costs: comparable between arms beside the scores."""

_encoder = msgspec.json.Encoder()


def row(
    trial: Trial, *, written: float = 0.0, superseded: str | None = None, record: bytes | None = None
) -> dict[str, Any]:
    """The row of a trial, by column. `record` is the trial as JSON, where it is at hand."""
    output = trial.output
    usage = trial.usage
    return {
        "run": trial.run,
        "id": trial.id,
        "key": trial.key,
        "arm": trial.arm,
        "task": trial.task,
        "variant": trial.variant,
        "instance_id": trial.instance.id,
        "instance_digest": trial.instance_digest,
        "cluster": trial.instance.cluster,
        "epoch": trial.epoch,
        "status": trial.status,
        "error_kind": trial.error.kind if trial.error else None,
        "error_message": trial.error.message if trial.error else None,
        "started": trial.timing.started,
        # An imported trial was executed elsewhere: no attempt of ours, and no seconds that anybody knows.
        "seconds": trial.timing.total if trial.attempts or trial.timing.total else None,
        "new": usage.new,
        "cached": usage.cached,
        "generated": usage.generated,
        "cost": usage.cost,
        "turns": turns(trial),
        "tool_calls": tool_calls(trial),
        "answer": output.text if output else None,
        "scores": {name: score.value for name, score in trial.scores.items()},
        "scorers": _encoder.encode({name: score.digest for name, score in trial.scores.items()}).decode(),
        "metadata": trial.metadata,
        "reused": trial.reused,
        "written": written,
        "superseded": superseded,
        "record": (record or _encoder.encode(trial)).decode(),
    }


def turns(trial: Trial) -> int | None:
    """How often the model spoke: as measured, else counted from the steps; None when there is no trajectory."""
    measured = trial.metadata.get("turns")
    if isinstance(measured, int):
        return measured
    if trial.trajectory is None:
        return None
    return sum(step.source == "model" for step in trial.trajectory.steps) if trial.trajectory.steps else 1


def tool_calls(trial: Trial) -> int | None:
    """How many tools the model called: as measured, else counted from the steps; None without a trajectory."""
    measured = trial.metadata.get("tool_calls")
    if isinstance(measured, int):
        return measured
    if trial.trajectory is None:
        return None
    if not trial.trajectory.steps:
        return len(trial.trajectory.output.tool_calls)
    return sum(len(step.tool_calls) for step in trial.trajectory.steps if step.source == "model")


def duck_columns() -> str:
    """The columns as DuckDB's JSON reader wants them."""
    return "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in TYPES.items()) + "}"
