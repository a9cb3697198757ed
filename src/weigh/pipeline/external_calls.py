"""Which call of the model belongs to which question, when a program makes the calls.

A call belongs to the question that the program named with it (the header `X-Weigh-Question`), else to the one whose
text stands last in its prompt: few-shot examples come before the question asked. Where neither tells, the tokens are
counted for the whole, and if the call failed, no question of that start of the program can be trusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from weigh.execute.gateway.session import Call
from weigh.records.errors import Error
from weigh.records.instance import Instance
from weigh.records.request import LoglikelihoodRequest, Output, Request
from weigh.records.trajectory import Step
from weigh.records.trial import request_text
from weigh.records.usage import Usage, add_usage

_TAIL = 400


class Attributed(msgspec.Struct, kw_only=True):
    """The calls of one start of a program, sorted.

    Attributes:
        by_question: Answered calls by the question's id, in order.
        lost: By the question's id, the error of a call that failed and was never made again with success.
        lost_by_all: The error of such a call that belongs to no single question.
        rest: Usage of answered calls that belong to no single question.
    """

    by_question: dict[str, list[Call]] = {}
    lost: dict[str, Error] = {}
    lost_by_all: Error | None = None
    rest: Usage = Usage()


def attribute(calls: Iterable[Call], questions: Sequence[Instance]) -> Attributed:
    """Sort calls by question."""
    calls = list(calls)
    finder, names = _Finder(questions), {q.id for q in questions}
    found = Attributed(by_question={}, lost={})
    answered = {_key(call.request) for call in calls if call.output is not None}
    rest: list[Usage] = []
    for call in calls:
        owner = call.question if call.question in names else finder.owner(call.request)
        if call.output is not None:
            if owner is None:
                rest.append(call.output.usage)
            else:
                found.by_question.setdefault(owner, []).append(call)
        elif call.error is not None and _key(call.request) not in answered:
            if owner is None:
                found.lost_by_all = call.error
            else:
                found.lost[owner] = call.error
    if rest:
        found.rest = add_usage(rest)
    return found


def steps(calls: Sequence[Call], began: float) -> tuple[Step, ...]:
    """The calls of one question as the steps of a trajectory."""
    made: list[Step] = []
    for call in calls:
        output = call.output or Output()
        at = max(0.0, round(call.at - began, 6))
        made.append(Step(source="user", message=request_text(call.request), at=at))
        metadata = {}
        if isinstance(call.request, LoglikelihoodRequest):
            metadata = {
                "continuations": list(call.request.continuations),
                "logprobs": [c.logprob for c in output.continuations],
            }
        made.append(
            Step(
                source="model",
                message=output.text,
                reasoning=output.reasoning,
                tool_calls=output.tool_calls,
                usage=output.usage,
                seconds=round(call.seconds, 6),
                metadata=metadata,
            )
        )
    return tuple(made)


class _Finder:
    """Looks for the questions' texts in prompts. Prompts come again and again: each is looked at once."""

    def __init__(self, questions: Sequence[Instance]) -> None:
        texts: dict[str, str | None] = {}
        for question in questions:
            text = _plain(question.question)[-_TAIL:]
            if text:
                texts[text] = None if text in texts else question.id  # two questions with one text: nobody can tell
        self._texts = texts
        self._known: dict[str, str | None] = {}

    def owner(self, request: Request) -> str | None:
        prompt = _plain(request_text(request))
        if prompt not in self._known:
            best, owner, length = -1, None, 0
            for text, name in self._texts.items():
                at = prompt.rfind(text)
                # Of two that end at one place, one is the end of the other: the longer is meant.
                if at >= 0 and (at + len(text), len(text)) > (best, length):
                    best, owner, length = at + len(text), name, len(text)
            self._known[prompt] = owner
        return self._known[prompt]


def _plain(text: str) -> str:
    """Without differences of white space, which templates add and take away."""
    return " ".join(text.split())


def _key(request: Request) -> bytes:
    return msgspec.json.encode(request)
