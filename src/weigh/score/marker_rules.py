"""The built-in markers, each a predicate over the trajectory. What fires them is stated here and in docs/markers.md."""

from __future__ import annotations

import msgspec

from weigh.records.actions import Action, Kind, actions_of
from weigh.records.trajectory import Trajectory
from weigh.score.gave_up import gave_up


def unregistered_call(trajectory: Trajectory) -> list[Action]:
    """It called a tool that was never registered. Where nobody recorded which tools there were, the agent's own answer
    to the call decides ("Tool X not found")."""
    return [action for action in actions_of(trajectory) if action.registered is False]


def gave_up_marker(trajectory: Trajectory) -> str | None:
    """Its final answer declares the task impossible, by the patterns of `weigh.score.gave_up`; whether the answer was
    counted as a match plays no part."""
    return gave_up(trajectory)


def repeated_call(trajectory: Trajectory) -> list[Action]:
    """It made a call that it had made before, word for word, and no call in between wrote a file: running the same test
    after an edit is no repetition."""
    seen: set[bytes] = set()
    repeated = []
    for action in actions_of(trajectory):
        key = msgspec.json.encode([action.tool, action.arguments, action.raw], order="deterministic")
        if key in seen:
            repeated.append(action)
        if action.writes or action.kind in ("write", "edit"):
            seen.clear()
        seen.add(key)
    return repeated


def error_recovered(trajectory: Trajectory) -> list[Action]:
    """A call gave an error, and a later one of the same kind (command, code, read ...) did not: that one is the hit."""
    failed: set[Kind] = set()
    found = []
    for action in actions_of(trajectory):
        if action.is_error:
            failed.add(action.kind)
        elif action.result is not None and action.kind in failed:
            failed.discard(action.kind)
            found.append(action)
    return found
