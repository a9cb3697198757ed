"""What a scripted model says: answers by the question, and conversations turn by turn.

Which turn comes next is read off the messages, never remembered: it is the number of the assistant's messages since the
one that the script answers. So any number of conversations can go on at the same time, and a program that goes back in
its conversation gets the turn that belongs there.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from weigh.define.config_file import read_values
from weigh.define.decode import decode
from weigh.define.own_file import run_file
from weigh.records.bounds import Amount, Whole
from weigh.records.digest import digest
from weigh.records.errors import DefinitionError, Error, Failure, suggest
from weigh.records.request import ChatRequest, CompletionRequest, Message, Output, Request, ToolCall
from weigh.records.usage import Usage


class TurnCall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A tool call of a turn.

    Attributes:
        name: The tool, registered or not.
        arguments: The object, or text as a model would write it when it gets the JSON wrong.
        id: Made from the turn and the position when it is left out.
    """

    name: str
    arguments: dict[str, Any] | str = {}
    id: str | None = None


class Turn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One answer of a scripted conversation.

    Attributes:
        text, reasoning, tool_calls, finish_reason: As in `Output`; the reason follows from the calls when left out.
        usage: What it costs; words are counted when it is left out.
        delay: Seconds before it comes.
        fail: The code of a failure that comes first, e.g. `http_500` (can pass) or `http_400` (cannot).
        times: How often that failure comes for one and the same request before the turn is said; 0 is always.
        repeat: Said again and again from here on; without it, a script that has ended is a failure.
    """

    text: str = ""
    reasoning: str | None = None
    tool_calls: tuple[TurnCall, ...] = ()
    finish_reason: str | None = None
    usage: Usage | None = None
    delay: Amount = 0.0
    fail: str | None = None
    times: Whole = 1
    repeat: bool = False


Answer = str | Output | Turn
Script = Sequence[Answer] | Mapping[str, Answer | Sequence[Answer]] | Callable[[Request], Answer]


class Said(msgspec.Struct, frozen=True):
    """What the script says to a request, and which turn of its conversation that is."""

    answer: Answer
    turn: int = 0


def text_of(message: Message) -> str:
    """A message's text; of parts, those that are text."""
    if isinstance(message.content, str):
        return message.content
    return "\n".join(str(p.get("text") or "") for p in message.content if p.get("type") == "text")


def question(request: Request) -> str:
    """The last user message of a chat, the prompt of a completion, the context of a ranking."""
    if isinstance(request, ChatRequest):
        return next((text_of(m) for m in reversed(request.messages) if m.role == "user"), "")
    return request.prompt if isinstance(request, CompletionRequest) else request.context


def turn_number(request: Request, since: int = 0) -> int:
    """How many turns the model has had, from the message with the index `since` on; for scripts that are functions."""
    if not isinstance(request, ChatRequest):
        return 0
    return sum(m.role == "assistant" for m in request.messages[since:])


def answerer(script: Script) -> Callable[[Request], Said]:
    """The script as a function. Raises `DefinitionError` when it is empty."""
    if callable(script):
        return lambda request: Said(script(request), turn_number(request))
    if isinstance(script, Mapping):
        return _by_question(script)
    if not script:
        raise DefinitionError("scripted: the script holds no answers")
    answers = itertools.cycle(script)
    return lambda request: Said(next(answers), turn_number(request))


def _by_question(script: Mapping[str, Answer | Sequence[Answer]]) -> Callable[[Request], Said]:
    keys = sorted((k for k in script if k != "*"), key=len, reverse=True)
    conversations = [k for k in keys if _is_conversation(script[k])]

    def look_up(request: Request) -> Said:
        asked = question(request)
        key = next((k for k in keys if k in asked), None)
        since = 0
        if isinstance(request, ChatRequest) and conversations:
            # An agent says more than its user: a conversation goes on until another one begins.
            for index in range(len(request.messages) - 1, -1, -1):
                message = request.messages[index]
                found = message.role == "user" and next((k for k in conversations if k in text_of(message)), None)
                if found:
                    key, since = (found, index) if key is None or key in conversations else (key, 0)
                    break
        chosen = script.get("*", "") if key is None else script[key]
        if not _is_conversation(chosen):
            return Said(chosen, turn_number(request))  # type: ignore[arg-type]
        turn = turn_number(request, since)
        return Said(_turn(chosen, turn, key or "*"), turn)  # type: ignore[arg-type]

    return look_up


