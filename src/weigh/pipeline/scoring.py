"""Judging trials: brings the scorers of a task together with what they may use.

The pool calls `score` while a trial's sandbox lives; rescoring calls it on stored trajectories. Both go through the
same guard, so a scorer that raises is a failed score in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from weigh.execute.sandboxes.pool import SandboxPool
from weigh.plan.cell import Cell
from weigh.protocols import Provider, Sandbox, Scorer
from weigh.records.errors import CapabilityError
from weigh.records.instance import Instance
from weigh.records.request import Output, Request
from weigh.records.score import Score
from weigh.records.trajectory import Trajectory
from weigh.score.guard import no_match_scores, score_trial

TaskKey = tuple[str, str]
"""Base name and variant."""


class TrialScoreContext:
    """What the scorers of one trial may use (`weigh.protocols.ScoreContext`)."""

    __slots__ = ("_leased", "_scoring", "instance", "sandbox", "trajectory")

    def __init__(self, scoring: Scoring, instance: Instance, trajectory: Trajectory, sandbox: Sandbox | None) -> None:
        self.instance = instance
        self.trajectory = trajectory
        self.sandbox = sandbox
        self._scoring = scoring
        self._leased: list[Sandbox] = []

    async def ask(self, role: str, request: Request) -> Output:
        """Ask a helper model of the harness by its role."""
        provider = self._scoring.helpers.get(role)
        if provider is None:
            raise CapabilityError(
                f"no helper model has the role '{role}'; add one with -o helpers.{role}=PROVIDER/NAME"
            )
        return await provider.respond(request)

    async def open_sandbox(self) -> Sandbox:
        """Lease a fresh sandbox; it is given back when scoring ends."""
        pool = self._scoring.sandboxes
        if pool is None:
            raise CapabilityError("this run has no sandbox to score in; see `weigh doctor`")
        sandbox = await pool.acquire()
        self._leased.append(sandbox)
        return sandbox

    async def close(self) -> None:
        """Give back what was leased."""
        if self._scoring.sandboxes is not None:
            for sandbox in self._leased:
                await self._scoring.sandboxes.release(sandbox)


class Scoring:
    """The scorers of a run's tasks, with the sandboxes and helper models they share."""

    def __init__(
        self,
        scorers: Mapping[TaskKey, Sequence[Scorer]],
        *,
        sandboxes: SandboxPool | None = None,
        helpers: Mapping[str, Provider] | None = None,
    ) -> None:
        self.scorers = {key: {s.name: s for s in group} for key, group in scorers.items()}
        self.digests = {key: {n: s.digest() for n, s in group.items()} for key, group in self.scorers.items()}
        self.sandboxes = sandboxes
        self.helpers = dict(helpers or {})

    async def score(self, cell: Cell, trajectory: Trajectory, sandbox: Sandbox | None) -> dict[str, Score]:
        """Judge a trajectory that ended well."""
        return await self.judge((cell.task, cell.variant), cell.instance, trajectory, sandbox)

    async def judge(
        self,
        task: TaskKey,
        instance: Instance,
        trajectory: Trajectory,
        sandbox: Sandbox | None = None,
        names: Iterable[str] | None = None,
    ) -> dict[str, Score]:
        """Judge with the scorers of a task, or with those of them that are named."""
        context = TrialScoreContext(self, instance, trajectory, sandbox)
        try:
            return await score_trial(self.scorers[task], context, names)
        finally:
            if context._leased:
                await context.close()

    def no_match(self, cell: Cell, status: str) -> dict[str, Score]:
        """The scores of an outcome that is no answer."""
        return self.no_match_of((cell.task, cell.variant), status)

    def no_match_of(self, task: TaskKey, status: str) -> dict[str, Score]:
        """The same for a task by its key."""
        return no_match_scores(self.scorers[task], status)

    def stale(self, task: TaskKey, stored: Mapping[str, str]) -> list[str]:
        """Names of the scorers whose score is missing or was given by another version of the scorer."""
        return [name for name, known in self.digests[task].items() if stored.get(name) != known]
