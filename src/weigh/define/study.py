"""A study file: agents, models, revisions of a library, tiers of help and tasks, crossed; and how often, within what.

The file (YAML, TOML or JSON) is decoded into frozen values here; what its names mean is known only with the profile
(`weigh.study.profile`), so they are checked there. Paths in it begin at the file's own folder.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from weigh.define.config_file import read_config
from weigh.define.decode import decode
from weigh.define.difference import parse_difference, refuse_whole
from weigh.define.harness import Limits
from weigh.define.spec import join_options, parse_model
from weigh.records.bounds import Amount, Count, check_bounds
from weigh.records.errors import DefinitionError, placed, suggest
from weigh.records.names import repeated_name

T = TypeVar("T", bound=msgspec.Struct)

Network = Literal["gateway", "open"]


class StudyModel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model of a study.

    Attributes:
        model: Its spec: `provider/name[::key=value,...]`.
        name: For tables, instead of the model's own.
        size: Number of parameters in billions; models are ordered by it.
        options: For the provider, over those of the spec.
    """

    model: str
    name: str | None = None
    size: int | float | None = None
    options: dict[str, Any] = {}

    @property
    def spec(self) -> str:
        """Everything on one line, as `-m` takes it."""
        own = {"label": self.name, "size": self.size}
        added = {**self.options, **{key: value for key, value in own.items() if value is not None}}
        if not added:
            return self.model
        return f"{self.model}{',' if '::' in self.model else '::'}{join_options(added)}"


class StudyAgent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An agent of a study.

    Attributes:
        agent: A harness preset (each agent has one of its name) or a file of a harness.
        name: For tables, instead of the preset's.
        version: Of the agent's program; None is the one weigh pins.
        options: Of its scaffold.
    """

    agent: str
    name: str | None = None
    version: str | None = None
    options: dict[str, Any] = {}

    @property
    def label(self) -> str:
        """What the axis `agent` says."""
        own = self.name or (Path(self.agent).stem if "/" in self.agent or "." in self.agent else self.agent)
        return f"{own}@{self.version}" if self.version and not self.name else own


class StudyRevision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A version of the library under study, in one of three forms, or a range of the first two.

    Attributes:
        ref: What the profile makes of it: a git tag, commit or branch, a released version, a folder (`./here`), or a
            range (`v5.7.0..v5.9.0`).
        version: A released version, where the profile has a git repository too.
        folder: A folder of this machine.
        name: For tables, instead of what was written.
    """

    ref: str | None = None
    version: str | None = None
    folder: str | None = None
    name: str | None = None

    @property
    def text(self) -> str:
        """What was written."""
        return self.ref or self.version or self.folder or ""


