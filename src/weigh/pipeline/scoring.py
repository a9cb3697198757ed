"""Judging trials: brings the scorers of a task together with what they may use.

The pool calls `score` while a trial's sandbox lives; rescoring calls it on stored trajectories. Both go through the
same guard, so a scorer that raises is a failed score in both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from weigh.execute.sandboxes.planner import SandboxPlanner
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.pipeline.helpers import Helpers, no_helper, unknown_roles
from weigh.plan.cell import Cell
from weigh.protocols import Sandbox, Scorer
from weigh.records.digest import digest
from weigh.records.errors import CapabilityError, Failure, WeighError
from weigh.records.instance import Instance
from weigh.records.marker import PREFIX
from weigh.records.request import CompletionRequest, Output, Request
from weigh.records.score import Score
from weigh.records.trajectory import Trajectory
from weigh.records.trial import GAVE_UP, OK, join_spec
from weigh.score.gave_up import gave_up, is_agents
from weigh.score.guard import looks_at_outcomes, no_match_scores, score_trial

TaskKey = tuple[str, str]
"""Base name and variant."""


class TrialScoreContext:
    """What the scorers of one trial may use (`weigh.protocols.ScoreContext`)."""

    __slots__ = ("_leased", "_scoring", "_task", "instance", "sandbox", "trajectory")

    def __init__(
        self, scoring: Scoring, task: TaskKey, instance: Instance, trajectory: Trajectory, sandbox: Sandbox | None
    ) -> None:
        self.instance = instance
        self.trajectory = trajectory
        self.sandbox = sandbox
        self._scoring = scoring
        self._task = task
        self._leased: list[Sandbox] = []

    def members(self, role: str) -> dict[str, str]:
        """The helper models that share a role, with the model each is."""
        found = self._scoring.helpers.members(role, self._task)
        if not found:
            raise no_helper(role)
        return {name: helper.model for name, helper in found.items()}

    async def ask(self, role: str, request: Request, *, usable: Callable[[Output], bool] | None = None) -> Output:
        """Ask a helper model of the harness by its role."""
        return await self._scoring.helpers.find(role, self._task).ask(request, usable)

    async def open_sandbox(self) -> Sandbox:
        """Lease a fresh sandbox; it is given back when scoring ends."""
        planner, spec = self._scoring.sandboxes, self._scoring.sandbox
        if planner is None or spec is None:
            raise CapabilityError("this run has no sandbox to score in; see `weigh doctor`")
        sandbox = await planner.acquire(join_spec(*self._task), spec, within=self.sandbox is not None)
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
        sandboxes: SandboxPlanner | None = None,
        sandbox: SandboxSpec | None = None,
        helpers: Helpers | None = None,
    ) -> None:
        self.scorers = {key: {s.name: s for s in group} for key, group in scorers.items()}
        self.helpers = helpers if helpers is not None else Helpers()
        self.digests = {key: {n: self._digest(s, key) for n, s in group.items()} for key, group in self.scorers.items()}
        self.sandboxes, self.sandbox = sandboxes, sandbox

    def _digest(self, scorer: Scorer, task: TaskKey) -> str:
        """The scorer's identity; of one that asks helper models, theirs too: another judge gives another score."""
        own = scorer.digest()
        roles = roles_of(scorer)
        return digest([own, [self.helpers.identities(role, task) for role in roles]]) if roles else own

    def _stamped(self, task: TaskKey, scores: dict[str, Score]) -> dict[str, Score]:
        """The scores, with the identity of the helpers that gave them."""
        known, scorers = self.digests[task], self.scorers[task]
        return {
            name: msgspec.structs.replace(score, digest=known[name]) if roles_of(scorers[name]) else score
            for name, score in scores.items()
        }

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
        context = TrialScoreContext(self, task, instance, trajectory, sandbox)
        try:
            return self._stamped(task, await score_trial(self.scorers[task], context, names))
        finally:
            if context._leased:
                await context.close()

    async def no_match(self, cell: Cell, trajectory: Trajectory) -> dict[str, Score]:
        """The scores of an outcome that is no answer."""
        reason = trajectory.stop_reason or "no answer"
        return await self.no_match_of((cell.task, cell.variant), cell.instance, trajectory, reason)

    async def no_match_of(
        self, task: TaskKey, instance: Instance, trajectory: Trajectory, status: str, names: Iterable[str] | None = None
    ) -> dict[str, Score]:
        """The same for a task by its key: no match by rule, but for scorers that look at outcomes."""
        group = self.scorers[task]
        wanted = list(group if names is None else names)
        looking = [name for name in wanted if looks_at_outcomes(group[name])]
        ruled = no_match_scores([group[name] for name in wanted if name not in looking], status)
        looked = await self.judge(task, instance, trajectory, names=looking) if looking else {}
        return {name: (looked | self._stamped(task, ruled))[name] for name in wanted}

    def status(self, cell: Cell, trajectory: Trajectory, scores: Mapping[str, Score]) -> str:
        """The status of a trial that was judged."""
        return self.status_of((cell.task, cell.variant), trajectory, scores)

    def status_of(self, task: TaskKey, trajectory: Trajectory, scores: Mapping[str, Score]) -> str:
        """`gave-up` where an agent's answer declares the task impossible (as the marker of that name has it) and the
        primary score is a no match; a right answer is right whatever it says besides."""
        primary = next(iter(self.scorers[task].values()), None)
        score = scores.get(primary.name) if primary is not None else None
        if primary is None or score is None or primary.no_match is None or score.value != primary.no_match:
            return OK
        marked = scores.get(PREFIX + GAVE_UP)
        if marked is not None and marked.error is None:
            said = marked.value == 1.0
        else:
            said = gave_up(trajectory) is not None
        return GAVE_UP if said and is_agents(trajectory) else OK

    def stale(self, task: TaskKey, stored: Mapping[str, str]) -> list[str]:
        """Names of the scorers whose score is missing or was given by another version of the scorer."""
        return [name for name, known in self.digests[task].items() if stored.get(name) != known]

    def live(self, task: TaskKey, names: Iterable[str]) -> list[str]:
        """Those of a task's scorers that need the trial's own sandbox."""
        return [name for name in names if name in self.scorers[task] and is_live(self.scorers[task][name])]

    def lacking(self) -> list[tuple[TaskKey, str]]:
        """Tasks with the role of a helper that they need and the harness does not have."""
        needed = [(task, role) for task, group in self.scorers.items() for s in group.values() for role in roles_of(s)]
        return [(task, role) for task, role in dict.fromkeys(needed) if not self.helpers.members(role, task)]