def _is_conversation(answer: Answer | Sequence[Answer]) -> bool:
    return not isinstance(answer, str | Output | Turn)


def _turn(turns: Sequence[Answer], number: int, key: str) -> Answer:
    if number < len(turns):
        said = turns[number]
        return Turn(text=said) if isinstance(said, str) else said
    last = turns[-1] if turns else None
    if isinstance(last, Turn) and last.repeat:
        return last
    message = (
        f"the script for {key!r} has {len(turns)} turns, and turn {number + 1} was asked for; say more, or `repeat`"
    )
    raise Failure(Error(kind="provider", code="script_ended", message=message))


class Tries:
    """Counts how often a turn has failed, so that one that fails twice is said the third time it is asked for."""

    def __init__(self) -> None:
        self._failed: Counter[str] = Counter()

    def check(self, turn: Turn, request: Request) -> None:
        """Raises `Failure` when it is to fail this time."""
        if turn.fail is None:
            return
        key = digest(request)
        if turn.times and self._failed[key] >= turn.times:
            return
        self._failed[key] += 1
        transient = turn.fail in ("http_408", "http_429", "connection", "timeout") or turn.fail.startswith("http_5")
        raise Failure(
            Error(kind="provider", code=turn.fail, message=f"scripted failure ({turn.fail})", transient=transient)
        )


def turn_output(turn: Turn, number: int, request: Request, model: str) -> Output:
    """A turn as an answer of the model."""
    calls = []
    for index, call in enumerate(turn.tool_calls):
        name = call.id or f"call_{number}_{index}"
        if isinstance(call.arguments, str):
            calls.append(ToolCall(id=name, name=call.name, raw=call.arguments))
        else:
            calls.append(ToolCall(id=name, name=call.name, arguments=call.arguments))
    usage = turn.usage
    if usage is None:
        said = [turn.text, turn.reasoning or "", *(str(c.arguments) for c in turn.tool_calls)]
        usage = Usage(new=_words(request), generated=sum(len(s.split()) for s in said) + len(calls), calls=1)
    elif not usage.calls:
        usage = msgspec.structs.replace(usage, calls=1)
    return Output(
        text=turn.text,
        reasoning=turn.reasoning,
        tool_calls=tuple(calls),
        finish_reason=turn.finish_reason or ("tool_calls" if calls else "stop"),
        usage=usage,
        model=model,
    )


def _words(request: Request) -> int:
    if not isinstance(request, ChatRequest):
        return len(question(request).split())
    return sum(
        len(text_of(m).split()) + sum(len(str(c.arguments).split()) for c in m.tool_calls) for m in request.messages
    )


def load_script(model: str) -> Script:
    """The script of `scripted/MODEL`: a file of answers, or a function. Raises `DefinitionError`."""
    path, _, function = model.partition(".py:")
    file = Path(path + ".py" if function else path)
    if not file.is_file():
        raise DefinitionError(
            f"scripted/{model}: there is no file {file}; write echo, constant, FILE.json, FILE.yaml or FILE.py:FUNCTION"
        )
    if function:
        held = run_file(file, f"scripted/{model}")
        found = held.get(function)
        if not callable(found):
            names = [name for name, value in held.items() if callable(value) and not name.startswith("_")]
            raise DefinitionError(f"scripted/{model}: {file} has no function {function!r}{suggest(function, names)}")
        script: Script = found
        return script
    values = read_values(file)
    if not isinstance(values, list | dict):
        raise DefinitionError(f"scripted/{model}: {file} is no list or object of answers, it is {values!r:.40}")
    read: Script = decode(values, _SCRIPT, f"scripted/{model}: {file}")
    return read


_SCRIPT: Any = list[str | Turn] | dict[str, str | Turn | list[str | Turn]]
"""What a file of answers holds."""