class StudyTask(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tasks of the profile.

    Attributes:
        task: A task's name, or a glob.
        epochs: How often each is tried, instead of what the study says.
    """

    task: str
    epochs: Count | None = None

    def __post_init__(self) -> None:
        check_bounds(self)


class StudyCompare(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Two values of an axis to hold against each other.

    Attributes:
        axis: `revision`, `tier` or `agent`.
        a, b: Its values; differences are b - a.
    """

    axis: str
    a: str
    b: str


class Study(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A declared matrix of arms x tasks x epochs.

    Attributes:
        profile: A shipped profile's name, a `profile.yaml`, or `FILE.py:CLASS`.
        name: Names the suite and the run; the file's name where it says none.
        description: For people.
        agents, models, revisions, tiers: The axes.
        tasks: Those of the profile's tasks that are wanted; empty for all.
        epochs: How often each task is tried in each arm.
        limits: Of one trial.
        network: What a trial can reach, instead of what the profile says.
        harness: Changes of every agent's harness: `concurrency`, `sandbox`, `system_prompt`, `helpers`, ...
        temperature, seed: Of the model's sampling, whatever the agent asks for; at temperature 0 every epoch is the
            same thing again.
        max_tokens: Of one answer; an agent's own option `max_tokens` goes before it.
        compare: What to hold against what when the study has run; empty for each revision against the first and each
            tier against the first.
        margin: Differences of the match this small do not matter (`5pp`, or 0.05): with it, and only with
            it, "no difference" can be shown.
        store: The store's folder.
        group: Of the run.
        base: The study file's folder; paths begin there.
        file: The study file.
    """

    profile: str
    models: tuple[StudyModel, ...]
    name: str = ""
    description: str = ""
    agents: tuple[StudyAgent, ...] = (StudyAgent(agent="pi"),)
    revisions: tuple[StudyRevision, ...] = ()
    tiers: tuple[str, ...] = ("bare",)
    tasks: tuple[StudyTask, ...] = ()
    epochs: Count = 1
    limits: Limits = Limits()
    network: Network | None = None
    harness: dict[str, Any] = {}
    temperature: Amount | None = None
    max_tokens: Count | None = None
    seed: int | None = None
    compare: tuple[StudyCompare, ...] = ()
    margin: float | None = None
    store: str = "weigh-store"
    group: str | None = None
    base: str = "."
    file: str = ""

    def __post_init__(self) -> None:
        check_bounds(self)


_KEYS = tuple(name for name in Study.__struct_fields__ if name not in ("base", "file"))
"""What a file may say; the others follow from where it is."""

_LISTS: dict[str, tuple[type[msgspec.Struct], str]] = {
    "agents": (StudyAgent, "agent"),
    "models": (StudyModel, "model"),
    "revisions": (StudyRevision, "ref"),
    "tasks": (StudyTask, "task"),
    "compare": (StudyCompare, ""),
}
"""Keys that hold a list, what each entry is, and the field that a plain text in the list fills."""


def read_study(file: Path | str) -> Study:
    """Read a study file.

    Raises:
        DefinitionError: It is not there, is no YAML or TOML, or says something that a study has not; with the place.
    """
    path = Path(file).expanduser()
    values = read_config(path)
    study = make_study({"name": _stem(path), **values}, str(path))
    base = path.resolve().parent
    store = str((base / study.store).resolve()) if "store" in values else study.store
    return msgspec.structs.replace(study, base=str(base), file=str(path), store=store)


def make_study(values: Mapping[str, Any], where: str) -> Study:
    """A study of plain values, as from a file; a study may also be made in Python, field by field.

    Raises:
        DefinitionError: As `read_study`.
    """
    plain = dict(values)
    entries: dict[str, Any] = {}
    for key, (kind, field) in _LISTS.items():
        if key in plain:
            entries[key] = _entries(plain.pop(key), kind, field, f"{where}: {key}")
    if plain.get("margin") is not None:
        plain["margin"] = parse_difference(plain["margin"], f"{where}: margin")
        refuse_whole(plain["margin"], f"{where}: margin")
    if "tiers" in plain:
        plain["tiers"] = [plain["tiers"]] if isinstance(plain["tiers"], str) else plain["tiers"]
    for key in plain:
        if key not in _KEYS:
            raise DefinitionError(
                f"{where}: unknown key {key!r}{suggest(key, _KEYS) or '; known: ' + ', '.join(_KEYS)}"
            )
    for key in ("profile", "models"):
        if key not in plain and key not in entries:
            raise DefinitionError(f"{where}: a study says its {key}; `weigh study new NAME` writes one to begin with")
    study = decode({**plain, **entries}, Study, where)
    _check(study, where)
    return study


def _entries(value: Any, kind: type[T], field: str, where: str) -> tuple[T, ...]:
    """The entries of a list: texts fill the main field, tables are decoded; one entry may stand without a list."""
    items = list(value) if isinstance(value, list | tuple) else [value]
    made = []
    for index, item in enumerate(items):
        place = f"{where}[{index}]" if len(items) > 1 else where
        if field and isinstance(item, str | int | float) and not isinstance(item, bool):
            if isinstance(item, float):
                # YAML reads 1.10 as 1.1: another version.
                raise DefinitionError(f"{place}: write {item} in quotes, since a version is a text")
            item = {field: str(item)}
        if not isinstance(item, Mapping | kind):
            raise DefinitionError(f"{place}: expected {'a text or ' if field else ''}a table, got {item!r}")
        made.append(decode(item, kind, place))
    return tuple(made)


def _check(study: Study, where: str) -> None:
    """What can be wrong without knowing the profile."""
    for key in ("agents", "models", "tiers"):
        if not getattr(study, key):
            raise DefinitionError(f"{where}: {key}: at least one is needed")
    if not study.name or any(c in study.name for c in ":,=*?[]/ \t\n"):
        raise DefinitionError(f"{where}: name {study.name!r}: no spaces and none of : , = * ? [ ] /")
    for index, revision in enumerate(study.revisions):
        given = [key for key in ("ref", "version", "folder") if getattr(revision, key)]
        if len(given) != 1:
            said = f"{' and '.join(given)} at once" if given else "nothing of it"
            raise DefinitionError(f"{where}: revisions[{index}]: say one of ref, version, folder, not {said}")
    for key, own in (
        ("revisions", [r.name for r in study.revisions]),
        ("models", [m.name for m in study.models]),
        ("agents", [a.name for a in study.agents]),
    ):
        for name in own:
            # One finds arms by these names in filters: `revision=NAME,tier=bare`.
            if name is not None and (not name or any(c in name for c in ",*?[]")):
                raise DefinitionError(f"{where}: {key}: name {name!r}: not empty, and none of , * ? [ ]")
    models = []
    for index, model in enumerate(study.models):
        try:
            spec = parse_model(model.spec)
            models.append(spec.label or spec.name)
        except DefinitionError as error:
            raise placed(error, f"{where}: models[{index}]" if len(study.models) > 1 else f"{where}: models") from None
    # Verdicts are by name: two of one name would be taken for one.
    twins: dict[str, Sequence[str]] = {
        "agents": [agent.label for agent in study.agents], "tiers": study.tiers, "models": models,
        "tasks": [task.task for task in study.tasks],
    }  # fmt: skip
    for key, names in twins.items():
        twice = repeated_name(names)
        if twice is not None:
            hint = "write it once" if key in ("tiers", "tasks") else "give one a `name:`"
            raise DefinitionError(f"{where}: {key}: {twice!r} is there twice; {hint}")


def task_epochs(tasks: Iterable[StudyTask], names: Iterable[str], where: str) -> dict[str, int]:
    """How often each of the profile's tasks is tried, where the study says it for some: a name goes before a glob.

    Raises:
        DefinitionError: Two globs say different numbers for one task.
    """
    given = [task for task in tasks if task.epochs is not None]
    names = list(names)
    own = {task.task: task.epochs or 0 for task in given if task.task in names}
    said: dict[str, StudyTask] = {}
    for task in given:
        for name in fnmatch.filter(names, task.task):
            before = said.setdefault(name, task)
            if name not in own and before.epochs != task.epochs:
                raise DefinitionError(
                    f"{where}: tasks: {before.task!r} says {before.epochs} epochs for {name!r}, and {task.task!r} says "
                    f"{task.epochs}; write {{task: {name}, epochs: N}} too"
                )
    return {**{name: task.epochs or 0 for name, task in said.items()}, **own}


def _stem(path: Path) -> str:
    """A study's name where it says none: the file's, or the folder's where the file is just called `study`."""
    stem = path.stem if path.stem != "study" else path.resolve().parent.name
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in stem).strip("-.") or "study"