def is_live(scorer: Scorer) -> bool:
    """Whether it looks at the trial's own sandbox, so that its score cannot be made from what is stored."""
    return bool(getattr(scorer, "live", False))


def roles_of(scorer: Scorer) -> tuple[str, ...]:
    """The helper models a scorer asks, by role."""
    roles: tuple[str, ...] = getattr(scorer, "roles", ())
    return roles


def _how_to_name(role: str, study: str) -> str:
    if study:
        return f"say `harness: {{helpers: {{{role}: PROVIDER/NAME}}}}` in {study}"
    return f"add -o helpers.{role}=PROVIDER/NAME"


def check_helpers(
    scoring: Scoring,
    instances: Mapping[TaskKey, Instance],
    *,
    sandboxed: bool = True,
    asked: Collection[str] = (),
    study: str = "",
) -> None:
    """Check that every judge is there and that its template can be filled, before any token is spent.

    Args:
        asked: Roles that somebody else than a scorer asks.
        study: The study file, where it is one's place to name a helper.
        sandboxed: Whether trials have a sandbox that scorers can look at.
        instances: A question of each task, to try the template on.

    Raises:
        CapabilityError: All problems, one a line.
    """
    problems = [
        f"{join_spec(*task)} needs a helper model with the role '{role}': {_how_to_name(role, study)}"
        for task, role in scoring.lacking()
    ]
    roles = {role for group in scoring.scorers.values() for scorer in group.values() for role in roles_of(scorer)}
    problems += unknown_roles(scoring.helpers, roles | set(asked))
    if not sandboxed:
        problems += [
            f"{join_spec(*task)}: {scorer.name} looks at the trial's sandbox, and this harness gives it none; choose "
            "one whose tools work in a sandbox, such as --harness coder"
            for task, group in scoring.scorers.items()
            for scorer in group.values()
            if is_live(scorer)
        ]
    nothing = Trajectory(request=CompletionRequest(prompt=""), output=Output())
    for task, instance in instances.items():
        for scorer in scoring.scorers.get(task, {}).values():
            if roles_of(scorer) and (check := getattr(scorer, "check", None)) is not None:
                try:
                    check(TrialScoreContext(scoring, task, instance, nothing, None))
                except (WeighError, Failure) as error:
                    problems.append(f"{join_spec(*task)}: {error} (instance {instance.id!r})")
    if problems:
        raise CapabilityError("\n".join(problems))
