"""Recordings: what a model was asked and what it answered, one JSON line a call, so that it can be replayed.

    {"format": "weigh-calls", "version": 1, "model": "...", "cell": {"task": ..., "instance": ..., "epoch": 0, ...}}
    {"at": ..., "seconds": ..., "request": {...}, "output": {...}}
    {"at": ..., "seconds": ..., "like": {"call": 0, "messages": 3, "tools": true}, "request": {...}, "error": {...}}

An agent sends its whole conversation with every call. `like` names an earlier call (from 0): the request begins with so
many of its messages, and has its tools where `tools` says so; only what comes after them is written.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from weigh.records.arm import Axis
from weigh.records.errors import DefinitionError, Error
from weigh.records.request import ChatRequest, Output, Request

FORMAT = "weigh-calls"
VERSION = 1
NAME = "calls.jsonl"
"""The file's name among the artifacts of a trial."""
_LOOK_BACK = 8
"""So many earlier calls are looked at for a common beginning: an agent and its helpers take turns."""

_encode = msgspec.json.Encoder().encode


class CellName(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which trial a recording is of.

    Attributes:
        task, variant, instance, epoch: As in `Trial`.
        axes: Of its arm.
    """

    task: str
    variant: str = ""
    instance: str
    epoch: int = 0
    axes: dict[str, Axis] = {}


class Head(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The first line.

    Attributes:
        model: The provider's name.
        at: Unix time at which it was begun.
        cell: None where no trial was recorded, but a program by hand.
    """

    format: str = FORMAT
    version: int = VERSION
    model: str = ""
    at: float = 0.0
    cell: CellName | None = None


class Like(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a request shares with an earlier one."""

    call: int
    messages: int
    tools: bool = False


class RecordedCall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call.

    Attributes:
        at: Unix time at which it was sent.
        seconds: Until its answer.
        request: As the provider got it.
        output: None when it failed.
        error: Why it failed in the end.
        retries: How often it was tried again.
        question, wire: As the gateway knows them.
        like: What was left out of `request`; None once it has been read.
    """

    at: float
    seconds: float
    request: Request
    output: Output | None = None
    error: Error | None = None
    retries: int = 0
    question: str | None = None
    wire: str = ""
    like: Like | None = None


class Recorder:
    """Turns calls into lines, oldest first."""

    def __init__(self, head: Head) -> None:
        self._requests: list[Request] = []
        self.first = _line(msgspec.to_builtins(head) | {"format": FORMAT, "version": VERSION})

    def line(self, call: RecordedCall) -> str:
        """The line of the next call."""
        like = self._like(call.request)
        self._requests.append(call.request)
        if like is not None and isinstance(call.request, ChatRequest):
            short = msgspec.structs.replace(
                call.request,
                messages=call.request.messages[like.messages :],
                tools=() if like.tools else call.request.tools,
            )
            call = msgspec.structs.replace(call, request=short, like=like)
        return _line(call)

    def _like(self, request: Request) -> Like | None:
        best: Like | None = None
        if not isinstance(request, ChatRequest):
            return None
        for index in range(len(self._requests) - 1, max(-1, len(self._requests) - 1 - _LOOK_BACK), -1):
            earlier = self._requests[index]
            if isinstance(earlier, ChatRequest):
                shared = _shared(earlier, request)
                if shared > (best.messages if best else 0):
                    tools = bool(request.tools) and earlier.tools == request.tools
                    best = Like(call=index, messages=shared, tools=tools)
        return best


def recording_text(head: Head, calls: Iterable[RecordedCall]) -> str:
    """A whole recording."""
    recorder = Recorder(head)
    return recorder.first + "".join(recorder.line(call) for call in calls)


class RecordingFile:
    """Writes a recording as the calls come. A context manager; an existing file is never written over."""

    def __init__(self, path: Path, model: str) -> None:
        self.path = path
        self._recorder = Recorder(Head(model=model, at=time.time()))
        self._file: IO[str] | None = None

    def __enter__(self) -> RecordingFile:
        try:
            self._file = self.path.open("x", encoding="utf-8")
        except OSError as error:
            raise DefinitionError(f"cannot record to {self.path}: {error.strerror}") from None
        self._write(self._recorder.first)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, call: RecordedCall) -> None:
        """Append a call."""
        self._write(self._recorder.line(call))

    def _write(self, line: str) -> None:
        assert self._file is not None
        self._file.write(line)
        self._file.flush()


def read_head(path: Path) -> Head:
    """The first line of a recording. Raises `DefinitionError` when it is none, or a later version's."""
    try:
        with path.open("rb") as file:
            return _head(file.readline(), path)
    except OSError as error:
        raise DefinitionError(f"cannot read {path}: {error.strerror}") from None


def read_calls(path: Path) -> Iterator[RecordedCall]:
    """The calls of a recording, their requests whole again. Raises `DefinitionError` naming the line."""
    lines = path.read_bytes().splitlines()
    _head(lines[0] if lines else b"", path)
    found: list[RecordedCall] = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            call = _decode(line)
            call = msgspec.structs.replace(call, request=_whole(call, found), like=None)
        except (msgspec.DecodeError, msgspec.ValidationError, IndexError) as error:
            if number == len(lines) and not path.read_bytes().endswith(b"\n"):
                return  # it was being written when its writer was killed
            raise DefinitionError(f"{path}, line {number}: no recorded call: {error}") from None
        found.append(call)
        yield call


def _whole(call: RecordedCall, earlier: Sequence[RecordedCall]) -> Request:
    if call.like is None or not isinstance(call.request, ChatRequest):
        return call.request
    base = earlier[call.like.call].request
    if not isinstance(base, ChatRequest):
        raise IndexError(f"call {call.like.call} is no chat")
    return msgspec.structs.replace(
        call.request,
        messages=(*base.messages[: call.like.messages], *call.request.messages),
        tools=base.tools if call.like.tools else call.request.tools,
    )


def _shared(earlier: ChatRequest, request: ChatRequest) -> int:
    count = 0
    for one, other in zip(earlier.messages, request.messages, strict=False):
        if one is not other and one != other:
            break
        count += 1
    return count


def _head(line: bytes, path: Path) -> Head:
    try:
        head = msgspec.json.decode(line, type=Head)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise DefinitionError(f"{path} is no recording: {error}") from None
    if head.format != FORMAT or b'"format"' not in line:
        raise DefinitionError(f"{path} is no recording of calls (its first line does not say {FORMAT!r})")
    if head.version > VERSION:
        raise DefinitionError(f"{path} is of version {head.version}, this weigh reads up to {VERSION}: update weigh")
    return head


def _line(value: Any) -> str:
    return _encode(value).decode() + "\n"


_decode = msgspec.json.Decoder(RecordedCall).decode
