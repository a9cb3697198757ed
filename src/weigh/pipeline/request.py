"""What a user asks of `weigh run`, and what a run tells while it goes on.

The command line, a config file and Python all fill the same `RunRequest`; whoever watches (a progress bar, a log, a
test) gets the same events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from weigh.define.harness import Harness
from weigh.records.arm import Axis
from weigh.records.bounds import Amount, Count, Positive, Whole, check_bounds
from weigh.records.run import Run
from weigh.records.trial import Trial
from weigh.records.usage import Usage
from weigh.records.workspace import Workspace


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which every model of a run is asked; a run has one, a study one for each point of its axes.

    Attributes:
        harness: How tasks are run.
        axes: What an arm of this setting has as axes besides the model's and the harness (`revision`, `tier`, ...).
        workspace: What each trial's sandbox starts with.
        name: What is put behind the model's name in the arm's id; made of the axes where it is empty.
    """

    harness: Harness
    axes: dict[str, Axis] = {}
    workspace: Workspace | None = None
    name: str = ""

    @property
    def label(self) -> str:
        """Name of the setting within its run; empty for the only one."""
        return self.name or "/".join(str(value) for value in self.axes.values() if value is not None)


class RunRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One invocation of `weigh run`.

    Attributes:
        models: Model specs, `provider/name[::key=value,...]`; each is an arm.
        tasks: Task and suite specs; comma lists and globs allowed.
        registry: Where their names are looked up (`weigh.define.registry.Registry`); None is weigh's own.
        store: The store's folder.
        limit: A number (`100`), a range (`10-20`) or a fraction (`0.1`) of each task's instances.
        epochs: How often each instance is asked.
        seed: Sampling seed of the first epoch; later epochs count up from it.
        temperature, max_tokens: Override what the tasks say.
        concurrency: Trials in flight; None leaves it to provider and harness.
        task_epochs: The same by task, where a task is repeated more or less often.
        harness: A preset's name or a file.
        settings: Instead of `harness` and `overrides`: every model is run in each of them.
        overrides: `key=value` changes of the harness (`-o`).
        name, group, tags: For people.
        only_tasks: Of the plan, execute only tasks of these names; the run stays the same one.
        only_arms: The same for arms: filters on axes (`tier=bare,model=qwen*`), any of which has to match.
        again: Run again what is done; what was shown before stays in the store and counts no more.
        dry_run: Plan, say what would run, and stop.
        allow_errors: So many failed trials still end in exit code 0.
        skip_unavailable: Leave out tasks that cannot run here, by name, instead of refusing the run.
        max_seconds, max_tokens_total, max_dollars: Budgets of the whole invocation.
        retry_failed: Run failed trials of earlier invocations again (the rule); False keeps them failed.
        command: The words typed, for provenance.
        models_from: Where the models were written (`study.yaml: models`), for errors; empty for the command line.
        study: What a study's run remembers of the study, for readers (`pipeline.study_about`).
    """

    models: tuple[str, ...]
    tasks: tuple[str, ...]
    registry: Any = None
    store: str = "weigh-store"
    limit: str | int | float | None = None
    epochs: Count = 1
    task_epochs: dict[str, Count] = {}
    seed: int | None = None
    temperature: Amount | None = None
    max_tokens: Count | None = None
    concurrency: Count | None = None
    harness: str = "default"
    overrides: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()
    name: str | None = None
    group: str | None = None
    tags: tuple[str, ...] = ()
    only_tasks: tuple[str, ...] = ()
    only_arms: tuple[str, ...] = ()
    again: bool = False
    dry_run: bool = False
    allow_errors: Whole = 0
    skip_unavailable: bool = False
    max_seconds: Positive | None = None
    max_tokens_total: Count | None = None
    max_dollars: Positive | None = None
    retry_failed: bool = True
    command: tuple[str, ...] = ()
    models_from: str = ""
    study: dict[str, Any] = {}

    def __post_init__(self) -> None:
        check_bounds(self)


class TaskPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the plan: an arm on a task.

    Attributes:
        cells: How many trials are planned.
        reused: How many of them the store already has.
        rescored: How many of the reused ones only need new scores.
        requests: How many requests of the provider remain.
        prompt_tokens: Estimated tokens of the prompts that remain (characters / 4 unless the provider counts).
        max_generated: The most tokens that can still be generated.
    """

    arm: str
    task: str
    kind: str
    cells: int
    reused: int
    rescored: int
    requests: int
    prompt_tokens: int
    max_generated: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is about to run, before the first request."""

    run: Run
    rows: tuple[TaskPlan, ...]
    skipped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def cells(self) -> int:
        return sum(r.cells for r in self.rows)

    @property
    def reused(self) -> int:
        return sum(r.reused for r in self.rows)


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """The plan is made."""

    plan: Plan


class ArmStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A model is up and its cells begin; `seconds` is what starting took."""

    arm: str
    seconds: float


class TrialDone(msgspec.Struct, frozen=True, kw_only=True):
    """A trial is durable. `reused` says that it was taken over from the store (only its scores may be new)."""

    trial: Trial
    reused: bool = False


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A line for the user: a warning, a pause after a 429, what a download does."""

    text: str


class SandboxesSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What the sandboxes of a run are doing now: requests `waiting`, sandboxes `running` of `budget`, and `idle`."""

    waiting: int
    running: int
    idle: int
    budget: int


Event = Planned | ArmStarted | TrialDone | SandboxesSeen | Notice
OnEvent = Callable[[Event], None]


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """How an invocation ended.

    Attributes:
        run: The run's manifest.
        plan: What was planned.
        executed: Trials that were executed now (failed ones included).
        reused: Trials that the store already had.
        rescored: Trials whose scores were made anew.
        failed: Failed trials among all planned cells, by error kind.
        outcomes: Trials that ended in an outcome that is no answer, by status.
        missing: Planned cells without a trial (stopped early).
        stopped: Why it stopped early; None when it did not.
        usage: Of what was executed now.
        sandboxes: How many were started for it.
        seconds: Wall time.
    """

    run: Run
    plan: Plan
    executed: int = 0
    reused: int = 0
    rescored: int = 0
    failed: dict[str, int] = {}
    outcomes: dict[str, int] = {}
    missing: int = 0
    stopped: str | None = None
    usage: Usage = Usage()
    sandboxes: int = 0
    seconds: float = 0.0
