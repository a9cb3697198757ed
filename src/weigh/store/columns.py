"""A trial as one row: what every table, query and export of the store has as columns."""

from __future__ import annotations

from typing import Any

import msgspec

from weigh.records.measures import measure
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
    "tool_errors": "BIGINT",
    "recoveries": "BIGINT",
    "answer_call": "BIGINT",
    "files_read": "BIGINT",
    "files_written": "BIGINT",
    "help": "BIGINT",
    "model_seconds": "DOUBLE",
    "tool_seconds": "DOUBLE",
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

MEASURES = (
    "seconds", "new", "cached", "generated", "cost", "turns", "tool_calls", "tool_errors", "answer_call", "files_read",
    "files_written", "model_seconds", "tool_seconds",
)  # fmt: skip
"""Columns that are costs: comparable between arms beside the scores."""

_encoder = msgspec.json.Encoder()


def row(
    trial: Trial, *, written: float = 0.0, superseded: str | None = None, record: bytes | None = None
) -> dict[str, Any]:
    """The row of a trial, by column. `record` is the trial as JSON, where it is at hand."""
    output = trial.output
    usage = trial.usage
    took = measure(trial)
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
        "seconds": took.seconds,
        "new": usage.new,
        "cached": usage.cached,
        "generated": usage.generated,
        "cost": usage.cost,
        "turns": took.turns,
        "tool_calls": took.tool_calls,
        "tool_errors": took.tool_errors,
        "recoveries": took.recoveries,
        "answer_call": took.answer_call,
        "files_read": None if trial.trajectory is None else len(took.files_read),
        "files_written": None if trial.trajectory is None else len(took.files_written),
        "help": took.help,
        "model_seconds": took.model_seconds,
        "tool_seconds": took.tool_seconds,
        "answer": output.text if output else None,
        "scores": {name: score.value for name, score in trial.scores.items()},
        "scorers": _encoder.encode({name: score.digest for name, score in trial.scores.items()}).decode(),
        "metadata": trial.metadata,
        "reused": trial.reused,
        "written": written,
        "superseded": superseded,
        "record": (record or _encoder.encode(trial)).decode(),
    }


def duck_columns() -> str:
    """The columns as DuckDB's JSON reader wants them."""
    return "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in TYPES.items()) + "}"
