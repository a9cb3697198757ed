"""A chat that grows: its messages are the prompt, its steps the trajectory, and both are one linear history."""

from __future__ import annotations

import msgspec

from weigh.protocols import ScaffoldContext
from weigh.records.errors import Error, Failure
from weigh.records.request import ChatRequest, Message, Output, Request
from weigh.records.trajectory import Step, Trajectory
from weigh.records.usage import Usage

REFUSED = frozenset({"content_filter", "refusal"})
"""Finish reasons with which a provider says that it, or the model, would not answer."""

_SOURCES = {"system": "system", "user": "user", "assistant": "model", "tool": "harness"}


class Conversation:
    """One trial's chat.

    Args:
        request: What begins it; its tools, sampling and schema hold for every turn.
        context: The trial's.
        note: Put after each tool result, e.g. to remind a small model how to end.

    Attributes:
        output: The model's last answer.
        submitted: The answer given with `submit`; None while there is none.
        turns: Answers so far.
    """

    def __init__(self, request: Request, context: ScaffoldContext, *, note: str = "") -> None:
        if not isinstance(request, ChatRequest):
            kind = request.__struct_config__.tag
            raise Failure(Error(kind="task", code="not_chat", message=f"this scaffold needs a chat, not a {kind}"))
        self.request, self.context, self.note = request, context, note
        self.messages = list(request.messages)
        self.output = Output()
        self.submitted: str | None = None
        self.turns = 0
        for message in request.messages:
            text = message.content if isinstance(message.content, str) else str(message.content)
            source = _SOURCES[message.role]
            context.steps.append(Step(source=source, message=text, tool_calls=message.tool_calls))  # type: ignore[arg-type]

    def say(self, text: str, *, usage: Usage | None = None) -> None:
        """Add a message of the user (a simulated one costs something)."""
        self.messages.append(Message(role="user", content=text))
        self.context.steps.append(Step(source="user", message=text, usage=usage, at=self.context.seconds))

    async def turn(self) -> bool:
        """One answer of the model, and its calls. Returns whether it goes on: it called, and did not submit."""
        context = self.context
        began = context.seconds
        request = msgspec.structs.replace(self.request, messages=tuple(self.messages), tool_choice=self._tool_choice())
        output = self.output = context.read_calls(await context.provider.respond(request))
        self.turns += 1
        calls = output.tool_calls if context.tools else ()
        self.messages.append(
            Message(role="assistant", content=output.text, reasoning=output.reasoning, tool_calls=calls)
        )
        step = Step(
            source="model",
            message=output.text,
            reasoning=output.reasoning,
            tool_calls=calls,
            usage=output.usage,
            seconds=round(context.seconds - began, 6),
            at=round(began, 6),
        )
        context.steps.append(step)
        if not calls:
            return False
        observations = await context.call_tools(calls)
        context.steps[-1] = msgspec.structs.replace(step, observations=observations)
        for seen in observations:
            content = f"{seen.content}\n\n{self.note}" if self.note else seen.content
            self.messages.append(Message(role="tool", content=content, tool_call_id=seen.call_id, name=seen.tool))
            if seen.metadata.get("final"):
                self.submitted = str(seen.metadata["answer"])
        return self.submitted is None

    async def answer(self) -> None:
        """Turns until the model answers without a call, or submits."""
        while await self.turn():
            pass

    def trajectory(self) -> Trajectory:
        """What became of it. What was submitted is the answer; an answer that was withheld is the outcome `refused`."""
        output = self.output
        if self.submitted is not None:
            output = msgspec.structs.replace(output, text=self.submitted, tool_calls=())
        refused = self.submitted is None and output.finish_reason in REFUSED
        return Trajectory(
            request=self.request,
            output=output,
            steps=tuple(self.context.steps),
            stop_reason="refused" if refused else None,
            metadata={"turns": self.turns},
        )

    def _tool_choice(self) -> str | None:
        """`required` or a tool's name holds for the first turn; for all of them where `submit` can end it."""
        choice = self.request.tool_choice
        if choice in (None, "auto", "none") or self.turns == 0:
            return choice
        can_submit = any(t.name == "submit" for t in self.context.tools)
        return "required" if choice == "required" and can_submit else "auto"
