"""How the model got there: which tools it called, with what, in which order, and how directly.

These look only at the trajectory, so they can be changed and run again over what is stored. What the sandbox looked
like at the end is in `weigh.score.state`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

import msgspec

from weigh.protocols import ScoreContext
from weigh.records.errors import DefinitionError
from weigh.records.request import ToolCall
from weigh.records.score import Score
from weigh.records.trajectory import Observation, Trajectory
from weigh.score.base import BaseScorer, scorer_error

Call = tuple[ToolCall, Observation | None]


def calls_of(trajectory: Trajectory) -> list[Call]:
    """Every tool call in order, with what it gave back; None where nothing came back."""
    if not trajectory.steps:
        return [(call, None) for call in trajectory.output.tool_calls]
    return [pair for step in trajectory.steps for pair in _paired(step.tool_calls, step.observations)]


class TrajectoryScorer(BaseScorer, frozen=True, kw_only=True):
    """Base of the scorers of this module: `judge` gets the calls. Never waits."""

    timeout: ClassVar[float | None] = None

    def judge(self, calls: list[Call], context: ScoreContext) -> Score:
        """Score the calls of one trial."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it judges")

    async def score(self, context: ScoreContext) -> Score:
        return self.judge(calls_of(context.trajectory), context)


class ToolCalledScorer(TrajectoryScorer, frozen=True, kw_only=True):
    """1 if each of the tools was called.

    Attributes:
        tools: Their names.
        least: How often at least.
        any: One of them is enough.
    """

    name: str = "tool_called"
    tools: tuple[str, ...] = ()
    least: int = 1
    any: bool = False

    def __post_init__(self) -> None:
        if not self.tools:
            raise DefinitionError(f"{self.name}: say which tools, e.g. tools=('bash',)")

    def judge(self, calls: list[Call], context: ScoreContext) -> Score:
        counts = {tool: sum(call.name == tool for call, _ in calls) for tool in self.tools}
        enough = [n >= self.least for n in counts.values()]
        told = ", ".join(f"{tool} {n}" for tool, n in counts.items())
        return Score(value=float(max(enough) if self.any else min(enough)), explanation=f"calls: {told}")


class ToolNotCalledScorer(TrajectoryScorer, frozen=True, kw_only=True):
    """1 if none of the tools was called; without names: if no tool was called at all."""

    name: str = "tool_not_called"
    tools: tuple[str, ...] = ()

    def judge(self, calls: list[Call], context: ScoreContext) -> Score:
        found = [call.name for call, _ in calls if not self.tools or call.name in self.tools]
        return Score(value=float(not found), explanation=_few(found) or "none was called")


class ToolOrderScorer(TrajectoryScorer, frozen=True, kw_only=True):
    """1 if the tools were called in this order, with anything between; `exact`: these calls and no others."""

    name: str = "tool_order"
    tools: tuple[str, ...] = ()
    exact: bool = False

    def __post_init__(self) -> None:
        if not self.tools:
            raise DefinitionError(f"{self.name}: say in which order, e.g. tools=('read', 'edit')")

    def judge(self, calls: list[Call], context: ScoreContext) -> Score:
        names = [call.name for call, _ in calls]
        rest = iter(names)
        kept = names == list(self.tools) if self.exact else all(tool in rest for tool in self.tools)
        return Score(value=float(kept), explanation="called: " + (_few(names) or "nothing"))


class ExpectedCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that should be made.

    Attributes:
        name: The tool.
        arguments: What its arguments should be. A value may be `{"any_of": [...]}` or `{"regex": "..."}`. Texts are
            compared without white space at their ends, numbers by value.
    """

    name: str
    arguments: dict[str, Any] = {}


class ToolArgumentsScorer(TrajectoryScorer, frozen=True, kw_only=True):
    """1 if every expected call was made with the right arguments. Metadata: which were, and how many were too many.

    Attributes:
        calls: What is expected; when empty, each question's own `inputs["calls"]`.
        ordered: Whether the order matters.
        extra: Whether further calls are allowed.
        strict: Whether arguments that are not mentioned have to be left out.
        partial: Give the share of expected calls that were made instead.
    """

    name: str = "tool_arguments"
    calls: tuple[ExpectedCall, ...] = ()
    ordered: bool = False
    extra: bool = True
    strict: bool = False
    partial: bool = False

    def judge(self, calls: list[Call], context: ScoreContext) -> Score:
        wanted = self._wanted(context)
        made = [call for call, _ in calls]
        fits = [[self._fits(want, call) for call in made] for want in wanted]
        found = _in_order(fits) if self.ordered else _assigned(fits)
        missing = [w.name for w, at in zip(wanted, found, strict=True) if at is None]
        extra = len(made) - (len(wanted) - len(missing))
        right = not missing and (self.extra or not extra)
        share = (len(wanted) - len(missing)) / len(wanted) if wanted else float(right)
        value = (share if self.extra or not extra else 0.0) if self.partial else float(right)
        told = f"missing: {_few(missing)}" if missing else f"all {len(wanted)} expected calls were made"
        return Score(
            value=value,
            explanation=told + (f"; {extra} more" if extra else ""),
            metadata={"found": [at is not None for at in found], "extra": extra},
        )

    def _wanted(self, context: ScoreContext) -> tuple[ExpectedCall, ...]:
        if self.calls:
            return self.calls
        own = context.instance.inputs.get("calls")
        if own is None:
            raise scorer_error(f"{self.name}: neither the scorer nor inputs['calls'] says which calls are expected")
        try:
            return msgspec.convert(own, tuple[ExpectedCall, ...])
        except msgspec.ValidationError as error:
            raise scorer_error(f"{self.name}: inputs['calls']: {error}", code="bad_calls") from None

    def _fits(self, want: ExpectedCall, call: ToolCall) -> bool:
        if call.name != want.name or (self.strict and set(call.arguments) - set(want.arguments)):
            return False
        return all(k in call.arguments and matches(v, call.arguments[k]) for k, v in want.arguments.items())


class EfficiencyScorer(TrajectoryScorer, frozen=True, kw_only=True):
    """How directly: reference / taken, at most 1. Says nothing of success: put it beside a scorer that does.

    Attributes:
        reference: How many it takes; None: `inputs["reference_steps"]`.
        unit: What is counted: `turns` (answers of the model) or `tool_calls`.
    """

    name: str = "efficiency"
    reference: int | None = None
    unit: Literal["turns", "tool_calls"] = "turns"

    def judge(self, calls: list[Call], context: ScoreContext) -> Score:
        reference = self.reference if self.reference is not None else context.instance.inputs.get("reference_steps")
        if not isinstance(reference, int) or reference < 1:
            raise scorer_error(f"{self.name}: no reference: give reference= or inputs['reference_steps'], 1 or more")
        turns = sum(step.source == "model" for step in context.trajectory.steps) or 1
        taken = turns if self.unit == "turns" else len(calls)
        return Score(
            value=min(1.0, reference / max(taken, 1)),
            explanation=f"{taken} {self.unit.replace('_', ' ')}, reference {reference}",
            metadata={"taken": taken, "reference": reference},
        )


class CountScorer(TrajectoryScorer, frozen=True, kw_only=True):
    """Counts calls of a kind; fewer is better, and an outcome without an answer has no count."""

    no_match: ClassVar[float | None] = None
    lower_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float] | None] = None
    unit: ClassVar[str] = "calls"

    def counted(self, calls: list[Call]) -> Iterator[str]:
        """The names of the tools of the calls that count."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it counts")

    def judge(self, calls: list[Call], context: ScoreContext) -> Score:
        found = list(self.counted(calls))
        return Score(value=float(len(found)), explanation=_few(found) or "none", metadata={"calls": len(calls)})


class RepeatedCallsScorer(CountScorer, frozen=True, kw_only=True):
    """How many calls repeat an earlier one, word for word."""

    name: str = "repeated_calls"

    def counted(self, calls: list[Call]) -> Iterator[str]:
        seen: set[bytes] = set()
        for call, _ in calls:
            key = msgspec.json.encode([call.name, call.arguments, call.raw], order="deterministic")
            if key in seen:
                yield call.name
            seen.add(key)


class MalformedCallsScorer(CountScorer, frozen=True, kw_only=True):
    """How many calls could not be made as written: no such tool, arguments that are no JSON or do not fit."""

    name: str = "malformed_calls"

    def counted(self, calls: list[Call]) -> Iterator[str]:
        for call, seen in calls:
            if call.raw is not None or (seen is not None and "malformed" in seen.metadata):
                yield call.name


def matches(wanted: Any, given: Any) -> bool:
    """Whether an argument is what was wanted; see `ExpectedCall`."""
    if isinstance(wanted, dict) and set(wanted) == {"any_of"}:
        return any(matches(option, given) for option in wanted["any_of"])
    if isinstance(wanted, dict) and set(wanted) == {"regex"}:
        return re.search(wanted["regex"], str(given)) is not None
    if isinstance(wanted, bool) or isinstance(given, bool):
        return wanted is given
    if isinstance(wanted, str) and isinstance(given, str):
        return wanted.strip() == given.strip()
    if isinstance(wanted, dict) and isinstance(given, dict):
        return set(wanted) == set(given) and all(matches(v, given[k]) for k, v in wanted.items())
    if isinstance(wanted, list | tuple) and isinstance(given, list | tuple):
        return len(wanted) == len(given) and all(map(matches, wanted, given))
    return bool(wanted == given)


def _paired(calls: Sequence[ToolCall], seen: Sequence[Observation]) -> Iterator[Call]:
    by_id = {observation.call_id: observation for observation in seen}
    return ((call, by_id.get(call.id)) for call in calls)


def _in_order(fits: list[list[bool]]) -> list[int | None]:
    """Each wanted call at the first place after the one before it."""
    found: list[int | None] = []
    start = 0
    for row in fits:
        at = next((i for i in range(start, len(row)) if row[i]), None)
        found.append(at)
        start = start if at is None else at + 1
    return found


def _assigned(fits: list[list[bool]]) -> list[int | None]:
    """As many wanted calls as can be, each at a call of its own (augmenting paths)."""
    owner: dict[int, int] = {}

    def place(want: int, tried: set[int]) -> bool:
        for at, fit in enumerate(fits[want]):
            if fit and at not in tried:
                tried.add(at)
                if at not in owner or place(owner[at], tried):
                    owner[at] = want
                    return True
        return False

    for want in range(len(fits)):
        place(want, set())
    places = {want: at for at, want in owner.items()}
    return [places.get(want) for want in range(len(fits))]


def _few(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
