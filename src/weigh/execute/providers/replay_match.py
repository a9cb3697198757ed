"""When two requests are the same for a replay, and what differs where they are not.

What changes from one run to the next without meaning anything is put out of the way first: ids of tool calls become
their order, and in every text the patterns of `VOLATILE` (and of the user's own) become a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from weigh.records.request import ChatRequest, Request

_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_CLOCK = r"\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?(?: ?[AP]M)?(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?"

VOLATILE: tuple[tuple[str, str], ...] = (
    (r"\bweigh-[A-Za-z0-9_-]{43}", "TOKEN"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "UUID"),
    (r"\b(?:127\.0\.0\.1|localhost):\d+(?:/t/[0-9a-f]{16}\b)?", "HOST"),  # with the path of a session's own address
    (r"/tmp/(?:weigh|tmp)[A-Za-z0-9_.-]*", "FOLDER"),
    (rf"\b{_DAY},? (?:{_MONTH} \d{{1,2}}|\d{{1,2}} {_MONTH}),?(?: {_CLOCK})?(?: \d{{4}})?(?:,? {_CLOCK})?", "WHEN"),
    (rf"\b{_MONTH} +\d{{1,2}},? +{_CLOCK}", "WHEN"),  # as `ls -l` prints it
    (rf"\b\d{{4}}-\d\d-\d\d(?:[T ,]+{_CLOCK})?", "WHEN"),
    (rf"\b\d{{1,2}}/\d{{1,2}}/\d{{4}}(?:,? {_CLOCK})?", "WHEN"),
)
"""Patterns, and the word each match becomes."""


class Normaliser:
    """Makes requests comparable."""

    def __init__(self, patterns: Iterable[str] = (), *, built_in: bool = True) -> None:
        """
        Args:
            patterns: The user's own, applied first.
            built_in: Whether `VOLATILE` is applied too, and ids of tool calls are numbered.
        """
        self._ids = built_in
        self._rules = [(re.compile(p), "VOLATILE") for p in patterns]
        if built_in:
            self._rules += [(re.compile(p), word) for p, word in VOLATILE]

    def plain(self, request: Request) -> dict[str, Any]:
        """The request in plain values, without what is volatile."""
        value: dict[str, Any] = msgspec.to_builtins(request)
        if self._ids and isinstance(request, ChatRequest):
            _number_calls(value["messages"])
        texted: dict[str, Any] = self._texts(value)
        return texted

    def _texts(self, value: Any) -> Any:
        if isinstance(value, str):
            for pattern, word in self._rules:
                value = pattern.sub(word, value)
            return value
        if isinstance(value, dict):
            return {k: self._texts(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self._texts(v) for v in value]
        return value


def _number_calls(messages: Sequence[dict[str, Any]]) -> None:
    names: dict[str, str] = {}
    for message in messages:
        for call in message.get("tool_calls", ()):
            call["id"] = names.setdefault(call["id"], f"call-{len(names)}")
        if "tool_call_id" in message:
            answered = message["tool_call_id"]
            message["tool_call_id"] = names.setdefault(answered, f"call-{len(names)}")


def nearest(asked: dict[str, Any], recorded: Sequence[dict[str, Any]]) -> int:
    """Which of the recorded requests (at least one) begins most like the one asked."""

    def likeness(other: dict[str, Any]) -> tuple[bool, int, int]:
        mine, theirs = asked.get("messages", []), other.get("messages", [])
        return (other["kind"] == asked["kind"], _shared(mine, theirs), -abs(len(mine) - len(theirs)))

    return max(range(len(recorded)), key=lambda index: likeness(recorded[index]))


def difference(asked: dict[str, Any], recorded: dict[str, Any]) -> str:
    """The first thing that differs, in words: a message, the tools, the sampling ..."""
    if asked["kind"] != recorded["kind"]:
        return f"a {asked['kind']} was asked for, recorded is a {recorded['kind']}"
    mine, theirs = asked.get("messages", []), recorded.get("messages", [])
    shared = _shared(mine, theirs)
    if shared < min(len(mine), len(theirs)):
        return _inside(mine[shared], theirs[shared], f"messages[{shared}] ({mine[shared]['role']})")
    if len(mine) != len(theirs):
        return f"it has {len(mine)} messages, the nearest one recorded {len(theirs)}"
    for field in sorted({*asked, *recorded} - {"messages"}):
        if asked.get(field) != recorded.get(field):
            return _inside(asked.get(field), recorded.get(field), field)
    return "nothing differs"


def _inside(mine: Any, theirs: Any, where: str) -> str:
    """Go down to the first place that differs."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key in sorted({*mine, *theirs}):
            if mine.get(key) != theirs.get(key):
                return _inside(mine.get(key), theirs.get(key), f"{where}.{key}")
    if isinstance(mine, list) and isinstance(theirs, list):
        for index, (one, other) in enumerate(zip(mine, theirs, strict=False)):
            if one != other:
                return _inside(one, other, f"{where}[{index}]")
        return f"{where}: {len(mine)} entries, recorded {len(theirs)}"
    if isinstance(mine, str) and isinstance(theirs, str):
        at = next(
            (i for i, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b), min(len(mine), len(theirs))
        )
        start = max(0, at - 20)
        return f"{where} differs at character {at}: {mine[start : at + 40]!r}, recorded {theirs[start : at + 40]!r}"
    return f"{where}: {_short(mine)}, recorded {_short(theirs)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _shared(mine: Sequence[Any], theirs: Sequence[Any]) -> int:
    count = 0
    for one, other in zip(mine, theirs, strict=False):
        if one != other:
            break
        count += 1
    return count
