"""Markers: scorers that say yes or no to a behaviour ("ran the command-line tool"), by pattern or by predicate.

Several may fire on one trial, or none. They look at outcomes (a timeout, a limit) as at answers: what an agent did
before it was stopped is behaviour all the same. Each says where it matched, so that a page can show it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from weigh.define.own_file import run_file
from weigh.protocols import ScoreContext
from weigh.records.actions import Action
from weigh.records.digest import digest, digest_bytes
from weigh.records.errors import DefinitionError, suggest
from weigh.records.marker import PREFIX, MarkerSpec
from weigh.records.score import Score
from weigh.records.trajectory import Trajectory
from weigh.score.actions import pieces
from weigh.score.base import BaseScorer, scorer_error
from weigh.score.gave_up import gave_up

SHOWN = 20
"""The most matches a score lists."""

GAVE_UP = "gave-up"
"""The built-in marker that one may add to, since its patterns are English."""

TEXT = 200
"""The most characters of a match that are kept."""

BUILT_IN: dict[str, MarkerSpec] = {
    name: MarkerSpec(
        name=name, description=description, predicate=f"weigh.score.marker_rules:{function}", lower_is_better=unwanted
    )
    for name, function, unwanted, description in (
        ("unregistered-call", "unregistered_call", True, "called a tool that was never registered"),
        ("gave-up", "gave_up_marker", True, "the final answer declares the task impossible"),
        ("repeated-call", "repeated_call", True, "made the very same call again, no file having been written between"),
        ("error-recovered", "error_recovered", False, "a call gave an error, and a later one of the same kind did not"),
    )
}
"""The markers that every agent's trial has, by name."""


class Hit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a marker matched.

    Attributes:
        step: The position in `Trajectory.steps`, from 0.
        call: The position among the step's calls; None for a text that is no call's.
        scope: The kind of text, as in `SCOPES`.
        text: What matched, cut to 200 characters.
        start, end: Where in the text of that scope the match stands, where a pattern found it.
    """

    step: int
    scope: str
    text: str
    call: int | None = None
    start: int | None = None
    end: int | None = None


class MarkerScorer(BaseScorer, frozen=True, kw_only=True):
    """1 if the marker fires, else 0; `metadata["hits"]` says where (at most 20), `metadata["count"]` how often.

    Attributes:
        spec: What the marker is.
        base: The folder that a relative `FILE.py` of its predicate begins in; empty for the working folder.
        function: A predicate as a Python object, instead of the spec's.
    """

    spec: MarkerSpec
    base: str = ""
    function: Any = None

    no_match: ClassVar[float | None] = 0.0
    timeout: ClassVar[float | None] = None
    on_outcomes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "name", self.spec.scorer)
        if self.function is None and self.spec.predicate is not None:
            msgspec.structs.force_setattr(self, "function", load_predicate(self.spec, self.base))

    @property
    def lower_is_better(self) -> bool:  # type: ignore[override]
        """As the spec says."""
        return self.spec.lower_is_better

    def digest(self) -> str:
        """Identity: pattern and scope, or the predicate's file; what is only said of it (the description) is none."""
        known: str | None = self.__dict__.get("_digest")
        if known is None:
            known = digest([type(self).__qualname__, self.version, self.spec.scope, self.spec.pattern, self._code()])
            self.__dict__["_digest"] = known
        return known

    def hits(self, trajectory: Trajectory) -> list[Hit]:
        """Every place where it matches."""
        if self.spec.pattern is not None:
            return _distinct(_matches(re.compile(self.spec.pattern, re.MULTILINE), trajectory, self.spec.scope))
        return _distinct(_told(self.function(trajectory), self.spec, trajectory))

    async def score(self, context: ScoreContext) -> Score:
        found = self.hits(context.trajectory)
        if not found:
            return Score(value=0.0, explanation="did not fire")
        first = found[0]
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        return Score(
            value=1.0,
            explanation=f"step {first.step + 1}: {' '.join(first.text.split())[:80]}{more}",
            metadata={"hits": msgspec.to_builtins(found[:SHOWN]), "count": len(found)},
        )

    def _code(self) -> str | None:
        if self.spec.predicate is None or self.spec.predicate.startswith("weigh."):
            return self.spec.predicate
        path = _file(self.spec.predicate, self.base)
        return digest_bytes(path.read_bytes()) if path.is_file() else self.spec.predicate


class GaveUpScorer(MarkerScorer, frozen=True, kw_only=True):
    """The built-in marker `gave-up` with a pattern or predicate of one's own besides; the pattern is held against one
    sentence of the final answer at a time, case ignored, like weigh's own."""

    def hits(self, trajectory: Trajectory) -> list[Hit]:
        if self.spec.pattern is None:
            said = gave_up(trajectory) or self.function(trajectory)
        else:
            said = gave_up(trajectory, [re.compile(self.spec.pattern, re.IGNORECASE)])
        return _distinct(_told(said, self.spec, trajectory))


