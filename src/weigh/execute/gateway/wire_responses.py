"""OpenAI's Responses, read: instructions, input items and tools become one chat request.

Items of the assistant's (reasoning, a message, function calls) that follow each other are one turn of the chat.
Nothing is stored here, so what leads to something stored (`previous_response_id`, `item_reference`, ...) is refused
with what to do instead; so are tools that only OpenAI's own servers can run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from weigh.execute.gateway.dialect import (
    DEFAULT_MAX_TOKENS,
    Body,
    bad_request,
    joined,
    read_call,
    read_message,
    read_sampling,
)
from weigh.records.request import ChatRequest, Message, SamplingParams, ToolCall, ToolSpec

_STORED = {
    "previous_response_id": "nothing is stored here; send the whole conversation as input",
    "conversation": "nothing is stored here; send the whole conversation as input",
    "prompt": "no prompts are stored here; send instructions and input",
    "background": "answers are given at once or not at all; leave it out",
}
_KNOWN = frozenset({
    "input", "instructions", "tools", "tool_choice", "text", "reasoning", "temperature", "top_p", "max_output_tokens",
    "top_logprobs",
    # about the service, not about the answer
    "model", "stream", "stream_options", "store", "include", "metadata", "user", "safety_identifier", "service_tier",
    "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "parallel_tool_calls", "truncation",
    "max_tool_calls", *_STORED,
})  # fmt: skip
_LOGPROBS = "message.output_text.logprobs"


def read_responses(body: Body) -> ChatRequest:
    """Read the body of `POST /v1/responses`. Raises `Failure` (code `bad_request`)."""
    for field, why in _STORED.items():
        if body.get(field):
            raise bad_request(f"{field}: {why}")
    given = body.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    if not isinstance(items, list) or not items:
        raise bad_request("input: expected text or a list with at least one item")
    if body.get("instructions"):
        items = [{"role": "system", "content": body["instructions"]}, *items]
    text = body.get("text") or {}
    return ChatRequest(
        messages=_messages(items, offset=1 if body.get("instructions") else 0),
        sampling=_sampling(body),
        tools=tuple(_tool(t, i) for i, t in enumerate(body.get("tools") or ())),
        tool_choice=_tool_choice(body.get("tool_choice")),
        response_schema=_schema(text.get("format") if isinstance(text, Mapping) else None),
    )


class _Turn:
    """The assistant's turn that is being put together."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.calls: list[ToolCall] = []

    def message(self) -> Message | None:
        if not (self.text or self.reasoning or self.calls):
            return None
        return Message(
            role="assistant",
            content="\n".join(self.text),
            reasoning="\n".join(self.reasoning) or None,
            tool_calls=tuple(self.calls),
        )


def _messages(items: list[Any], offset: int) -> tuple[Message, ...]:
    found: list[Message] = []
    turn = _Turn()
    for number, item in enumerate(items):
        where = f"input[{number - offset}]" if number >= offset else "instructions"
        if not isinstance(item, Mapping):
            raise bad_request(f"{where}: expected an object")
        kind = item.get("type") or "message"
        if kind == "function_call":
            turn.calls.append(read_call(item.get("call_id"), item.get("name"), item.get("arguments")))
        elif kind == "reasoning":
            parts = item.get("content") or item.get("summary") or ()
            turn.reasoning += [str(p.get("text") or "") for p in parts]
        elif kind == "message" and item.get("role") == "assistant":
            content = _content(item.get("content"), where)
            turn.text.append(content if isinstance(content, str) else "")
        else:
            if (message := turn.message()) is not None:
                found.append(message)
                turn = _Turn()
            found.append(_other(item, kind, where))
    if (message := turn.message()) is not None:
        found.append(message)
    return tuple(found)


def _other(item: Mapping[str, Any], kind: str, where: str) -> Message:
    """A message that is not the assistant's."""
    if kind == "function_call_output":
        content = _content(item.get("output"), where)
        return Message(role="tool", content=content, tool_call_id=str(item.get("call_id")))
    if kind != "message":
        what = (
            "nothing is stored here" if kind == "item_reference" else "only messages, reasoning and functions are known"
        )
        raise bad_request(f"{where}: an item of type {kind!r} cannot be read; {what}")
    role = "system" if item.get("role") == "developer" else item.get("role")
    return read_message({"role": role, "content": _content(item.get("content"), where)}, where)


def _content(given: Any, where: str) -> str | list[dict[str, Any]]:
    if given is None or isinstance(given, str):
        return given or ""
    if not isinstance(given, list):
        raise bad_request(f"{where}: expected text or a list of parts")
    return joined([_part(p, where) for p in given])


def _part(part: Any, where: str) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind in ("input_text", "output_text", "text"):
        return {"type": "text", "text": str(part.get("text") or "")}
    if kind == "refusal":
        return {"type": "text", "text": str(part.get("refusal") or "")}
    if kind == "input_image" and part.get("image_url"):
        url = {"url": part["image_url"], **({"detail": part["detail"]} if part.get("detail") else {})}
        return {"type": "image_url", "image_url": url}
    if kind == "input_audio":
        return {"type": "input_audio", "input_audio": part.get("input_audio")}
    raise bad_request(f"{where}: a part of type {kind!r} cannot be given to the model (text, image by URL, audio can)")


def _sampling(body: Body) -> SamplingParams:
    extra = {k: v for k, v in body.items() if k not in _KNOWN and v is not None}
    reasoning = body.get("reasoning")
    if isinstance(reasoning, Mapping) and reasoning.get("effort"):
        extra["reasoning_effort"] = reasoning["effort"]
    logprobs = body.get("top_logprobs")
    if logprobs is None and _LOGPROBS in (body.get("include") or ()):
        logprobs = 0
    tokens = body.get("max_output_tokens")
    return read_sampling(
        {
            "temperature": body.get("temperature"),
            "top_p": body.get("top_p"),
            "max_tokens": DEFAULT_MAX_TOKENS if tokens is None else tokens,
            "logprobs": logprobs,
            "extra": extra,
        }
    )


def _tool(wire: Any, index: int) -> ToolSpec:
    kind = wire.get("type") if isinstance(wire, Mapping) else None
    if kind != "function":
        raise bad_request(
            f"tools[{index}]: {kind!r} is run by OpenAI's servers; only functions can be given to a model"
        )
    if not wire.get("name"):
        raise bad_request(f"tools[{index}]: expected a function with a name")
    return ToolSpec(
        name=str(wire["name"]),
        description=str(wire.get("description") or ""),
        parameters=dict(wire.get("parameters") or {}),
    )


def _tool_choice(wire: Any) -> str | None:
    if wire is None or isinstance(wire, str):
        return wire
    if isinstance(wire, Mapping) and wire.get("type") == "function":
        return str(wire.get("name"))
    raise bad_request(f"tool_choice: expected auto, none, required or a function, not {msgspec.to_builtins(wire)}")


def _schema(wire: Any) -> dict[str, Any] | None:
    if not isinstance(wire, Mapping):
        return None
    if wire.get("type") == "json_schema":
        return dict(wire.get("schema") or {})
    return {"type": "object"} if wire.get("type") == "json_object" else None
