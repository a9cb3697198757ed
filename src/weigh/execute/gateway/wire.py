"""OpenAI's chat completions and completions, and weigh's own loglikelihoods: read and answered.

`execute/providers/wire.py` is the client's side of the same. A field nobody here knows is passed on to the provider as
it is; a field that would change the answer and cannot be honoured is refused, never ignored.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from weigh.execute.gateway.dialect import (
    DEFAULT_MAX_TOKENS,
    Body,
    Dialect,
    Event,
    arguments_text,
    bad_request,
    openai_error,
    read_call,
    read_message,
    read_sampling,
)
from weigh.records.errors import Error
from weigh.records.request import (
    ChatRequest,
    CompletionRequest,
    LoglikelihoodRequest,
    Message,
    Output,
    SamplingParams,
    ToolSpec,
)
from weigh.records.usage import Usage, add_usage

_IGNORED = frozenset({"stream", "stream_options", "user", "store", "metadata", "service_tier", "model", "prompt",
                      "messages", "functions", "parallel_tool_calls", "n", "best_of", "echo"})  # fmt: skip
_SAMPLING = frozenset({"temperature", "max_tokens", "max_completion_tokens", "top_p", "top_k", "stop", "seed",
                       "frequency_penalty", "presence_penalty", "logprobs", "top_logprobs"})  # fmt: skip
_CHAT = frozenset({"tools", "tool_choice", "response_format"})

ECHO = (
    "echo is not offered: no provider here gives the log-probabilities of a prompt's tokens. POST context and "
    "continuations to /weigh/loglikelihood instead (see docs/gateway.md)"
)


def chat_request(body: Mapping[str, Any]) -> ChatRequest:
    """Read the body of `POST /v1/chat/completions`. Raises `Failure` (code `bad_request`)."""
    _refuse(body)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise bad_request("messages: expected a list with at least one message")
    schema, response_format = None, body.get("response_format")
    if isinstance(response_format, Mapping):
        kind = response_format.get("type")
        if kind == "json_schema":
            schema = dict((response_format.get("json_schema") or {}).get("schema") or {})
        elif kind == "json_object":
            schema = {"type": "object"}
    return ChatRequest(
        messages=tuple(_message(m, i) for i, m in enumerate(messages)),
        sampling=_sampling(body, chat=True),
        tools=tuple(_tool(t, i) for i, t in enumerate(body.get("tools") or ())),
        tool_choice=_tool_choice(body.get("tool_choice")),
        response_schema=schema,
    )


def completion_requests(body: Mapping[str, Any]) -> list[CompletionRequest]:
    """Read the body of `POST /v1/completions`: one request a prompt. Raises `Failure` (code `bad_request`)."""
    _refuse(body)
    if body.get("echo"):
        raise bad_request(ECHO)
    prompts = body.get("prompt", "")
    prompts = [prompts] if isinstance(prompts, str) else prompts
    if not isinstance(prompts, list) or not prompts or not all(isinstance(p, str) for p in prompts):
        raise bad_request("prompt: expected text or a list of texts; token ids mean nothing to another model")
    sampling = _sampling(body, chat=False)
    return [CompletionRequest(prompt=prompt, sampling=sampling) for prompt in prompts]


def loglikelihood_request(body: Mapping[str, Any]) -> LoglikelihoodRequest:
    """Read the body of `POST /weigh/loglikelihood`. Raises `Failure` (code `bad_request`)."""
    wanted = {k: body[k] for k in ("context", "continuations", "unconditional_context") if k in body}
    try:
        request = msgspec.convert({"kind": "loglikelihood", **wanted}, LoglikelihoodRequest)
    except msgspec.ValidationError as error:
        raise bad_request(f"expected context (text) and continuations (a list of texts): {error}") from None
    if not request.continuations:
        raise bad_request("continuations: expected at least one text")
    return request


def _chat_whole(outputs: Sequence[Output], model: str, body: Body) -> dict[str, Any]:
    [output] = outputs
    choice: dict[str, Any] = {"index": 0, "message": _answer(output), "finish_reason": finish_reason(output)}
    if output.logprobs is not None:
        choice["logprobs"] = {"content": output.logprobs}
    return {**_head("chat.completion", "chatcmpl", model), "choices": [choice], "usage": usage(output.usage)}


def _completion_whole(outputs: Sequence[Output], model: str, body: Body) -> dict[str, Any]:
    choices = [
        {
            "index": index,
            "text": output.text,
            "finish_reason": finish_reason(output),
            "logprobs": output.logprobs[0] if output.logprobs else None,
        }
        for index, output in enumerate(outputs)
    ]
    total = add_usage([o.usage for o in outputs])
    return {**_head("text_completion", "cmpl", model), "choices": choices, "usage": usage(total)}


def _chat_events(outputs: Sequence[Output], model: str, body: Body) -> Iterator[Event]:
    [output] = outputs
    head = _head("chat.completion.chunk", "chatcmpl", model)

    def chunk(delta: dict[str, Any], finish: str | None = None, logprobs: Any = None) -> Event:
        more = {} if logprobs is None else {"logprobs": {"content": logprobs}}
        return Event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish, **more}]})

    answer = _answer(output)
    yield chunk({"role": "assistant", "content": ""})
    if output.reasoning:
        yield chunk({"reasoning_content": output.reasoning})
    if output.text:
        yield chunk({"content": output.text}, logprobs=output.logprobs)
    for index, call in enumerate(answer.get("tool_calls", ())):
        yield chunk({"tool_calls": [{"index": index, **call}]})
    yield chunk({}, finish_reason(output))
    if _with_usage(body):
        yield Event({**head, "choices": [], "usage": usage(output.usage)})


def _completion_events(outputs: Sequence[Output], model: str, body: Body) -> Iterator[Event]:
    whole = _completion_whole(outputs, model, body)
    total = whole.pop("usage")
    for choice in whole["choices"]:
        yield Event({**whole, "choices": [choice]})
    if _with_usage(body):
        yield Event({**whole, "choices": [], "usage": total})


def _loglikelihood_whole(outputs: Sequence[Output], model: str, body: Body) -> dict[str, Any]:
    return {"model": model, "continuations": msgspec.to_builtins(outputs[0].continuations)}


def _broken(error: Error, model: str, body: Body) -> Iterable[Event]:
    return (Event(openai_error(error)),)


def _with_usage(body: Body) -> bool:
    return bool((body.get("stream_options") or {}).get("include_usage"))


CHAT = Dialect("chat", lambda body: (chat_request(body),), _chat_whole, _chat_events, openai_error, _broken,
               b"data: [DONE]\n\n")  # fmt: skip
COMPLETION = Dialect("completion", completion_requests, _completion_whole, _completion_events, openai_error, _broken,
                     b"data: [DONE]\n\n")  # fmt: skip
LOGLIKELIHOOD = Dialect("loglikelihood", lambda body: (loglikelihood_request(body),), _loglikelihood_whole, None,
                        openai_error, _broken)  # fmt: skip


def usage(used: Usage) -> dict[str, Any]:
    """Token counts as OpenAI gives them; a count nobody knows is 0 there, since clients insist on a number."""
    prompt = (used.new or 0) + (used.cached or 0)
    out: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": used.generated or 0,
        "total_tokens": prompt + (used.generated or 0),
    }
    if used.cached is not None:
        out["prompt_tokens_details"] = {"cached_tokens": used.cached}
    if used.reasoning is not None:
        out["completion_tokens_details"] = {"reasoning_tokens": used.reasoning}
    return out


def finish_reason(output: Output) -> str:
    """Why the model stopped; a client needs some reason, so where nobody said it is `stop` (or `tool_calls`)."""
    return output.finish_reason or ("tool_calls" if output.tool_calls else "stop")


def _refuse(body: Mapping[str, Any]) -> None:
    for field in ("n", "best_of"):
        if body.get(field) not in (None, 1):
            raise bad_request(f"{field}: one answer a request; ask again for another")


def _head(kind: str, prefix: str, model: str) -> dict[str, Any]:
    return {"id": f"{prefix}-{secrets.token_hex(8)}", "object": kind, "created": int(time.time()), "model": model}


def _answer(output: Output) -> dict[str, Any]:
    answer: dict[str, Any] = {"role": "assistant", "content": output.text}
    if output.reasoning:
        answer["reasoning_content"] = output.reasoning
    if output.tool_calls:
        answer["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": arguments_text(call)},
            }
            for call in output.tool_calls
        ]
        answer["content"] = output.text or None
    return answer


def _sampling(body: Mapping[str, Any], *, chat: bool) -> SamplingParams:
    tokens = body.get("max_completion_tokens", body.get("max_tokens"))
    stop = body.get("stop")
    logprobs = body.get("logprobs")
    if chat:
        logprobs = int(body.get("top_logprobs") or 0) if logprobs else None
    known = _IGNORED | _SAMPLING | (_CHAT if chat else frozenset())
    wire = {
        "temperature": body.get("temperature"),
        "max_tokens": DEFAULT_MAX_TOKENS if tokens is None else tokens,
        "top_p": body.get("top_p"),
        "top_k": body.get("top_k"),
        "stop": [stop] if isinstance(stop, str) else stop,
        "seed": body.get("seed"),
        "frequency_penalty": body.get("frequency_penalty"),
        "presence_penalty": body.get("presence_penalty"),
        "logprobs": logprobs,
        "extra": {k: v for k, v in body.items() if k not in known and v is not None},
    }
    return read_sampling(wire)


def _message(wire: Any, index: int) -> Message:
    if not isinstance(wire, Mapping):
        raise bad_request(f"messages[{index}]: expected an object")
    role = "system" if wire.get("role") == "developer" else wire.get("role")
    calls = [
        read_call(
            call.get("id"), (call.get("function") or {}).get("name"), (call.get("function") or {}).get("arguments")
        )
        for call in wire.get("tool_calls") or ()
    ]
    plain = {
        "role": role,
        "content": wire.get("content") or "",
        "reasoning": wire.get("reasoning_content"),
        "tool_call_id": wire.get("tool_call_id"),
        "name": wire.get("name"),
    }
    message = read_message(plain, f"messages[{index}]")
    return msgspec.structs.replace(message, tool_calls=tuple(calls)) if calls else message


def _tool(wire: Any, index: int) -> ToolSpec:
    function = wire.get("function") if isinstance(wire, Mapping) else None
    if not isinstance(function, Mapping) or not function.get("name"):
        raise bad_request(f"tools[{index}]: expected a function with a name")
    return ToolSpec(
        name=str(function["name"]),
        description=str(function.get("description") or ""),
        parameters=dict(function.get("parameters") or {}),
    )


def _tool_choice(wire: Any) -> str | None:
    if isinstance(wire, Mapping):
        return str((wire.get("function") or {}).get("name"))
    return None if wire is None else str(wire)
