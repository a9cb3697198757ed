"""What of a trajectory a marker's pattern is held against: the texts of each scope, with where they stand.

The actions themselves are made by `weigh.records.actions`, for the store counts them too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec

from weigh.records.actions import Action as Action
from weigh.records.actions import actions_of as actions_of
from weigh.records.shell import programs
from weigh.records.trajectory import Trajectory
from weigh.score.extract import without_reasoning

ANSWERED = (None, "gave-up", "refused")
"""Stop reasons of a trial whose last text is its answer; what a limit or deadline cut off is none."""


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A text of a trajectory.

    Attributes:
        scope: What kind of text it is, one of `SCOPES` but `any`.
        text: It.
        step: The position in `Trajectory.steps` it belongs to; of the final answer that of the last step.
        call: The position among the step's calls; None for the final answer.
    """

    scope: str
    text: str
    step: int
    call: int | None = None


def final_answer(trajectory: Trajectory) -> str:
    """The last text of the model, without its reasoning; empty where a limit or deadline cut it off."""
    if trajectory.stop_reason not in ANSWERED:
        return ""
    return without_reasoning(trajectory.output.text).strip()


def pieces(trajectory: Trajectory, scope: str) -> Iterator[Piece]:
    """The texts of a scope, in order."""
    for action in actions_of(trajectory):
        for kind, text in _programs(action) if scope == "programs" else _texts(action):
            if text and scope in (kind, "any"):
                yield Piece(scope=kind, text=text, step=action.step, call=action.call)
    if scope in ("answer", "any") and (answer := final_answer(trajectory)):
        yield Piece(scope="answer", text=answer, step=max(len(trajectory.steps) - 1, 0))


def _programs(action: Action) -> Iterator[tuple[str, str]]:
    """Each program that a command runs as a line: its name without the folder, then its arguments."""
    for one in programs(action.text) if action.kind == "command" else ():
        if one.words:
            yield "programs", " ".join((one.program, *one.words[1:]))


def _texts(action: Action) -> Iterator[tuple[str, str]]:
    if action.kind == "command":
        yield "commands", action.text
    for code in action.code:
        yield "code", code
    for path in action.reads:
        yield "files", path
    arguments = action.raw if action.raw is not None else json.dumps(action.arguments, ensure_ascii=False)
    yield "calls", f"{action.tool} {arguments}"
    yield "results", action.result or ""
