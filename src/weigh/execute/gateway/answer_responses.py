"""OpenAI's Responses, answered: an output becomes output items, whole or as the events that build them up."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any

from weigh.execute.gateway.dialect import Body, Dialect, Event, arguments_text, openai_error, refusal
from weigh.execute.gateway.wire_responses import read_responses
from weigh.records.errors import Error
from weigh.records.request import Output
from weigh.records.usage import Usage

_ECHOED = ("instructions", "metadata", "reasoning", "temperature", "text", "top_p", "truncation", "user")
"""Fields of the request that OpenAI repeats in the answer."""


def _whole(outputs: Sequence[Output], model: str, body: Body) -> dict[str, Any]:
    [output] = outputs
    return _finished(_head(model, body), output, _items(output))


def _events(outputs: Sequence[Output], model: str, body: Body) -> Iterator[Event]:
    [output] = outputs
    head = _head(model, body)
    number = -1

    def event(kind: str, **data: Any) -> Event:
        nonlocal number
        number += 1
        return Event({"type": kind, "sequence_number": number, **data}, kind)

    yield event("response.created", response=head)
    yield event("response.in_progress", response=head)
    items = _items(output)
    for index, item in enumerate(items):
        at = {"item_id": item["id"], "output_index": index}
        yield event("response.output_item.added", output_index=index, item=_begun(item))
        if item["type"] == "message":
            [part] = item["content"]
            more = {"logprobs": part.get("logprobs", [])}
            empty = {**part, "text": ""}
            yield event("response.content_part.added", **at, content_index=0, part=empty)
            if part["text"]:
                yield event("response.output_text.delta", **at, content_index=0, delta=part["text"], **more)
            yield event("response.output_text.done", **at, content_index=0, text=part["text"], **more)
            yield event("response.content_part.done", **at, content_index=0, part=part)
        elif item["type"] == "reasoning":
            [part] = item["summary"]
            yield event("response.reasoning_summary_part.added", **at, summary_index=0, part={**part, "text": ""})
            yield event("response.reasoning_summary_text.delta", **at, summary_index=0, delta=part["text"])
            yield event("response.reasoning_summary_text.done", **at, summary_index=0, text=part["text"])
            yield event("response.reasoning_summary_part.done", **at, summary_index=0, part=part)
        else:
            yield event("response.function_call_arguments.delta", **at, delta=item["arguments"])
            yield event("response.function_call_arguments.done", **at, name=item["name"], arguments=item["arguments"])
        yield event("response.output_item.done", output_index=index, item=item)
    finished = _finished(head, output, items)
    yield event(f"response.{finished['status']}", response=finished)


def _broken(error: Error, model: str, body: Body) -> Iterator[Event]:
    """OpenAI's own clients raise on `error`; others look for a failed response."""
    head = _head(model, body)
    _, kind, code = refusal(error)
    word = "rate_limit_exceeded" if kind == "budget_exceeded" else "server_error"
    failed = {**head, "status": "failed", "error": {"code": word, "message": error.message}}
    yield Event({"type": "response.created", "sequence_number": 0, "response": head}, "response.created")
    yield Event({"type": "response.failed", "sequence_number": 1, "response": failed}, "response.failed")
    message = {"message": error.message, "code": code, "param": None}
    yield Event({"type": "error", "sequence_number": 2, **message, "error": {"type": kind, **message}}, "error")


def _head(model: str, body: Body) -> dict[str, Any]:
    """A response that has only begun."""
    return {
        "id": f"resp_{secrets.token_hex(12)}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        "previous_response_id": None,
        "store": False,
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "max_output_tokens": body.get("max_output_tokens"),
        "usage": None,
        **{field: body[field] for field in _ECHOED if field in body},
    }


def _finished(head: dict[str, Any], output: Output, items: list[dict[str, Any]]) -> dict[str, Any]:
    cut = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(output.finish_reason or "")
    status = "incomplete" if cut else "completed"
    details = {"reason": cut} if cut else None
    return {**head, "status": status, "incomplete_details": details, "output": items, "usage": _usage(output.usage)}


def _items(output: Output) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if output.reasoning:
        summary = [{"type": "summary_text", "text": output.reasoning}]
        items.append({"id": f"rs_{secrets.token_hex(12)}", "type": "reasoning", "summary": summary})
    if output.text or not output.tool_calls:
        part: dict[str, Any] = {"type": "output_text", "text": output.text, "annotations": []}
        if output.logprobs is not None:
            part["logprobs"] = output.logprobs
        done = "incomplete" if output.finish_reason == "length" else "completed"
        item = {"id": f"msg_{secrets.token_hex(12)}", "type": "message", "role": "assistant", "status": done}
        items.append({**item, "content": [part]})
    items += [
        {
            "id": f"fc_{secrets.token_hex(12)}",
            "type": "function_call",
            "status": "completed",
            "call_id": call.id,
            "name": call.name,
            "arguments": arguments_text(call),
        }
        for call in output.tool_calls
    ]
    return items


def _begun(item: dict[str, Any]) -> dict[str, Any]:
    """An item of which nothing has come yet."""
    empty: dict[str, dict[str, Any]] = {
        "message": {"content": []},
        "reasoning": {"summary": []},
        "function_call": {"arguments": ""},
    }
    begun = {**item, **empty[item["type"]]}
    return {**begun, "status": "in_progress"} if "status" in item else begun


def _usage(used: Usage) -> dict[str, Any]:
    """Token counts as the Responses give them; a count nobody knows is 0 there, since clients insist on a number."""
    given = (used.new or 0) + (used.cached or 0)
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": used.cached or 0},
        "output_tokens": used.generated or 0,
        "output_tokens_details": {"reasoning_tokens": used.reasoning or 0},
        "total_tokens": given + (used.generated or 0),
    }


RESPONSES = Dialect("responses", lambda body: (read_responses(body),), _whole, _events, openai_error, _broken)
