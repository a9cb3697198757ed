"""What is known about a run besides its trials: what was planned, by whom, with what."""

from __future__ import annotations

from typing import Any

import msgspec

from weigh.records.arm import Arm
from weigh.records.marker import MarkerSpec


class MetricInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a metric turns scores into the number shown.

    Attributes:
        name: The key of the number, in tables and files, e.g. `exact_match` or `pass@2:code`.
        scorer: The `Trial.scores` key it reads.
        reduce: How the epochs of one question become one value: `mean`, `pass@K`, `pass^K`, `max`.
        lower_is_better: True for bits per byte and costs.
        bounds: The range of a question's value where it has one, e.g. (0, 1).
        unit: What it is measured in, if not a proportion.
    """

    name: str
    scorer: str
    reduce: str = "mean"
    lower_is_better: bool = False
    bounds: tuple[float, float] | None = (0.0, 1.0)
    unit: str | None = None


class TaskInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A task as it was resolved for a run.

    Attributes:
        name: Base name.
        variant: As in `Trial.variant`.
        digest: Of everything that shapes requests (data content, formatter, few-shot, sampling); scorers excluded.
        definition: The same in words, to show what differs between two versions.
        metrics: In order; the first is the primary one.
        markers: Behaviours that its trials are looked through for; each is a score `marker:NAME`.
        num_instances: How many instances the task has in all, before any limit.
        cluster_field: Set when instances carry clusters.
        licence, source: Where the data comes from.
    """

    name: str
    variant: str = ""
    digest: str = ""
    definition: dict[str, Any] = {}
    metrics: tuple[MetricInfo, ...] = ()
    markers: tuple[MarkerSpec, ...] = ()
    num_instances: int | None = None
    licence: str | None = None
    source: str | None = None


class SuiteNode(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A suite with its names resolved.

    Attributes:
        name: The suite's name.
        members: Task specs and nested suites, in order.
        aggregation: `mean_of_tasks`, `mean_of_suites`, `weighted`, `pooled`, `none`.
        weights: One a member, for `weighted`.
    """

    name: str
    members: tuple[str | SuiteNode, ...]
    aggregation: str = "mean_of_tasks"
    weights: tuple[float, ...] = ()


class Run(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The manifest of a run, written once when it begins.

    Attributes:
        id: The folder's name: `NAME-DIGEST8`; the same arms, tasks (with their data) and harness give the same id,
            so that repeating a command resumes it. Limit, epochs and scorers are no part of it.
        name: What the user called it (or a name made of what is run).
        created: Unix time.
        group, tags: For people to find runs that belong together.
        arms, tasks, suites: Resolved.
        harness: The harness's resolved configuration, model excluded; secrets never enter it.
    """

    id: str
    name: str
    created: float
    group: str | None = None
    tags: tuple[str, ...] = ()
    arms: tuple[Arm, ...] = ()
    tasks: tuple[TaskInfo, ...] = ()
    suites: tuple[SuiteNode, ...] = ()
    harness: dict[str, Any] = {}

    @property
    def acts(self) -> bool:
        """Whether a harness of it lets the model act (with tools, or as an agent program) instead of just answering."""
        several = self.harness.get("several") or [self.harness]
        return any(h.get("scaffold", "single_turn") != "single_turn" for h in several)


class Invocation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One time a run's plan was executed: who, where, with what, and how it ended.

    Attributes:
        id: Unique within the run.
        started, ended: Unix time; `ended` None while it runs (or when it was killed).
        command: The command line, secrets replaced.
        plan: limit, epochs, seed ... as asked this time, and `warnings`: what the user was told before it began.
        metrics, markers: By task spec, as the tasks had them this time; the last invocation's are the ones shown.
        provenance: weigh's version, python, packages, host, git commit and dirtiness, models' digests or served ids.
        summary: Counts at the end: planned, reused, done, failed by kind, stopped.
    """

    id: str
    started: float
    ended: float | None = None
    command: str = ""
    plan: dict[str, Any] = {}
    metrics: dict[str, tuple[MetricInfo, ...]] = {}
    markers: dict[str, tuple[MarkerSpec, ...]] = {}
    provenance: dict[str, Any] = {}
    summary: dict[str, Any] = {}
