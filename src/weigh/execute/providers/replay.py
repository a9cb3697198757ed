"""Answers out of recordings, without a model.

    replay/calls.jsonl                      one recording: the recorded answer to the same request
    replay/weigh-store/runs/RUN             a folder: every trial gets its own, by task, instance, epoch and axes
    replay/PATH::match=sequence             the n-th call of a trial gets the n-th answer, whatever is asked
    replay/PATH::model=qwen                 of a folder with several models, this one

What was never recorded is a failure (`not_recorded`) that says what differs, and is never answered.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from weigh.define.decode import decode
from weigh.execute.providers.replay_match import Normaliser, difference, nearest
from weigh.execute.recording import NAME, CellName, Head, RecordedCall, read_calls, read_head
from weigh.protocols import Capability
from weigh.records.digest import digest, digest_file
from weigh.records.errors import DefinitionError, Error, Failure
from weigh.records.request import Output, Request

_OF_THE_MODEL = frozenset({"model", "provider", "checkpoint", "step", "size"})
"""Axes that a replay has of its own, in place of the recorded ones."""


class ReplayOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a recording is replayed.

    Attributes:
        match: `request`: the answer to the same request, repeats in order and then from the start. `sequence`: the n-th
            answer to the n-th call.
        model: Whose recordings, by the axis `model`, where a folder has several.
        volatile: Regular expressions of texts that do not count when requests are compared.
        exact: Compare requests as they are, without putting aside what is known to be volatile.
    """

    match: Literal["request", "sequence"] = "request"
    model: str | None = None
    volatile: tuple[str, ...] = ()
    exact: bool = False


class _Recording(NamedTuple):
    path: Path
    head: Head


class ReplayProvider:
    """Answers from a recording, or from a folder of them."""

    capabilities: frozenset[Capability] = frozenset({"chat", "completion", "loglikelihood", "tools", "logprobs"})
    concurrency: int | None = None

    def __init__(self, path: Path, options: ReplayOptions | None = None, *, name: str | None = None) -> None:
        """
        Args:
            path: A recording, or a folder with recordings named `calls.jsonl` somewhere in it.
            options: How.
            name: What it is called.

        Raises:
            DefinitionError: There is no recording.
        """
        self.name = name or f"replay/{path}"
        self.options = options or ReplayOptions()
        self._normaliser = Normaliser(self.options.volatile, built_in=not self.options.exact)
        files = [path] if path.is_file() else sorted(path.rglob(NAME))
        if not files:
            what = f"no {NAME} in it: was it run with -o record=true?" if path.is_dir() else "no such file or folder"
            raise DefinitionError(f"{self.name}: {path}: {what}")
        self._recordings = [_Recording(file, read_head(file)) for file in files]
        self._whole = path.is_file() or len(files) == 1
        self._player: _Player | None = None

    async def __aenter__(self) -> ReplayProvider:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    async def identity(self) -> dict[str, Any]:
        """What the recordings hold and how they are matched."""
        held = sorted(digest_file(r.path) for r in self._recordings)
        return {"provider": "replay", "recordings": digest(held), "options": msgspec.to_builtins(self.options)}

    def for_trial(self, cell: CellName) -> _Player:
        """What answers one trial: its own recording, from the start."""
        if self._whole:
            return _Player(self._recordings[0], self.options, self._normaliser)
        try:
            found = self._find(cell)
        except Failure as failure:
            return _Player(None, self.options, self._normaliser, missing=failure.error)
        return _Player(found, self.options, self._normaliser)

    async def respond(self, request: Request) -> Output:
        """Answer a program by hand, which has no cell: from the one recording there is."""
        if self._player is None:
            if not self._whole:
                many = f"{self.name} holds {len(self._recordings)} recordings, and this call belongs to no trial"
                raise _not_recorded(f"{many}; name one {NAME}")
            self._player = _Player(self._recordings[0], self.options, self._normaliser)
        return await self._player.respond(request)

    def _find(self, cell: CellName) -> _Recording:
        """The newest recording of a cell. Raises `Failure`."""
        where = f"{cell.task}{':' + cell.variant if cell.variant else ''}, instance {cell.instance}, epoch {cell.epoch}"
        same = [r for r in self._recordings if r.head.cell is not None and _same_cell(r.head.cell, cell)]
        if not same:
            tasks = sorted({r.head.cell.task for r in self._recordings if r.head.cell is not None})
            raise _not_recorded(f"no trial of {where} is recorded (recorded tasks: {', '.join(tasks) or 'none'})")
        models = {str(r.head.cell.axes.get("model")) for r in same if r.head.cell is not None}
        wanted = self.options.model or (cell.axes.get("model") if cell.axes.get("model") in models else None)
        if wanted is not None:
            same = [r for r in same if r.head.cell is not None and r.head.cell.axes.get("model") == wanted]
            if not same:
                raise _not_recorded(
                    f"{where} is not recorded with model {wanted!r}; it is with {', '.join(sorted(models))}"
                )
        elif len(models) > 1:
            raise _not_recorded(f"{where} is recorded with {', '.join(sorted(models))}: choose one with ::model=NAME")
        arms = {digest(r.head.cell.axes) for r in same if r.head.cell is not None}
        if len(arms) > 1:
            raise _not_recorded(f"{where} is recorded in {len(arms)} arms that this run does not tell apart")
        return max(same, key=lambda r: r.head.at)


