"""Anthropic's Messages, read: system, content blocks and tools become one chat request.

A user's turn may hold results of tools and words; the results become messages of their own, in front of the words, as
chats have them. What asks for how an answer is served or thought about (`thinking`, `cache_control`, `effort`) has no
counterpart and is left out; what cannot be given to the model (a PDF, a tool of Anthropic's servers) is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from weigh.execute.gateway.dialect import (
    DEFAULT_MAX_TOKENS,
    Body,
    bad_request,
    joined,
    read_message,
    read_sampling,
)
from weigh.records.request import ChatRequest, Message, ToolCall, ToolSpec

INVALID = "INVALID_JSON"
"""Key under which arguments that are no JSON travel, since an input is always an object; Anthropic's own convention."""

_KNOWN = frozenset({
    "messages", "system", "tools", "tool_choice", "max_tokens", "temperature", "top_p", "top_k", "stop_sequences",
    "output_config", "output_format",
    # about the service, or about how to think
    "model", "stream", "metadata", "thinking", "service_tier", "speed", "cache_control", "container", "diagnostics",
    "context_management", "betas", "inference_geo", "user_profile_id", "workspace_id",
})  # fmt: skip


def read_messages(body: Body) -> ChatRequest:
    """Read the body of `POST /v1/messages`. Raises `Failure` (code `bad_request`)."""
    given = body.get("messages")
    if not isinstance(given, list) or not given:
        raise bad_request("messages: expected a list with at least one message")
    messages: list[Message] = []
    if body.get("system"):
        messages.append(Message(role="system", content=_words(body["system"], "system")))
    for index, message in enumerate(given):
        if not isinstance(message, Mapping):
            raise bad_request(f"messages[{index}]: expected an object")
        messages += _turn(message, f"messages[{index}]")
    tokens = body.get("max_tokens")
    return ChatRequest(
        messages=tuple(messages),
        sampling=read_sampling(
            {
                "temperature": body.get("temperature"),
                "max_tokens": DEFAULT_MAX_TOKENS if tokens is None else tokens,
                "top_p": body.get("top_p"),
                "top_k": body.get("top_k"),
                "stop": body.get("stop_sequences"),
                "extra": {k: v for k, v in body.items() if k not in _KNOWN and v is not None},
            }
        ),
        tools=tuple(_tool(t, i) for i, t in enumerate(body.get("tools") or ())),
        tool_choice=_tool_choice(body.get("tool_choice")),
        response_schema=_schema(body),
    )


def _turn(message: Mapping[str, Any], where: str) -> Iterator[Message]:
    role, content = message.get("role"), message.get("content")
    if role == "system":
        yield Message(role="system", content=_words(content, where))
        return
    if role not in ("user", "assistant"):
        raise bad_request(f"{where}: role: expected user, assistant or system, not {role!r}")
    if isinstance(content, str):
        yield Message(role="assistant" if role == "assistant" else "user", content=content)
        return
    blocks = _blocks(content, where)
    if role == "assistant":
        yield _assistant(blocks, where)
        return
    results = [b for b in blocks if b.get("type") == "tool_result"]
    for block in results:
        inner = block.get("content")
        text = inner or "" if inner is None or isinstance(inner, str) else joined(_parts(_blocks(inner, where), where))
        yield read_message({"role": "tool", "content": text, "tool_call_id": block.get("tool_use_id")}, where)
    said = [b for b in blocks if b.get("type") != "tool_result"]
    if said or not results:
        yield Message(role="user", content=joined(_parts(said, where)))


def _assistant(blocks: list[Mapping[str, Any]], where: str) -> Message:
    text, reasoning, calls = [], [], []
    for block in blocks:
        kind = block.get("type")
        if kind == "text":
            text.append(str(block.get("text") or ""))
        elif kind == "thinking":
            reasoning.append(str(block.get("thinking") or ""))
        elif kind == "tool_use":
            calls.append(_call(block))
        elif kind != "redacted_thinking":
            raise bad_request(f"{where}: a block of type {kind!r} is of Anthropic's servers and cannot be read")
    return Message(
        role="assistant",
        content="\n".join(text),
        reasoning="\n".join(reasoning) or None,
        tool_calls=tuple(calls),
    )


def _call(block: Mapping[str, Any]) -> ToolCall:
    given = block.get("input")
    arguments = dict(given) if isinstance(given, Mapping) else {}
    raw = arguments[INVALID] if set(arguments) == {INVALID} and isinstance(arguments[INVALID], str) else None
    return ToolCall(
        id=str(block.get("id")), name=str(block.get("name")), arguments={} if raw is not None else arguments, raw=raw
    )


def _parts(blocks: list[Mapping[str, Any]], where: str) -> list[dict[str, Any]]:
    """Content parts as chats have them."""
    found: list[dict[str, Any]] = []
    for block in blocks:
        kind, source = block.get("type"), block.get("source")
        source = source if isinstance(source, Mapping) else {}
        if kind == "text":
            found.append({"type": "text", "text": str(block.get("text") or "")})
        elif kind == "image" and source.get("type") in ("base64", "url"):
            url = source.get("url") or f"data:{source.get('media_type')};base64,{source.get('data')}"
            found.append({"type": "image_url", "image_url": {"url": url}})
        elif kind == "document" and source.get("type") == "text":
            found.append({"type": "text", "text": str(source.get("data") or "")})
        else:
            what = f"{kind} from {source['type']}" if source.get("type") else str(kind)
            raise bad_request(f"{where}: {what!r} cannot be given to the model (text and images can)")
    return found


def _blocks(given: Any, where: str) -> list[Mapping[str, Any]]:
    if not isinstance(given, list) or not all(isinstance(b, Mapping) for b in given):
        raise bad_request(f"{where}: content: expected text or a list of blocks")
    return given


def _words(given: Any, where: str) -> str:
    if isinstance(given, str):
        return given
    content = joined(_parts(_blocks(given, where), where))
    if not isinstance(content, str):
        raise bad_request(f"{where}: only text can be said here")
    return content


def _tool(wire: Any, index: int) -> ToolSpec:
    if not isinstance(wire, Mapping) or not wire.get("name"):
        raise bad_request(f"tools[{index}]: expected an object with a name")
    if "input_schema" not in wire:
        kind = wire.get("type")
        raise bad_request(f"tools[{index}]: {kind!r} has no input_schema: only tools with one can be given to a model")
    return ToolSpec(
        name=str(wire["name"]),
        description=str(wire.get("description") or ""),
        parameters=dict(wire["input_schema"] or {}),
    )


def _tool_choice(wire: Any) -> str | None:
    if wire is None:
        return None
    kind = wire.get("type") if isinstance(wire, Mapping) else wire
    if kind == "tool":
        return str(wire.get("name"))
    words = {"auto": "auto", "any": "required", "none": "none"}
    if kind not in words:
        raise bad_request(f"tool_choice: expected auto, any, none or tool, not {kind!r}")
    return words[kind]


def _schema(body: Body) -> dict[str, Any] | None:
    config = body.get("output_config")
    wanted = config.get("format") if isinstance(config, Mapping) else body.get("output_format")
    if isinstance(wanted, Mapping) and wanted.get("type") == "json_schema":
        return dict(wanted.get("schema") or {})
    return None
