"""Asking a judge so that the answer can be read, or that it is known that it cannot.

The reply is one JSON object. It is asked for by schema, looked for wherever in the text it stands, checked field by
field, and asked for again, with what was wrong, a bounded number of times. What is unreadable then is a failure of
kind `judge`: a score that is missing, never a 0.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from weigh.protocols import ScoreContext
from weigh.records.errors import Error, Failure
from weigh.records.request import ChatRequest, Message, Output
from weigh.records.usage import Usage, add_usage
from weigh.score.extract import without_reasoning

Reader = Callable[[dict[str, Any]], dict[str, Any]]
"""Checks the object a judge gave and returns it in canonical form. Raises `Unreadable`."""


class Unreadable(ValueError):
    """A judge's reply is not what was asked for; the text says what is wrong with it."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one judge said.

    Attributes:
        judge: The judge's role in the harness, e.g. `judge-2`.
        model: The model that has it.
        fields: The object it gave, checked.
        repairs: How often it had to be asked again.
        usage: What all of that cost (the first time: a verdict may come from the cache).
    """

    judge: str
    model: str
    fields: dict[str, Any]
    repairs: int
    usage: Usage


async def ask_panel(
    context: ScoreContext, role: str, request: ChatRequest, read: Reader, *, votes: int = 1, repairs: int = 2
) -> list[Verdict]:
    """Ask every judge of the harness that has the role, all at once.

    Args:
        votes: How often each is asked; the seed moves on, so a temperature above 0 gives different votes.
        repairs: How often one is asked again after a reply that cannot be read.

    Raises:
        CapabilityError: The harness has no such judge.
        Failure: Kind `judge`, when one judge could not be asked or its reply could not be read.
    """
    asked = [
        _ask(context, member, model, _reseeded(request, vote), read, repairs)
        for member, model in context.members(role).items()
        for vote in range(votes)
    ]
    results = await asyncio.gather(*asked, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [r for r in results if isinstance(r, Verdict)]


async def _ask(
    context: ScoreContext, member: str, model: str, request: ChatRequest, read: Reader, repairs: int
) -> Verdict:
    usages: list[Usage] = []
    problem = ""
    for attempt in range(repairs + 1):
        output = await context.ask(member, request, usable=lambda reply: _problem(reply, read) is None)
        usages.append(output.usage)
        try:
            fields = read_reply(output, read)
        except Unreadable as error:
            problem = str(error)
            request = _asked_again(request, output, problem)
        else:
            return Verdict(judge=member, model=model, fields=fields, repairs=attempt, usage=add_usage(usages))
    message = f"{member} ({model}): the reply cannot be read after {repairs} repairs: {problem}"
    raise Failure(Error(kind="judge", code="unreadable", message=message, detail=output.text[:2000]))


def read_reply(output: Output, read: Reader) -> dict[str, Any]:
    """The object in a judge's reply, checked. Raises `Unreadable`."""
    found = objects_in(without_reasoning(output.text))
    if not found:
        cut = " (it was cut at the limit of tokens)" if output.finish_reason == "length" else ""
        raise Unreadable(f"there is no JSON object in it{cut}")
    problem: Unreadable | None = None
    for candidate in reversed(found):  # a judge that thinks aloud ends with its verdict
        try:
            return read(candidate)
        except Unreadable as error:
            problem = problem or error
    assert problem is not None
    raise problem


def objects_in(text: str) -> list[dict[str, Any]]:
    """Every outermost JSON object in a text, in order; prose and fences around them do not matter."""
    decoder = json.JSONDecoder(strict=False)
    found: list[dict[str, Any]] = []
    start = text.find("{")
    while start >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except (json.JSONDecodeError, RecursionError):
            end = start + 1
        else:
            found.append(value)
        start = text.find("{", end)
    return found


def pick(fields: dict[str, Any], key: str, labels: Sequence[str]) -> str:
    """One of the labels, case and surrounding white space aside. Raises `Unreadable`."""
    if key not in fields:
        raise Unreadable(f"it has no {key!r}")
    said = str(fields[key]).strip().casefold()
    for label in labels:
        if label.casefold() == said:
            return label
    raise Unreadable(f"{key!r} is {fields[key]!r}, not one of {', '.join(labels)}")


def reason_of(fields: dict[str, Any]) -> str:
    """The judge's reason, if it gave one."""
    return str(fields.get("reason") or "").strip()


def object_schema(properties: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of an object with exactly these fields, the reason first: a judge that has to say why before
    it decides decides better than one that has to defend what it said."""
    fields = {"reason": {"type": "string"}, **properties}
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def _problem(output: Output, read: Reader) -> str | None:
    try:
        read_reply(output, read)
    except Unreadable as error:
        return str(error)
    return None


def _reseeded(request: ChatRequest, vote: int) -> ChatRequest:
    if vote == 0:
        return request
    sampling = msgspec.structs.replace(request.sampling, seed=(request.sampling.seed or 0) + vote)
    return msgspec.structs.replace(request, sampling=sampling)


def _asked_again(request: ChatRequest, output: Output, problem: str) -> ChatRequest:
    again = Message(
        role="user",
        content=f"Your reply cannot be read: {problem}. Reply again, with the JSON object that was asked for and "
        "nothing else.",
    )
    said = Message(role="assistant", content=output.text or "(nothing)")
    return msgspec.structs.replace(request, messages=(*request.messages, said, again))
