"""The record of a trial, made from what its calls left; also of one that broke before it left anything."""

from __future__ import annotations

import os
import time
import traceback
from typing import Literal

import msgspec

from weigh.execute.trial_calls import TrialCalls
from weigh.plan.cell import Cell
from weigh.records.errors import Error
from weigh.records.request import LoglikelihoodRequest, Output
from weigh.records.score import Score
from weigh.records.trajectory import Trajectory
from weigh.records.trial import ERROR, Attempt, Timing, Trial
from weigh.records.usage import Usage

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [a + b for a in _BASE32 for b in _BASE32]


def make_trial(
    run: str,
    cell: Cell,
    calls: TrialCalls,
    *,
    status: str,
    trajectory: Trajectory | None = None,
    scores: dict[str, Score] | None = None,
    error: Error | None = None,
) -> Trial:
    """The trial of a cell, with every attempt that its calls recorded.

    Args:
        run: The run's id.
        cell: What was executed.
        calls: What the scaffold asked of the model, with times and usage.
        status: How it ended.
        trajectory: What came of it; None when nothing did.
        scores: Of the trajectory.
        error: Why it failed; None when it did not.
    """
    seconds = calls.seconds
    if trajectory is None:
        usage, attempts = calls.usage, tuple(calls.attempts)
    else:
        usage = trajectory.usage if trajectory.usage.calls else calls.usage
        attempts = tuple(calls.attempts)
        if error is None or not attempts or attempts[-1].error != error:  # else the last one failed, partly done
            attempts = (*attempts, Attempt(started=calls.started, seconds=seconds))
    return Trial(
        id=trial_id(),
        run=run,
        key=cell.key,
        **cell.named,
        status=status,
        error=error,
        trajectory=trajectory,
        scores=scores or {},
        attempts=attempts,
        timing=Timing(
            started=calls.started,
            total=round(seconds + (calls.scoring or 0.0), 6),
            model=round(calls.model_seconds, 6) if calls.model_seconds else None,
            tools=_tool_seconds(calls, trajectory),
            scoring=None if calls.scoring is None else round(calls.scoring, 6),
        ),
        usage=usage,
    )


def cut_short(cell: Cell, calls: TrialCalls, why: str | None) -> Trajectory:
    """What there is of a trial that a limit, the deadline or a failure ended."""
    return Trajectory(
        request=cell.request,
        output=calls.last_output or Output(),
        steps=tuple(calls.steps),
        usage=calls.usage,
        stop_reason=why,
    )


def counted(trajectory: Trajectory, calls: TrialCalls) -> Trajectory:
    """A trajectory with the usage of all calls, what the scaffold left, and the counters of its tools, filled in."""
    if not trajectory.usage.calls:
        trajectory = msgspec.structs.replace(trajectory, usage=calls.usage)
    if calls.artifacts or calls.metadata:
        trajectory = msgspec.structs.replace(
            trajectory,
            artifacts={**calls.artifacts, **trajectory.artifacts},
            metadata={**calls.metadata, **trajectory.metadata},
        )
    if calls.toolbox is not None:
        metadata = {**trajectory.metadata, **calls.toolbox.counts()}
        trajectory = msgspec.structs.replace(trajectory, metadata=metadata)
    return trajectory


def _tool_seconds(calls: TrialCalls, trajectory: Trajectory | None) -> float | None:
    """What tools took: those of the harness as measured, an agent's own as its steps say."""
    if calls.toolbox is not None:
        return round(calls.toolbox.seconds, 6)
    known = [
        seen.seconds
        for step in (trajectory.steps if trajectory else ())
        for seen in step.observations
        if seen.seconds is not None
    ]
    return round(sum(known), 6) if known else None


def is_empty(trajectory: Trajectory) -> bool:
    """Whether nothing came at all; a ranking without continuations is nothing, one with them is something."""
    if not trajectory.output.is_empty:
        return False
    if isinstance(trajectory.request, LoglikelihoodRequest):
        return True
    return not any(s.tool_calls or (s.source == "model" and s.message.strip()) for s in trajectory.steps)


def internal_error(bug: BaseException, *, kind: Literal["internal", "scorer"] = "internal") -> Error:
    """An exception nobody foresaw, as a value: what it says, and its traceback for a bug report."""
    text = str(bug).strip().split("\n", 1)[0][:300]
    message = f"{type(bug).__name__}: {text}" if text else type(bug).__name__
    return Error(kind=kind, code="exception", message=message, detail="".join(traceback.format_exception(bug))[-8000:])


def bug_trial(run: str, cell: Cell, bug: BaseException) -> Trial:
    """The trial of a cell during which our own code broke (kind `internal`), for `run_cells(on_bug=...)`."""
    now = time.time()
    error = internal_error(bug)
    return Trial(
        id=trial_id(),
        run=run,
        key=cell.key,
        **cell.named,
        status=ERROR,
        error=error,
        attempts=(Attempt(started=now, seconds=0.0, error=error),),
        timing=Timing(started=now, total=0.0),
        usage=Usage(),
    )


def trial_id() -> str:
    """Twelve characters of lower-case base32: 60 random bits, short enough to type a prefix of.

    One of them is a digit, so that an id is never taken for a word.
    """
    while True:
        bits = int.from_bytes(os.urandom(8), "big")
        name = "".join([_PAIRS[bits >> shift & 1023] for shift in (0, 10, 20, 30, 40, 50)])
        if not name.isalpha():
            return name