class _Player:
    """One conversation's way through one recording."""

    def __init__(
        self,
        recording: _Recording | None,
        options: ReplayOptions,
        normaliser: Normaliser,
        *,
        missing: Error | None = None,
    ) -> None:
        self._recording, self._options, self._normaliser, self._missing = recording, options, normaliser, missing
        self._calls: list[RecordedCall] | None = None
        self._plain: list[dict[str, Any]] = []
        self._by_key: dict[str, list[RecordedCall]] = {}
        self._asked: Counter[str] = Counter()
        self._next = 0

    async def respond(self, request: Request) -> Output:
        """The recorded answer. Raises `Failure`: the recorded one, or `not_recorded`."""
        if self._missing is not None or self._recording is None:
            raise Failure(self._missing or Error(kind="provider", code="not_recorded", message="nothing is recorded"))
        if self._calls is None:
            self._load(self._recording.path)
        call = self._in_sequence(request) if self._options.match == "sequence" else self._by_request(request)
        if call.output is None:
            error = call.error or Error(kind="provider", code="not_recorded", message="the recorded call has no answer")
            raise Failure(msgspec.structs.replace(error, transient=False))  # it failed for good when it was recorded
        return call.output

    def _load(self, path: Path) -> None:
        self._calls = [c for c in read_calls(path) if c.output is not None or not _is_refusal(c.error)]
        if self._options.match == "sequence":
            return
        for call in self._calls:
            plain = self._normaliser.plain(call.request)
            self._plain.append(plain)
            self._by_key.setdefault(digest(plain), []).append(call)

    def _in_sequence(self, request: Request) -> RecordedCall:
        calls = self._calls or []
        if self._next >= len(calls):
            raise _not_recorded(f"the recording has {len(calls)} calls, and one more was asked for")
        call = calls[self._next]
        asked, recorded = msgspec.to_builtins(request)["kind"], msgspec.to_builtins(call.request)["kind"]
        if asked != recorded:
            raise _not_recorded(f"call {self._next + 1} asks for a {asked}, recorded is a {recorded}")
        self._next += 1
        return call

    def _by_request(self, request: Request) -> RecordedCall:
        plain = self._normaliser.plain(request)
        key = digest(plain)
        same = self._by_key.get(key)
        if not same:
            if not self._plain:
                raise _not_recorded("the recording holds no call")
            index = nearest(plain, self._plain)
            raise _not_recorded(
                f"nearest is call {index + 1} of the recording; {difference(plain, self._plain[index])}"
            )
        number = self._asked[key]
        self._asked[key] += 1
        return same[number % len(same)]


def _same_cell(recorded: CellName, cell: CellName) -> bool:
    """Whether a recording is of this trial; an axis that only one of them has does not count."""
    shared = (recorded.axes.keys() & cell.axes.keys()) - _OF_THE_MODEL
    return (recorded.task, recorded.variant, recorded.instance, recorded.epoch) == (
        cell.task,
        cell.variant,
        cell.instance,
        cell.epoch,
    ) and all(recorded.axes[a] == cell.axes[a] for a in shared)


def _is_refusal(error: Error | None) -> bool:
    """Whether a call was turned away by a budget: no answer of a model's."""
    code = "" if error is None else error.code or ""
    return code.startswith("limit:") or code == "stopping"


def _not_recorded(why: str) -> Failure:
    return Failure(Error(kind="provider", code="not_recorded", message=f"this request was never recorded: {why}"))


def create(model: str, options: dict[str, Any], *, concurrency: int | None) -> ReplayProvider:
    """Make the provider of `replay/PATH`. Raises `DefinitionError` when there is no recording."""
    name = f"replay/{model}"
    return ReplayProvider(Path(model), decode(options, ReplayOptions, name), name=name)