def marker(name: str, **settings: Any) -> MarkerScorer:
    """The scorer of a marker: of a built-in one by its name, else of `spec`.

    Args:
        name: With or without `marker:` in front.
        settings: `spec` and `base` for one of one's own.

    Raises:
        DefinitionError: There is no such marker, or its predicate cannot be had.
    """
    short = name.removeprefix(PREFIX)
    spec = settings.pop("spec", None)
    if spec is None:
        if short not in BUILT_IN:
            raise DefinitionError(
                f"there is no marker {short!r}{suggest(short, BUILT_IN)} (built in: {', '.join(BUILT_IN)})"
            )
        spec = BUILT_IN[short]
    elif spec.name == GAVE_UP and spec != BUILT_IN[GAVE_UP]:
        return GaveUpScorer(spec=_more_of(spec), **settings)
    elif spec.name in BUILT_IN and spec != BUILT_IN[spec.name]:
        raise DefinitionError(f"marker {spec.name!r} is one of weigh's own, which every study has; choose another name")
    return MarkerScorer(spec=spec, **settings)


def _more_of(spec: MarkerSpec) -> MarkerSpec:
    """What a user wrote of `gave-up`, with the rest of it as it is built in."""
    if spec.scope not in ("answer", "any"):
        raise DefinitionError(f"marker {spec.name!r}: it is looked for in the final answer; leave out the scope")
    if spec.pattern is not None and re.compile(spec.pattern).search(""):
        raise DefinitionError(f"marker {spec.name!r}: the pattern {spec.pattern!r} fits any text, also an empty one")
    known = BUILT_IN[spec.name]
    return msgspec.structs.replace(
        spec, scope="answer", description=spec.description or known.description, lower_is_better=True
    )


def load_predicate(spec: MarkerSpec, base: str = "") -> Callable[[Trajectory], Any]:
    """The function behind a predicate: `FILE.py:NAME`, or `package.module:NAME`.

    Raises:
        DefinitionError: It is not there, or is no function.
    """
    ref = spec.predicate or ""
    where = f"marker {spec.name!r}: predicate"
    place, colon, name = ref.rpartition(":")
    if not colon or not name:
        raise DefinitionError(f"{where} {ref!r} is not FILE.py:FUNCTION")
    if place.endswith(".py"):
        path = _file(ref, base)
        if not path.is_file():
            raise DefinitionError(f"{where} {ref!r}: there is no file {path}")
        known = _run(str(path), path.stat().st_mtime_ns, where)
    else:
        try:
            known = vars(import_module(place))
        except ModuleNotFoundError as error:
            if not place.startswith(error.name or place):
                raise DefinitionError(f"{where} {ref!r}: {error}") from error
            raise DefinitionError(f"{where} {ref!r}: there is no module {place!r}; write FILE.py:FUNCTION") from None
    function = known.get(name)
    if not callable(function):
        names = [n for n, value in known.items() if callable(value) and not n.startswith("_")]
        raise DefinitionError(f"{where} {ref!r}: {place} has no function {name!r}{suggest(name, names)}")
    return function  # type: ignore[no-any-return]


@cache
def _run(path: str, changed: int, where: str) -> dict[str, Any]:
    return run_file(Path(path), where)


def _file(ref: str, base: str) -> Path:
    return Path(base) / ref.rpartition(":")[0]


def _matches(pattern: re.Pattern[str], trajectory: Trajectory, scope: str) -> Iterator[Hit]:
    for piece in pieces(trajectory, scope):
        for found in pattern.finditer(piece.text):
            if found[0]:
                # A program's line is no text of the trajectory, so it says nothing of where the match stands in one.
                start, end = (None, None) if scope == "programs" else found.span()
                yield Hit(
                    step=piece.step, call=piece.call, scope=piece.scope, text=found[0][:TEXT], start=start, end=end
                )


def _told(said: object, spec: MarkerSpec, trajectory: Trajectory) -> Iterator[Hit]:
    """What a predicate returned, as hits: yes or no, a text, an action, or several of these."""
    if said is None or said is False:
        return
    last = max(len(trajectory.steps) - 1, 0)
    if said is True:
        yield Hit(step=last, scope="any", text=spec.description or spec.name)
    elif isinstance(said, str):
        yield Hit(step=last, scope="answer", text=said[:TEXT])
    elif isinstance(said, Hit):
        yield said
    elif isinstance(said, Action):
        yield Hit(step=said.step, call=said.call, scope="calls", text=f"{said.tool} {said.text}"[:TEXT])
    elif isinstance(said, Sequence):
        for one in said:
            yield from _told(one, spec, trajectory)
    else:
        raise scorer_error(
            f"{spec.scorer}: the predicate returned {type(said).__name__}; it returns yes or no, a text, an Action, "
            "or a list of these",
            code="wrong_type",
        )


def _distinct(hits: Iterable[Hit]) -> list[Hit]:
    """Each place once, though it may be in several scopes."""
    seen: dict[tuple[int, int | None, str], Hit] = {}
    for hit in hits:
        seen.setdefault((hit.step, hit.call, hit.text), hit)
    return list(seen.values())
