"""What a protocol is to the gateway's server: how it is read, how it answers, whole or in events, and how it refuses.

A dialect is values and pure functions; the server knows no protocol and a dialect knows no server. What they share
(the status of a failure, arguments of a tool call, sampling out of loose JSON) is here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from weigh.records.errors import Error, Failure
from weigh.records.request import Message, Output, Request, SamplingParams, ToolCall

DEFAULT_MAX_TOKENS = 2048
"""For a program that sets none."""

Body = Mapping[str, Any]


class Event(NamedTuple):
    """One server-sent event: its data, and its name where the protocol names its events."""

    data: dict[str, Any]
    name: str | None = None


class Refusal(NamedTuple):
    """A failure as HTTP knows it.

    Attributes:
        status: Of the answer.
        kind: OpenAI's word for it, e.g. `invalid_request_error`.
        code: Ours, or the one OpenAI's clients look for.
    """

    status: int
    kind: str
    code: str


class Dialect(NamedTuple):
    """One protocol.

    Attributes:
        name: Kept with every call: `chat`, `completion`, `responses`, `messages`, `loglikelihood`.
        read: The requests in a body. Raises `Failure` (code `bad_request`).
        whole: The answer that is not streamed: of outputs, the model's name and the body.
        events: The events of a streamed answer, of the same; None when it cannot be streamed.
        error: The body that tells of a failure.
        broken: The events that tell of a failure in a stream that has begun.
        last: What ends a stream, as bytes.
    """

    name: str
    read: Callable[[Body], Sequence[Request]]
    whole: Callable[[Sequence[Output], str, Body], dict[str, Any]]
    events: Callable[[Sequence[Output], str, Body], Iterator[Event]] | None
    error: Callable[[Error], dict[str, Any]]
    broken: Callable[[Error, str, Body], Iterable[Event]]
    last: bytes = b""


def bad_request(message: str) -> Failure:
    """A body that cannot be answered, as the failure that becomes a 400."""
    return Failure(Error(kind="agent", code="bad_request", message=message))


def refusal(error: Error) -> Refusal:
    """How a failure is told."""
    code = error.code or "error"
    if code.startswith("limit:") or code == "stopping":
        return Refusal(429, "budget_exceeded", code)
    if code == "bad_request":
        return Refusal(400, "invalid_request_error", code)
    if code == "context_length":
        return Refusal(400, "invalid_request_error", "context_length_exceeded")
    if code == "not_found":
        return Refusal(404, "not_found_error", code)
    if code == "unknown_token":
        return Refusal(401, "authentication_error", code)
    match = re.fullmatch(r"http_(\d{3})", code)
    # The provider refusing the key is not the program's token being wrong.
    status = int(match[1]) if match and match[1] not in ("401", "403") else 502
    return Refusal(status, "provider_error", code)


def openai_error(error: Error) -> dict[str, Any]:
    """A failure as OpenAI's clients expect it."""
    _, kind, code = refusal(error)
    return {"error": {"message": error.message, "type": kind, "code": code}}


def read_sampling(values: Mapping[str, Any]) -> SamplingParams:
    """Sampling out of loose JSON; None is not set. Raises `Failure` (code `bad_request`)."""
    try:
        return msgspec.convert({k: v for k, v in values.items() if v is not None}, SamplingParams, strict=False)
    except msgspec.ValidationError as error:
        raise bad_request(str(error)) from None


def read_message(values: Mapping[str, Any], where: str) -> Message:
    """A message out of loose JSON. Raises `Failure` (code `bad_request`) that says where."""
    try:
        return msgspec.convert({k: v for k, v in values.items() if v is not None}, Message)
    except msgspec.ValidationError as error:
        raise bad_request(f"{where}: {error}") from None


def read_call(identifier: Any, name: Any, arguments: Any) -> ToolCall:
    """A tool call whose arguments are JSON text; text that is no object is kept as it is."""
    text = arguments if isinstance(arguments, str) else ""
    try:
        parsed, raw = msgspec.json.decode(text or "{}", type=dict[str, Any]), None
    except (msgspec.DecodeError, msgspec.ValidationError):
        parsed, raw = {}, text
    return ToolCall(id=str(identifier), name=str(name), arguments=parsed, raw=raw)


def arguments_text(call: ToolCall) -> str:
    """A call's arguments as JSON text, or as the model wrote them when they are none."""
    return call.raw if call.raw is not None else msgspec.json.encode(call.arguments).decode()


def joined(parts: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """Content parts as they are, or as plain text when all of them are text."""
    if all(p.get("type") == "text" for p in parts):
        return "\n".join(str(p["text"]) for p in parts)
    return parts
