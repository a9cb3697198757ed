"""One trial: what scorers, sandboxes, scaffolds and bugs do to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from tests.execute.helpers import FAST, cells, chat, executor, run_all
from weigh.execute.providers.scripted import ScriptedOptions, ScriptedProvider, echo
from weigh.execute.trial_calls import TrialCalls
from weigh.execute.trials import trial_id
from weigh.plan.cell import Cell
from weigh.protocols import Sandbox, ScaffoldContext
from weigh.records.errors import Error, Failure
from weigh.records.request import LoglikelihoodRequest, Output, Request
from weigh.records.score import Score
from weigh.records.trajectory import Step, Trajectory
from weigh.records.trial import Trial
from weigh.records.usage import Usage


async def single(provider: Any = None, **settings: Any) -> Trial:
    trials, _ = await run_all(provider or ScriptedProvider(["42"]), 1, **settings)
    return trials[0]


async def test_a_good_trial_says_everything() -> None:
    trial = await single()
    assert trial.status == "ok" and trial.scores["exact_match"].value == 1.0
    assert trial.trajectory and trial.trajectory.output.text == "42"
    assert trial.usage == Usage(new=1, generated=1, calls=1)
    assert len(trial.attempts) == 1 and trial.attempts[0].error is None
    assert trial.timing.total >= (trial.timing.model or 0) >= 0
    assert msgspec.json.decode(msgspec.json.encode(trial), type=Trial) == trial


@pytest.mark.parametrize(
    "score",
    [
        Score(error=Error(kind="scorer", message="no", code="exception")),
        Score(error=Error(kind="judge", message="no answer")),
        Score(value=float("nan")),
        Score(value=float("inf")),
    ],
)
async def test_a_score_that_is_none_makes_a_failed_trial_that_keeps_its_trajectory(score: Score) -> None:
    async def bad(cell: Cell, trajectory: Trajectory, sandbox: Sandbox | None) -> dict[str, Score]:
        return {"good": Score(value=1.0), "bad": score}

    trial = await single(score=bad)
    assert trial.failed and trial.error and trial.error.kind in ("scorer", "judge")
    assert trial.trajectory is not None and trial.scores["bad"].value is None


async def test_a_scorer_that_raises() -> None:
    async def bad(cell: Cell, trajectory: Trajectory, sandbox: Sandbox | None) -> dict[str, Score]:
        raise ZeroDivisionError("division by zero")

    trial = await single(score=bad)
    assert trial.status == "error" and trial.error and trial.error.kind == "scorer"
    assert "ZeroDivisionError" in trial.error.message and trial.trajectory and not trial.scores


async def test_a_provider_with_a_bug_is_internal() -> None:
    def broken(request: Request) -> str:
        raise TypeError("no")

    trial = await single(ScriptedProvider(broken))
    assert trial.error and trial.error.kind == "internal" and len(trial.attempts) == 1


async def test_a_ranking_is_never_empty_but_no_ranking_is() -> None:
    request = LoglikelihoodRequest(context="a", continuations=(" b", " c"))
    trial = await single(ScriptedProvider(echo), request=request)
    assert trial.status == "ok" and trial.trajectory and len(trial.trajectory.output.continuations) == 2
    nothing = ScriptedProvider(echo, ScriptedOptions(empty_every=1))
    assert (await single(nothing)).status == "empty"


class Turns:
    """A scaffold of several calls."""

    name = "turns"

    def __init__(self, turns: int, then: Callable[[ScaffoldContext], Any] | None = None) -> None:
        self.turns, self.then = turns, then

    async def run(self, request: Request, context: ScaffoldContext) -> Trajectory:
        assert isinstance(context, TrialCalls)
        output = Output()
        for _ in range(self.turns):
            output = await context.provider.respond(request)
            context.steps.append(Step(source="model", message=output.text, usage=output.usage))
        if self.then is not None:
            await self.then(context)
        return Trajectory(request=request, output=output, steps=tuple(context.steps))


async def test_a_failed_call_in_the_middle_costs_only_that_call() -> None:
    provider = ScriptedProvider(["42"], ScriptedOptions(fail_every=3), keep_requests=True)
    trial = await single(provider, scaffold=Turns(4))
    assert trial.status == "ok" and provider.calls == 5
    assert [a.error.code if a.error else None for a in trial.attempts] == ["http_500", None]
    assert trial.usage == Usage(new=4, generated=4, calls=4)


async def test_what_a_deadline_cuts_is_still_shown_and_paid_for() -> None:
    async def endless(context: ScaffoldContext) -> None:
        await asyncio.sleep(600)

    for seconds in (0.5, 5, 60):  # a busy machine may need longer for two turns
        trial = await single(ScriptedProvider(["42"]), scaffold=Turns(2, endless), seconds=seconds)
        if trial.usage.calls == 2:
            break
    assert trial.status == "timeout" and trial.trajectory and len(trial.trajectory.steps) == 2
    assert trial.usage.calls == 2 and trial.trajectory.output.text == "42"


async def test_a_broken_sandbox_gets_a_new_trial_and_is_kept_as_an_attempt() -> None:
    opened: list[int] = []

    def open_sandbox(cell: Cell) -> Any:
        @asynccontextmanager
        async def manager() -> AsyncIterator[Any]:
            opened.append(1)
            if len(opened) == 1:
                raise Failure(Error(kind="sandbox", message="would not start", transient=True))
            yield "a sandbox"

        return manager()

    seen: list[Any] = []

    async def score(cell: Cell, trajectory: Trajectory, sandbox: Sandbox | None) -> dict[str, Score]:
        seen.append(sandbox)
        return {"exact_match": Score(value=1.0)}

    trial = await single(open_sandbox=open_sandbox, score=score)
    assert trial.status == "ok" and seen == ["a sandbox"], "scoring happens while the sandbox lives"
    assert [a.error.kind if a.error else None for a in trial.attempts] == ["sandbox", None]


async def test_a_sandbox_that_never_comes_is_a_failure() -> None:
    def open_sandbox(cell: Cell) -> Any:
        raise Failure(Error(kind="sandbox", message="none here", transient=True))

    trial = await single(open_sandbox=open_sandbox)
    assert trial.error and trial.error.kind == "sandbox" and len(trial.attempts) == FAST.retries + 1


async def test_an_outcome_of_the_scaffold_counts_as_no_match() -> None:
    class GivesUp:
        name = "gives-up"

        async def run(self, request: Request, context: ScaffoldContext) -> Trajectory:
            return Trajectory(request=request, output=Output(), stop_reason="limit:turns")

    trial = await single(scaffold=GivesUp())
    assert trial.status == "limit:turns" and not trial.failed and trial.scores["exact_match"].value == 0.0


async def test_a_megabyte_of_unicode_arrives_whole() -> None:
    text = "∑🙂é\u2028\x00" * 100_000
    trial = await single(ScriptedProvider(echo), request=chat(text))
    assert trial.trajectory and trial.trajectory.output.text == text
    assert msgspec.json.decode(msgspec.json.encode(trial), type=Trial) == trial


async def test_executing_outside_a_pool() -> None:
    trial = await executor(ScriptedProvider(["42"])).execute(next(cells(1)))
    assert trial.status == "ok"


def test_ids_are_short_and_unique() -> None:
    ids = {trial_id() for _ in range(10_000)}
    assert len(ids) == 10_000 and all(len(i) == 12 and i.isalnum() and i == i.lower() for i in ids)
