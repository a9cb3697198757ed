"""Trajectories of agents, written by hand in the form that adapters make of native traces."""

from __future__ import annotations

from typing import Any

from weigh.records.request import ChatRequest, Message, Output, ToolCall, ToolSpec
from weigh.records.trajectory import Observation, Step, Trajectory

Made = tuple[str, dict[str, Any]] | tuple[str, dict[str, Any], str] | tuple[str, dict[str, Any], str, bool]


def trip(
    *calls: Made,
    answer: str = "done",
    tools: tuple[str, ...] = (),
    stop: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> Trajectory:
    """One call a turn: (tool, arguments, result, is_error); then the answer."""
    steps = [Step(source="user", message="Do it.")]
    for number, made in enumerate(calls):
        name, arguments, *rest = made
        call = ToolCall(id=f"c{number}", name=name, arguments=arguments)
        seen = [
            Observation(call_id=call.id, tool=name, content=str(rest[0]), is_error=len(rest) > 1 and bool(rest[1]))
            for _ in rest[:1]
        ]
        steps.append(Step(source="model", tool_calls=(call,), observations=tuple(seen)))
    steps.append(Step(source="model", message=answer))
    return Trajectory(
        request=ChatRequest(
            messages=(Message(role="user", content="Do it."),), tools=tuple(ToolSpec(name=t) for t in tools)
        ),
        output=Output(text=answer),
        steps=tuple(steps),
        stop_reason=stop,
        metadata=metadata or {},
    )
