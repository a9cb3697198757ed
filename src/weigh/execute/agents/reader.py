"""From an agent's event stream, line by line as it comes, to canonical steps."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from weigh.records.request import ToolCall
from weigh.records.trajectory import Observation, Step
from weigh.records.usage import Usage, add_usage

_EXIT = re.compile(r"(?:exited with code|Exit Code:|exit code:?|returncode[>:])\s*(-?\d+)", re.IGNORECASE)


class Reader:
    """Reads events that are one JSON object a line. A subclass says what each event means, in `event`.

    Attributes:
        steps: So far.
        answer: The last thing the agent said for its user.
        usage: What the agent itself reports, summed.
        error: What the agent says went wrong; None when nothing.
        unreadable: The first line that could not be understood, with the reason; None while there is none.
        events: How many were read.
        finished: Whether the agent has said that it is done.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.answer = ""
        self.usage = Usage()
        self.error: str | None = None
        self.unreadable: str | None = None
        self.events = 0
        self.finished = False
        self._rest = b""
        self._began: dict[str, float] = {}

    def feed(self, data: bytes, at: float) -> None:
        """Read a piece of the stream that came `at` seconds after the trial began."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line, at)

    def close(self, at: float) -> None:
        """The stream has ended; a line without an end counts."""
        rest, self._rest = self._rest, b""
        self._line(rest, at)

    @abstractmethod
    def event(self, event: Mapping[str, Any], at: float) -> None:
        """Take in one event. May raise KeyError, TypeError or ValueError for one that is not as it should be."""

    def _line(self, line: bytes, at: float) -> None:
        if not line.strip():
            return
        try:
            event = msgspec.json.decode(line, type=dict[str, Any])
            self.event(event, at)
        except (msgspec.DecodeError, msgspec.ValidationError, KeyError, TypeError, ValueError, AttributeError) as error:
            if self.unreadable is None:
                shown = line[:200].decode(errors="replace")
                self.unreadable = f"{type(error).__name__}: {error}: {shown!r}"
        else:
            self.events += 1

    # What subclasses build steps with

    def note(self, source: Literal["system", "user", "harness"], text: str, at: float) -> None:
        """Somebody but the model has said something."""
        self.steps.append(Step(source=source, message=text, at=round(at, 6)))

    def model(
        self,
        text: str,
        at: float,
        *,
        reasoning: str | None = None,
        calls: tuple[ToolCall, ...] = (),
        usage: Usage | None = None,
    ) -> None:
        """The model has answered."""
        if usage is not None:
            self.usage = add_usage([self.usage, usage]) if self.usage.calls else usage
        self.steps.append(
            Step(source="model", message=text, reasoning=reasoning, tool_calls=calls, usage=usage, at=round(at, 6))
        )
        if text.strip():
            self.answer = text

    def began(self, call_id: str, at: float) -> None:
        """A tool has begun to work."""
        self._began[call_id] = at

    def seen(self, observation: Observation, at: float | None = None) -> None:
        """A tool gave something back; it goes to the step that called it, or the last of the model's."""
        if at is not None and observation.call_id in self._began and observation.seconds is None:
            seconds = round(at - self._began.pop(observation.call_id), 6)
            observation = msgspec.structs.replace(observation, seconds=seconds)
        place = None
        for index in range(len(self.steps) - 1, -1, -1):
            step = self.steps[index]
            if step.source != "model":
                continue
            place = index if place is None else place
            if any(call.id == observation.call_id for call in step.tool_calls):
                place = index
                break
        if place is None:
            raise ValueError(f"a result of a tool that no step called: {observation.tool}")
        step = self.steps[place]
        self.steps[place] = msgspec.structs.replace(step, observations=(*step.observations, observation))


def exit_code(text: str) -> int | None:
    """The exit code that a command's output ends with, where the agent writes one."""
    found = _EXIT.findall(text[-400:])
    return int(found[-1]) if found else None


def text_of(content: Any) -> str:
    """The text of a message's content: a text, or parts with a text each."""
    if isinstance(content, str):
        return content
    parts = [part.get("text") for part in content or () if isinstance(part, Mapping)]
    return "".join(part for part in parts if isinstance(part, str))
