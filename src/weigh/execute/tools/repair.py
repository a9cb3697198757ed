"""Reads tool calls the way they come: arguments that are almost JSON, names that are almost right, calls in the text.

What had to be mended is counted and shown, never hidden; what cannot be mended is told to the model.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection
from typing import Any

import msgspec

from weigh.records.request import ToolCall

_FENCE = re.compile(r"```(?:json|tool_call)?[ \t]*\n?(.*?)```", re.DOTALL)
_TAG = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)", re.DOTALL)


def read_arguments(raw: str) -> dict[str, Any] | None:
    """Arguments from a text that is no JSON object; None when it cannot be read."""
    text = raw.strip()
    fence = _FENCE.search(text)
    if fence:
        text = fence.group(1).strip()
    for attempt in _readings(text):
        try:
            value = json.loads(attempt, strict=False)
        except ValueError:
            try:
                value = ast.literal_eval(attempt)
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                continue
        if isinstance(value, str) and value.strip() != raw.strip():  # encoded twice
            return read_arguments(value)
        if isinstance(value, dict) and all(isinstance(k, str) for k in value):
            return value
    return None


def _readings(text: str) -> list[str]:
    """The text, and what it may have been meant to be: without trailing commas, cut to the braces, closed."""
    found = [text, re.sub(r",\s*([}\]])", r"\1", text)]
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        found.append(text[start : end + 1])
    if start >= 0:
        found.append(_closed(text[start:]))
    return found


def _closed(text: str) -> str:
    """Close what a cut-off JSON text left open."""
    open_, quoted, escaped = [], False, False
    for character in text:
        if escaped:
            escaped = False
        elif quoted:
            quoted, escaped = character != '"', character == "\\"
        elif character == '"':
            quoted = True
        elif character in "{[":
            open_.append("}" if character == "{" else "]")
        elif character in "}]" and open_:
            open_.pop()
    return text + ('"' if quoted else "") + "".join(reversed(open_))


def mend(call: ToolCall, names: Collection[str]) -> tuple[ToolCall, bool]:
    """A call with arguments read and name matched as far as that can be done, and whether anything was mended."""
    name, arguments, raw = call.name, call.arguments, call.raw
    if raw is not None:
        read = read_arguments(raw) if raw.strip() else {}
        if read is not None:
            arguments, raw = read, None
    if name not in names:
        bare = re.sub(r"^(functions?|tools?)[.:/]", "", name.strip()).lower()
        name = next((n for n in names if n.lower() == bare), name)
    mended = ToolCall(id=call.id, name=name, arguments=arguments, raw=raw)
    return mended, mended != call


def calls_in_text(text: str, names: Collection[str], number: int) -> tuple[ToolCall, ...]:
    """Calls that a model wrote as text: `{"name": ..., "arguments": {...}}` in tags, a fence, or as the whole answer.

    Args:
        names: Only calls of these tools are taken for calls.
        number: Of the turn, for ids.
    """
    if '"name"' not in text:
        return ()
    pieces = _TAG.findall(text) or _FENCE.findall(text) or [text]
    found: list[ToolCall] = []
    for piece in pieces:
        try:
            value = msgspec.json.decode(piece.strip())
        except msgspec.DecodeError:
            continue
        for call in value if isinstance(value, list) else [value]:
            if not isinstance(call, dict) or call.get("name") not in names:
                continue
            arguments = call.get("arguments", call.get("parameters", {}))
            raw = arguments if isinstance(arguments, str) else None
            found.append(
                ToolCall(
                    id=f"text_{number}_{len(found)}",
                    name=call["name"],
                    arguments=arguments if isinstance(arguments, dict) else {},
                    raw=raw,
                )
            )
    return tuple(found)
