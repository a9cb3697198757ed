"""A task ready to run: its questions in memory with ids and digests, its examples chosen, its prompt's prefix rendered.

Rendered requests are not kept: rendering one takes microseconds, and a large task's would take the memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

import msgspec

from weigh.define.fewshot import FewShot, choose
from weigh.define.formatter import Render
from weigh.define.markers import resolve_markers, scorers_of
from weigh.define.metrics import Metric, ScorerLookup
from weigh.define.select import Limit, select_positions
from weigh.protocols import Capability
from weigh.records.digest import digest
from weigh.records.errors import DataError, DefinitionError, WeighError
from weigh.records.instance import Instance
from weigh.records.marker import MarkerSpec
from weigh.records.request import Request, SamplingParams
from weigh.records.run import TaskInfo

if TYPE_CHECKING:
    from weigh.define.task import Task

_encode = msgspec.json.Encoder(order="deterministic").encode


class PreparedTask:
    """What runs are made of.

    Attributes:
        name, variant: As in `Trial`.
        instances: The questions that are scored, each with an id that no other has.
        fewshot: What is shown before each.
        metrics: With scorers looked up.
        scorers: The scorers of the metrics, each once, then those of the markers; names where no lookup was given.
        markers: What the task's markers are.
        warnings: Lines for the user: ids that were doubled, questions that left to become examples.
        digest: Of everything that shapes requests.
    """

    __slots__ = (
        "_digests",
        "_render",
        "definition",
        "digest",
        "fewshot",
        "instances",
        "markers",
        "metrics",
        "name",
        "sampling",
        "scorers",
        "task",
        "variant",
        "warnings",
    )

    def __init__(
        self,
        task: Task,
        instances: list[Instance],
        digests: dict[str, str],
        fewshot: FewShot,
        metrics: tuple[Metric, ...],
        sampling: SamplingParams,
        warnings: tuple[str, ...],
        markers: tuple[Any, ...] = (),
    ) -> None:
        config = task.config
        self.task, self.name, self.variant = task, task.name, task.variant
        self.instances, self.fewshot, self.metrics = instances, fewshot.examples, metrics
        self.sampling, self.warnings = sampling, warnings
        self.scorers: tuple[Any, ...] = scorers_of(metrics, markers)
        self.markers: tuple[MarkerSpec, ...] = tuple(s.spec for s in markers if hasattr(s, "spec"))
        self._digests = digests
        self._render = _bind(config.formatter, fewshot.examples, sampling, config.instruction)
        data = hashlib.sha256()
        for instance in instances:
            data.update(f"{instance.id}\0{digests[instance.id]}\0".encode())
        self.definition = {
            "data_source": config.data_source.describe() if config.data_source else None,
            "data": data.hexdigest()[:32],
            "formatter": _settings(config.formatter),
            "num_fewshot": config.num_fewshot,
            "fewshot": [instance_digest(e) for e in fewshot.examples],
            "fewshot_from": fewshot.origin,
            "instruction": config.instruction,
            "sampling": msgspec.to_builtins(sampling),
            "version": config.version,
        }
        shaping = {k: v for k, v in self.definition.items() if k not in ("data_source", "fewshot_from", "num_fewshot")}
        self.digest = digest([self.name, shaping])

    @property
    def total(self) -> int:
        """How many questions there are before any limit."""
        return len(self.instances)

    @property
    def capability(self) -> Capability:
        """What a provider must offer: `chat`, `completion` or `loglikelihood`."""
        return cast(Capability, getattr(self.task.config.formatter, "capability", "chat"))

    @property
    def needs_sandbox(self) -> bool:
        """Whether running or scoring it takes a sandbox."""
        return "sandbox" in self.task.config.needs or any(getattr(s, "needs_sandbox", False) for s in self.scorers)

    def render(self, instance: Instance) -> Request:
        """The request that asks a question."""
        return self._render(instance)

    def instance_digest(self, instance: Instance) -> str:
        """Digest of a question's content, by which trials of different runs are paired."""
        return self._digests.get(instance.id) or instance_digest(instance)

    def select(
        self, limit: Limit = None, *, seed: int | None = None, shuffle: bool = False
    ) -> list[tuple[int, Instance]]:
        """The instances that a limit keeps, each with its position; the task's own limit holds where none is given."""
        own = self.task.config.limit if limit is None else limit
        return [(i, self.instances[i]) for i in select_positions(self.total, own, shuffle=shuffle, seed=seed)]

    def info(self) -> TaskInfo:
        """The task as a run's manifest records it."""
        config = self.task.config
        return TaskInfo(
            name=self.name,
            variant=self.variant,
            digest=self.digest,
            definition=self.definition,
            metrics=tuple(m.info() for m in self.metrics),
            markers=self.markers,
            num_instances=self.total,
            licence=config.licence,
            source=config.source,
        )


