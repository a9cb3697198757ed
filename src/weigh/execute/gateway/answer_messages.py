"""Anthropic's Messages, answered: an output becomes content blocks, whole or as the events that build them up."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from weigh.execute.gateway.dialect import Body, Dialect, Event, arguments_text, refusal
from weigh.execute.gateway.wire_messages import INVALID, read_messages
from weigh.records.errors import Error
from weigh.records.request import Output, ToolCall
from weigh.records.usage import Usage

_STOPS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
}
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def messages_error(error: Error) -> dict[str, Any]:
    """A failure as Anthropic's clients expect it; our code stands beside their type."""
    status, _, code = refusal(error)
    kind = _KINDS.get(status, "invalid_request_error" if status < 500 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": error.message, "code": code}, "request_id": None}


def _whole(outputs: Sequence[Output], model: str, body: Body) -> dict[str, Any]:
    [output] = outputs
    blocks = [_block(b) for b in _contents(output, body)]
    return {**_head(model), "content": blocks, "stop_reason": _stop(output), "usage": _usage(output.usage)}


def _events(outputs: Sequence[Output], model: str, body: Body) -> Iterator[Event]:
    [output] = outputs
    # What was generated is told at the end; at the start it is 0, and the end's count takes its place.
    started = {**_head(model), "usage": {**_usage(output.usage), "output_tokens": 0}}
    yield Event({"type": "message_start", "message": started}, "message_start")
    for index, content in enumerate(_contents(output, body)):
        empty = _block(content)
        if isinstance(content, ToolCall):
            empty = {**empty, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": _input_text(content)}
        elif empty["type"] == "thinking":
            empty = {**empty, "thinking": ""}
            delta = {"type": "thinking_delta", "thinking": content[1]}
        else:
            empty = {**empty, "text": ""}
            delta = {"type": "text_delta", "text": content[1]}
        yield Event({"type": "content_block_start", "index": index, "content_block": empty}, "content_block_start")
        yield Event({"type": "content_block_delta", "index": index, "delta": delta}, "content_block_delta")
        yield Event({"type": "content_block_stop", "index": index}, "content_block_stop")
    ended = {"stop_reason": _stop(output), "stop_sequence": None}
    yield Event({"type": "message_delta", "delta": ended, "usage": _usage(output.usage)}, "message_delta")
    yield Event({"type": "message_stop"}, "message_stop")


def _broken(error: Error, model: str, body: Body) -> Iterator[Event]:
    yield Event(messages_error(error), "error")


def _head(model: str) -> dict[str, Any]:
    """A message that has only begun."""
    return {
        "id": f"msg_{secrets.token_hex(12)}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _contents(output: Output, body: Body) -> list[tuple[str, str] | ToolCall]:
    """What becomes a block each. Reasoning is given to those who asked for it: others read the first block as text."""
    thinking = body.get("thinking")
    asked = isinstance(thinking, Mapping) and thinking.get("type") not in (None, "disabled")
    found: list[tuple[str, str] | ToolCall] = []
    if output.reasoning and asked:
        found.append(("thinking", output.reasoning))
    if output.text or not output.tool_calls:
        found.append(("text", output.text))
    return [*found, *output.tool_calls]


def _block(content: tuple[str, str] | ToolCall) -> dict[str, Any]:
    if isinstance(content, ToolCall):
        given = content.arguments if content.raw is None else {INVALID: content.raw}
        return {"type": "tool_use", "id": content.id, "name": content.name, "input": given}
    kind, text = content
    return {"type": kind, kind: text, **({"signature": ""} if kind == "thinking" else {})}


def _input_text(call: ToolCall) -> str:
    return arguments_text(call) if call.raw is None else msgspec.json.encode({INVALID: call.raw}).decode()


def _stop(output: Output) -> str:
    if output.tool_calls and output.finish_reason in (None, "stop"):
        return "tool_use"  # an agent goes by this word, and not every server says it
    return _STOPS.get(output.finish_reason or "", "end_turn")


def _usage(used: Usage) -> dict[str, Any]:
    """Token counts as Anthropic gives them; a count nobody knows is 0 there, since clients insist on a number."""
    found = {"input_tokens": used.new or 0, "output_tokens": used.generated or 0, "cache_creation_input_tokens": 0}
    found["cache_read_input_tokens"] = used.cached or 0
    if used.reasoning is not None:
        return {**found, "output_tokens_details": {"thinking_tokens": used.reasoning}}
    return found


MESSAGES = Dialect("messages", lambda body: (read_messages(body),), _whole, _events, messages_error, _broken)
