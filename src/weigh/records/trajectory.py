"""The canonical steps of one trial: who said or did what, in order, with what it cost.

A single request needs no steps of its own: `steps_of` in `weigh.records.trial` derives them from request and output.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from weigh.records.request import Output, Request, ToolCall
from weigh.records.usage import Usage


class Observation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a tool call gave back.

    Attributes:
        call_id: The `ToolCall.id` it answers.
        tool: The tool's name.
        content: The text the model was shown.
        is_error: Whether the call failed (the tool raised, or a command exited non-zero).
        seconds: How long it took.
        metadata: Further facts: exit code, files touched, truncated output.
    """

    call_id: str
    tool: str
    content: str = ""
    is_error: bool = False
    seconds: float | None = None
    metadata: dict[str, Any] = {}


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step.

    Attributes:
        source: Who spoke: `system`, `user`, `model`, or `harness` (a note the scaffold put in).
        message: The text of it.
        reasoning: What the model thought before.
        tool_calls: Calls a model step made.
        observations: What they gave back, in order.
        usage: What a model step cost.
        seconds: How long the model took.
        at: Seconds since the trial began.
    """

    source: Literal["system", "user", "model", "harness"]
    message: str = ""
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    observations: tuple[Observation, ...] = ()
    usage: Usage | None = None
    seconds: float | None = None
    at: float | None = None
    metadata: dict[str, Any] = {}


class Trajectory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a scaffold gives back, and what scorers look at.

    Attributes:
        request: The first request as rendered.
        output: The final answer.
        steps: The canonical steps; empty for a single request, where request and output say it all.
        stop_reason: Why it ended: None when the model was done, else an outcome: `timeout`, `limit:turns`,
            `limit:tokens`, `limit:tool_calls`, `limit:dollars`, `limit:calls`, `gave-up`, `refused`.
        artifacts: Native traces by name, stored verbatim beside the trial; below `given/` what the model was given
            besides the question (`weigh.records.given`).
        metadata: Counters of the scaffold's own (repaired calls, ...).
    """

    request: Request
    output: Output
    steps: tuple[Step, ...] = ()
    usage: Usage = Usage()
    stop_reason: str | None = None
    artifacts: dict[str, str] = {}
    metadata: dict[str, Any] = {}
