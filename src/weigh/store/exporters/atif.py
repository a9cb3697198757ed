"""Trials as ATIF, the Agent Trajectory Interchange Format (version 1.7): one JSON document a trial.

What ATIF has no field for (scores, status, the task) is under `extra`. Observations stay with the step whose calls
they answer; a note of the harness becomes a user's message that says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from weigh._version import __version__
from weigh.records.request import ChatRequest, ToolCall
from weigh.records.run import Run
from weigh.records.trajectory import Observation, Step
from weigh.records.trial import Trial, steps_of
from weigh.records.usage import Usage

VERSION = "ATIF-v1.7"
_SOURCES = {"system": "system", "user": "user", "model": "agent", "harness": "user"}


def to_atif(trial: Trial, run: Run) -> dict[str, Any] | None:
    """The document of a trial; None for one that failed before there was any trajectory."""
    trajectory = trial.trajectory
    if trajectory is None:
        return None
    arm = next((a for a in run.arms if a.id == trial.arm), None)
    axes = dict(arm.axes) if arm else {}
    steps = steps_of(trajectory)
    agent: dict[str, Any] = {
        "name": str(axes.get("agent") or axes.get("harness") or "weigh"),
        "version": __version__,
        "model_name": str(axes.get("model") or trial.arm),
    }
    request = trajectory.request
    if isinstance(request, ChatRequest) and request.tools:
        agent["tool_definitions"] = [{"type": "function", "function": msgspec.to_builtins(t)} for t in request.tools]
    if axes:
        agent["extra"] = {"axes": axes}
    return {
        "schema_version": VERSION,
        "session_id": f"{trial.run}/{trial.id}",
        "trajectory_id": trial.id,
        "agent": agent,
        "steps": [_step(number, step, trial) for number, step in enumerate(steps, 1)],
        "final_metrics": {**_totals(trial.usage), "total_steps": len(steps)},
        "extra": {
            "run": trial.run,
            "arm": trial.arm,
            "task": trial.spec,
            "instance": trial.instance.id,
            "epoch": trial.epoch,
            "status": trial.status,
            "final_answer": trajectory.output.text,
            "scores": {name: score.value for name, score in trial.scores.items()},
            "seconds": trial.timing.total,
            **({"metadata": trajectory.metadata} if trajectory.metadata else {}),
        },
    }


def _step(number: int, step: Step, trial: Trial) -> dict[str, Any]:
    found: dict[str, Any] = {"step_id": number, "source": _SOURCES[step.source], "message": step.message}
    extra: dict[str, Any] = dict(step.metadata)
    if step.at is not None:
        found["timestamp"] = datetime.fromtimestamp(trial.timing.started + step.at, UTC).isoformat()
    if step.seconds is not None:
        extra["seconds"] = step.seconds
    if step.source == "harness":
        extra["harness_note"] = True
    if step.source == "model":
        if step.reasoning:
            found["reasoning_content"] = step.reasoning
        if step.tool_calls:
            found["tool_calls"] = _calls(step.tool_calls)
        metrics = _metrics(step.usage)
        if metrics:
            found["metrics"] = metrics
        if step.usage is not None and step.usage.calls:
            found["llm_call_count"] = step.usage.calls
        if step.observations:
            found["observation"] = {"results": _results(step.tool_calls, step.observations)}
    elif step.usage is not None:
        extra["usage"] = msgspec.to_builtins(step.usage)  # of a simulated user
    if extra:
        found["extra"] = extra
    return found


def _calls(calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    """Calls; arguments that were no object are kept as text under `extra`."""
    return [
        {
            "tool_call_id": call.id,
            "function_name": call.name,
            "arguments": call.arguments,
            **({"extra": {"raw_arguments": call.raw}} if call.raw is not None else {}),
        }
        for call in calls
    ]


def _results(calls: Sequence[ToolCall], observations: Sequence[Observation]) -> list[dict[str, Any]]:
    known = {call.id for call in calls}
    return [
        {
            **({"source_call_id": seen.call_id} if seen.call_id in known else {}),
            "content": seen.content,
            "extra": {
                "tool": seen.tool,
                "is_error": seen.is_error,
                **({"seconds": seen.seconds} if seen.seconds is not None else {}),
                **({"metadata": seen.metadata} if seen.metadata else {}),
            },
        }
        for seen in observations
    ]


def _metrics(usage: Usage | None) -> dict[str, Any]:
    """ATIF counts cached tokens among the prompt's; what is unknown is left out."""
    if usage is None:
        return {}
    prompt = None if usage.new is None and usage.cached is None else (usage.new or 0) + (usage.cached or 0)
    found = {
        "prompt_tokens": prompt,
        "completion_tokens": usage.generated,
        "cached_tokens": usage.cached,
        "cost_usd": usage.cost,
    }
    return {name: value for name, value in found.items() if value is not None}


def _totals(usage: Usage) -> dict[str, Any]:
    return {f"total_{name}": value for name, value in _metrics(usage).items()}