def instance_digest(instance: Instance) -> str:
    """Digest of what a question is: question, gold answer, choices, inputs; not id, cluster or metadata.

    A file that says its own digest (`sha256`) counts by that, wherever it lies.
    """
    content = (instance.question, instance.gold_answer, instance.choices, _by_content(instance.inputs))
    return hashlib.sha256(_encode(content)).hexdigest()[:32]


def _by_content(inputs: dict[str, Any]) -> dict[str, Any]:
    files = inputs.get("files")
    if not isinstance(files, dict) or not any(isinstance(f, dict) and "sha256" in f for f in files.values()):
        return inputs
    known = {p: {"sha256": f["sha256"]} if isinstance(f, dict) and "sha256" in f else f for p, f in files.items()}
    return {**inputs, "files": known}


def prepare(task: Task, sampling: SamplingParams, lookup: ScorerLookup | None) -> PreparedTask:
    """Load and check a task; what `Task.prepare` does."""
    config = task.config
    metrics = tuple(m.resolve(lookup) if lookup else m for m in config.metrics)
    if not metrics:
        raise DefinitionError(f"task {task.name!r} has no metrics, e.g. metrics = (AccuracyMetric(scorer=...),)")
    names = [m.info().name for m in metrics]
    if len(set(names)) < len(names):
        raise DefinitionError(f"task {task.spec!r}: two metrics have the same name ({', '.join(names)}); name one")
    instances, warnings = _with_ids(task, task.load())
    if not instances:
        raise DataError(f"task {task.spec!r}: the data set is empty{_where(task)}")
    source = config.get_fewshot_source()
    fewshot = choose(
        config.num_fewshot,
        config.fewshot_seed,
        instances,
        fixed=config.fewshot_examples,
        pool=(lambda: task.load(source)) if source else None,
        pool_name=" ".join(filter(None, [source.path, source.split])) if source else "",
        task=task.spec,
    )
    gone = len(instances) - len(fewshot.scored)
    if gone:
        warnings.append(
            f"{task.spec}: {gone} of {len(instances)} questions serve as few-shot examples; n is {len(fewshot.scored)}"
        )
    try:
        check = getattr(config.formatter, "check", None)
        if check:
            for instance in fewshot.scored:
                check(instance)
        digests = {i.id: instance_digest(i) for i in fewshot.scored}
        markers = resolve_markers(config.markers, config.base, lookup) if lookup else ()
        prepared = PreparedTask(task, fewshot.scored, digests, fewshot, metrics, sampling, tuple(warnings), markers)
        prepared.render(fewshot.scored[0])
    except WeighError as error:
        raise type(error)(f"task {task.spec!r}: {error}") from error
    return prepared


def _with_ids(task: Task, instances: Iterable[Instance]) -> tuple[list[Instance], list[str]]:
    """Give every instance an id that no other has: its own, that of its metadata, or one made of its content.

    An id that comes again gets `#2`, `#3` ... in the order of the data, and a warning. Nothing is dropped, and nothing
    is mixed up: pairing between runs goes by content.
    """
    seen: dict[str, str] = {}
    out: list[Instance] = []
    same: list[str] = []
    other: list[str] = []
    for instance in instances:
        content = instance_digest(instance)
        stated = instance.id or instance.metadata.get("id")
        wanted = name = content[:12] if stated is None or stated == "" else str(stated)
        number = 1
        while name in seen:
            number += 1
            name = f"{wanted}#{number}"
        if number > 1:
            (same if seen[wanted] == content else other).append(wanted)
        seen[name] = content
        changes: dict[str, Any] = {"id": name} if name != instance.id else {}
        field = task.config.cluster_field
        if field and instance.cluster is None:
            if field not in instance.metadata:
                raise DataError(f"task {task.spec!r}: instance {name!r} has no metadata {field!r}, its cluster_field")
            changes["cluster"] = str(instance.metadata[field])
        out.append(msgspec.structs.replace(instance, **changes) if changes else instance)
    warnings = []
    for ids, what in ((same, "the same question"), (other, "different questions")):
        if ids:
            shown = ", ".join(repr(i) for i in dict.fromkeys(ids[:3]))
            warnings.append(f"{task.spec}: {len(ids)} doubled ids with {what} ({shown} ...): renamed with #2, #3 ...")
    return out, warnings


def _bind(formatter: Any, fewshot: tuple[Instance, ...], sampling: SamplingParams, instruction: str) -> Render:
    """The function that renders a question; also of a formatter that is any object with `render`."""
    bind = getattr(formatter, "bind", None)
    if bind is not None:
        return cast("Render", bind(fewshot, sampling, instruction))
    return lambda instance: cast("Request", formatter.render(instance, fewshot, sampling, instruction))


def _settings(formatter: Any) -> dict[str, Any]:
    settings = getattr(formatter, "settings", None)
    return settings() if settings else {"formatter": type(formatter).__name__}


def _where(task: Task) -> str:
    source = task.config.data_source
    return f" ({', '.join(f'{k}={v}' for k, v in source.describe().items())})" if source else ""
