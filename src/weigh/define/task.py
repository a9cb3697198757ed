"""A task: data source, how requests are built, scorers and metrics. It never says how it is run.

    @register("capitals")
    class Capitals(Task):
        data_source = DataSource(path="capitals.jsonl", fields={"answer": "capital"})
        formatter = ChatFormatter()
        metrics = (AccuracyMetric(scorer=ExactMatchScorer),)

A task's class attributes are its defaults; variants and overrides make a `TaskConfig` of them, which the task sees as
`self.config`. `prepare` loads the data and gives what runs are made of (`weigh.define.prepared`).
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from weigh.define.data import DataLoader, DataSource, Row, resolve_path
from weigh.define.decode import RawText, decode, read_text, replace
from weigh.define.formatter import Formatter
from weigh.define.formatters import FORMATTERS, ChatFormatter
from weigh.define.markers import as_markers
from weigh.define.metrics import Metric, ScorerLookup, as_metric
from weigh.define.prepared import PreparedTask as PreparedTask
from weigh.define.prepared import prepare
from weigh.define.select import Limit
from weigh.records.bounds import Amount, Count, check_bound
from weigh.records.errors import DataError, DefinitionError, WeighError, suggest
from weigh.records.instance import Instance
from weigh.records.request import SamplingParams
from weigh.records.trial import join_spec


class TaskConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a task that variants and overrides may change. Each field is a class attribute of `Task`.

    Attributes:
        name: Base name.
        data_source: Where the questions are; None for a task that makes its own.
        formatter: How a question becomes a request.
        sampling_params: How answers are drawn.
        metrics: In order; the first is the primary one.
        markers: Behaviours to look for in every trial (`MarkerSpec`, or a built-in one's name); scores beside those of
            the metrics, named `marker:NAME`.
        num_fewshot: How many examples are shown.
        fewshot_seed: Which ones.
        fewshot_source, fewshot_split: Where they come from; without either, they leave the scored questions.
        fewshot_examples: Examples written by hand; come before any source.
        instruction: Text in front of everything else that is asked.
        limit: As in `weigh.define.select`; what `--limit` does for a whole run.
        description, licence, source, version: For people. A new version is a new identity.
        cluster_field: The metadata field (or row field) whose value says which questions belong together.
        needs: What running it takes besides the model: `sandbox`, `tools`.
        base: The folder of the file that defines the task; relative paths begin there.
    """

    name: str
    data_source: DataSource | None = None
    formatter: Any = ChatFormatter()
    sampling_params: SamplingParams = SamplingParams()
    metrics: tuple[Any, ...] = ()
    markers: tuple[Any, ...] = ()
    num_fewshot: int = 0
    fewshot_seed: int = 1234
    fewshot_source: DataSource | None = None
    fewshot_split: str | None = None
    fewshot_examples: tuple[Instance, ...] = ()
    instruction: str = ""
    limit: Limit = None
    description: str = ""
    licence: str | None = None
    source: str | None = None
    version: str = "1"
    cluster_field: str | None = None
    needs: tuple[str, ...] = ()
    base: str | None = None

    def __post_init__(self) -> None:
        # Not in `SamplingParams` itself: what a program sent to the gateway is recorded as it was.
        for name, kind in (("temperature", Amount), ("max_tokens", Count)):
            check_bound(getattr(self.sampling_params, name), kind, f"task {self.name!r}: sampling_params.{name}")

    def get_data_source(self) -> DataSource:
        """The data source with its path resolved.

        Raises:
            DefinitionError: The task has none.
        """
        if self.data_source is None:
            raise DefinitionError(f"task {self.name!r} has no data_source; set one, or define the property `instances`")
        return resolve_path(self.data_source, Path(self.base) if self.base else None)

    def get_fewshot_source(self) -> DataSource | None:
        """Where few-shot examples come from; None when they leave the scored questions."""
        source = self.fewshot_source or (self.data_source if self.fewshot_split else None)
        if source is None:
            return None
        if self.fewshot_split:
            source = msgspec.structs.replace(source, split=self.fewshot_split)
        return resolve_path(source, Path(self.base) if self.base else None)

    def change(self, changes: Mapping[str, Any], where: str) -> TaskConfig:
        """A copy with some fields changed, keys may be paths (`sampling_params.temperature`); checked like any input.

        Raises:
            DefinitionError: A key is unknown or a value has the wrong type; `where` says what was being read.
        """
        config = self
        for key, value in changes.items():
            if key in ("name", "base"):
                raise DefinitionError(f"{where}: {key!r} of a task cannot be changed")
            special = _SPECIAL.get(key)
            config = replace(config, {key: special(value, where) if special else value}, where)
        if config.num_fewshot < 0:
            raise DefinitionError(f"{where}: num_fewshot: expected 0 or more, got {config.num_fewshot}")
        return config


_FIELDS = tuple(name for name in TaskConfig.__struct_fields__ if name not in ("name", "base"))


