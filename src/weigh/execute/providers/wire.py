"""The OpenAI wire format: requests to JSON, JSON to outputs. Pure functions; who sends them does not matter."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from weigh.execute.prices import Price
from weigh.records.errors import Error, Failure
from weigh.records.request import ChatRequest, CompletionRequest, Message, Output, SamplingParams, ToolCall
from weigh.records.usage import Usage


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    cost: float | None = None


class _Function(msgspec.Struct):
    name: str = ""
    arguments: Any = None


class _ToolCall(msgspec.Struct):
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct):
    content: Any = None
    reasoning_content: str | None = None
    reasoning: Any = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Any = None


class Response(msgspec.Struct):
    """What a server answers to a chat or a completion, so far as it is used."""

    choices: list[_Choice] = []
    usage: _Usage | None = None
    model: str | None = None
    error: Any = None


decode_response = msgspec.json.Decoder(Response).decode


def chat_body(
    request: ChatRequest, model: str, *, max_tokens_field: str = "max_tokens", extra: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The body of `POST /chat/completions`."""
    body: dict[str, Any] = {"model": model, "messages": [_message(m) for m in request.messages]}
    _sampling(body, request.sampling, max_tokens_field)
    if request.sampling.logprobs is not None:
        body["logprobs"] = True
        if request.sampling.logprobs > 0:
            body["top_logprobs"] = request.sampling.logprobs
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": t.name,
                    "description": t.description,
                    "parameters": t.parameters or _NO_PARAMETERS,
                },
            }
            for t in request.tools
        ]
        if request.tool_choice is not None:
            body["tool_choice"] = (
                request.tool_choice
                if request.tool_choice in ("auto", "none", "required")
                else {"type": "function", "function": {"name": request.tool_choice}}
            )
    if request.response_schema is not None:
        schema = {"name": "answer", "schema": request.response_schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if extra:
        body.update(extra)
    return body


def completion_body(
    request: CompletionRequest, model: str, *, extra: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The body of `POST /completions`."""
    body: dict[str, Any] = {"model": model, "prompt": request.prompt}
    _sampling(body, request.sampling, "max_tokens")
    if request.sampling.logprobs is not None:
        body["logprobs"] = request.sampling.logprobs
    if extra:
        body.update(extra)
    return body


def without(body: dict[str, Any], fields: Collection[str]) -> dict[str, Any]:
    """A body without the fields a server refuses (`temperature` with some reasoning models)."""
    return {k: v for k, v in body.items() if k not in fields} if fields else body


def to_output(response: Response, *, price: Price | None = None) -> Output:
    """The output a response holds. Raises `Failure` when it holds an error, or no choice at all."""
    if not response.choices:
        raise Failure(_embedded_error(response.error))
    choice = response.choices[0]
    usage = to_usage(response.usage, price)
    message = choice.message
    if message is None:
        return Output(
            text=choice.text or "",
            finish_reason=choice.finish_reason,
            usage=usage,
            model=response.model,
            logprobs=None if choice.logprobs is None else [choice.logprobs],
        )
    text = message.content if isinstance(message.content, str) else _joined(message.content)
    finish = choice.finish_reason
    if message.refusal and not text:
        text, finish = message.refusal, "refusal"
    reasoning = message.reasoning_content or (message.reasoning if isinstance(message.reasoning, str) else None)
    logprobs = None
    if choice.logprobs is not None:
        logprobs = choice.logprobs.get("content") if isinstance(choice.logprobs, dict) else None
    return Output(
        text=text,
        reasoning=reasoning or None,
        tool_calls=tuple(_tool_call(c, i) for i, c in enumerate(message.tool_calls)) if message.tool_calls else (),
        finish_reason=finish,
        usage=usage,
        model=response.model,
        logprobs=logprobs,
    )


def to_usage(wire: _Usage | None, price: Price | None = None) -> Usage:
    """Usage in our words: prompt tokens are split into new and cached ones."""
    if wire is None:
        return Usage(calls=1)
    cached = wire.prompt_tokens_details.cached_tokens if wire.prompt_tokens_details else None
    reasoning = wire.completion_tokens_details.reasoning_tokens if wire.completion_tokens_details else None
    new = wire.prompt_tokens
    if new is not None and cached is not None:
        new = max(0, new - cached)
    cost = wire.cost
    if cost is None and price is not None:
        cost = price.of(new, cached, wire.completion_tokens)
    return Usage(new=new, cached=cached, generated=wire.completion_tokens, reasoning=reasoning, cost=cost, calls=1)


_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


def _message(message: Message) -> dict[str, Any]:
    out: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        out["tool_calls"] = [
            {
                "id": c.id,
                "type": "function",
                "function": {
                    "name": c.name,
                    "arguments": c.raw if c.raw is not None else msgspec.json.encode(c.arguments).decode(),
                },
            }
            for c in message.tool_calls
        ]
    if message.tool_call_id is not None:
        out["tool_call_id"] = message.tool_call_id
    return out


def _sampling(body: dict[str, Any], sampling: SamplingParams, max_tokens_field: str) -> None:
    body[max_tokens_field] = sampling.max_tokens
    body["temperature"] = sampling.temperature
    if sampling.stop:
        body["stop"] = sampling.stop
    if sampling.top_p is not None:
        body["top_p"] = sampling.top_p
    if sampling.top_k is not None:
        body["top_k"] = sampling.top_k
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if sampling.frequency_penalty is not None:
        body["frequency_penalty"] = sampling.frequency_penalty
    if sampling.presence_penalty is not None:
        body["presence_penalty"] = sampling.presence_penalty
    if sampling.extra:
        body.update(sampling.extra)


def _tool_call(call: _ToolCall, index: int) -> ToolCall:
    function = call.function or _Function()
    name, arguments = function.name, function.arguments
    identifier = call.id or f"call_{index}"
    if isinstance(arguments, dict):
        return ToolCall(id=identifier, name=name, arguments=arguments)
    text = arguments if isinstance(arguments, str) else ""
    if not text.strip():
        return ToolCall(id=identifier, name=name)
    try:
        return ToolCall(id=identifier, name=name, arguments=msgspec.json.decode(text, type=dict[str, Any]))
    except (msgspec.DecodeError, msgspec.ValidationError):
        return ToolCall(id=identifier, name=name, raw=text)


def _joined(content: Any) -> str:
    if not isinstance(content, list):
        return ""
    return "".join(p.get("text") or "" for p in content if isinstance(p, dict) and p.get("type") in ("text", None))


def _embedded_error(error: Any) -> Error:
    """Some gateways answer 200 with an error inside."""
    if isinstance(error, dict):
        code = error.get("code")
        status = code if isinstance(code, int) else None
        transient = status is None or status in (408, 429) or status >= 500
        message = str(error.get("message") or "the server sent an error without words")[:400]
        return Error(
            kind="provider", code=f"http_{status}" if status else "error", message=message, transient=transient
        )
    return Error(kind="provider", code="garbage", message="the answer holds no choice", transient=True)