class Task:
    """A benchmark. Subclass it, set class attributes, register it with `@register("name")`.

    Define `instance(row, index)` to turn a row of the data source into an `Instance`, or the property `instances` to
    yield them all; with neither, rows are expected to have `question` and `answer` (and `choices`, `id`).
    """

    data_source: ClassVar[DataSource | None] = None
    formatter: ClassVar[Any] = ChatFormatter()
    sampling_params: ClassVar[SamplingParams] = SamplingParams()
    metrics: ClassVar[tuple[Any, ...]] = ()
    markers: ClassVar[tuple[Any, ...]] = ()
    num_fewshot: ClassVar[int] = 0
    fewshot_seed: ClassVar[int] = 1234
    fewshot_source: ClassVar[DataSource | None] = None
    fewshot_split: ClassVar[str | None] = None
    fewshot_examples: ClassVar[tuple[Instance, ...]] = ()
    instruction: ClassVar[str] = ""
    limit: ClassVar[Limit] = None
    description: ClassVar[str] = ""
    licence: ClassVar[str | None] = None
    source: ClassVar[str | None] = None
    version: ClassVar[str] = "1"
    cluster_field: ClassVar[str | None] = None
    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: TaskConfig | None = None, variant: str = "") -> None:
        self.config = config or self.default_config(type(self).__name__)
        self.variant = variant

    @property
    def name(self) -> str:
        """Base name."""
        return self.config.name

    @property
    def spec(self) -> str:
        """Name and variant as one writes them."""
        return join_spec(self.name, self.variant)

    @property
    def instances(self) -> Iterable[Instance]:
        """The questions, in the order of the data."""
        return self._from_rows()

    def instance(self, row: Row, index: int) -> Instance | None:
        """Make an instance of a row (None leaves the row out). Override it where the rows look different."""
        answer = next((row[key] for key in ("gold_answer", "answer", "target") if key in row), None)
        field = self.config.cluster_field
        return Instance(
            question=row["question"],
            gold_answer=row["answer"] if answer is None else answer,
            choices=tuple(row.get("choices") or ()),
            id=str(row.get("id", "")),
            cluster=str(row[field]) if field else None,
        )

    @classmethod
    def default_config(cls, name: str) -> TaskConfig:
        """The configuration that the class attributes say.

        Raises:
            DefinitionError: One of them has the wrong type.
        """
        where = f"task {name!r}"
        values = {key: getattr(cls, key) for key in _FIELDS}
        values["formatter"] = _formatter(values["formatter"], where)
        values["metrics"] = _metrics(values["metrics"], where)
        values["markers"] = as_markers(values["markers"], where)
        file = cls.file()
        return decode({**values, "name": name, "base": str(file.parent) if file else None}, TaskConfig, where)

    @classmethod
    def file(cls) -> Path | None:
        """The file that defines the class, if it is in one."""
        file = getattr(sys.modules.get(cls.__module__), "__file__", None)
        return Path(file).resolve() if file else None

    def with_config(self, config: TaskConfig, variant: str | None = None) -> Task:
        """The same task with another configuration."""
        return type(self)(config, self.variant if variant is None else variant)

    def prepare(
        self,
        *,
        seed: int | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        scorer_by_name: ScorerLookup | None = None,
    ) -> PreparedTask:
        """Load the data, choose few-shot examples, and give what runs are made of.

        Args:
            seed: Sampling seed of the first epoch, where the task sets none.
            temperature, max_tokens: Instead of what the task says.
            scorer_by_name: Looks up scorers that metrics only name.

        Raises:
            DataError: The data cannot be had, is empty, or cannot give the examples asked for.
            DefinitionError: The task cannot be asked in this form.
        """
        sampling = self.config.sampling_params
        asked = {"temperature": temperature, "max_tokens": max_tokens, "seed": seed if sampling.seed is None else None}
        sampling = msgspec.structs.replace(sampling, **{k: v for k, v in asked.items() if v is not None})
        return prepare(self, sampling, scorer_by_name)

    def load(self, source: DataSource | None = None) -> Iterator[Instance]:
        """Yield the instances, of another source if one is given; what goes wrong is told with its place."""
        task = self
        if source is not None:
            task = self.with_config(msgspec.structs.replace(self.config, data_source=source))
        number = 0
        try:
            for instance in task.instances:
                number += 1
                if not isinstance(instance, Instance):
                    raise DefinitionError(
                        f"task {self.name!r}: instances yielded {type(instance).__name__}, not Instance"
                    )
                yield instance
        except WeighError as error:
            if self.name in str(error):
                raise
            raise type(error)(f"task {self.name!r}: {error}") from error
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            what = f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})"
            raise DataError(f"task {self.name!r}: instance {number + 1}: {what}") from error

    def _from_rows(self) -> Iterator[Instance]:
        for index, row in enumerate(DataLoader().load(self.config.get_data_source())):
            instance = self.instance(row, index)
            if instance is not None:
                yield instance


def _formatter(value: Any, where: str) -> Any:
    """A formatter of a formatter, its class, its name, or a table `{name = "chat", ...}`."""
    if isinstance(value, type) and issubclass(value, Formatter):
        return value()
    if hasattr(value, "render"):
        return value
    settings: dict[str, Any] = dict(value) if isinstance(value, Mapping) else {"name": str(value)}
    name = settings.pop("name", "")
    if name not in FORMATTERS:
        hint = suggest(str(name), FORMATTERS) or "; known: " + ", ".join(FORMATTERS)
        raise DefinitionError(f"{where}: formatter: unknown formatter {name!r}{hint}")
    return decode(settings, FORMATTERS[name], f"{where}: formatter")


def _metrics(value: Any, where: str) -> tuple[Metric, ...]:
    """Metrics of metrics, scorers, or scorers' names; one, or several of them."""
    if isinstance(value, RawText):
        value = read_text(value)
    items = value if isinstance(value, list | tuple) else (value,)
    return tuple(as_metric(item, f"{where}: metrics") for item in items)


_SPECIAL: dict[str, Callable[[Any, str], Any]] = {
    "formatter": _formatter,
    "metrics": _metrics,
    "markers": as_markers,
}
