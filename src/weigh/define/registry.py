"""The registry: tasks, variants and suites by name, and how specs become tasks.

Names come from four places: what the running program registered, weigh's own benchmarks, installed plug-ins (entry
points of the group `weigh.tasks`), and files named in a spec (`./my_bench.py:my_task`). Each is imported only when a
name has to be looked up, and plug-ins only when weigh itself does not have the name.
"""

from __future__ import annotations

import fnmatch
import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

import msgspec

from weigh.define.files import load_file, read_source
from weigh.define.spec import TaskSpec, parse_task, split_all
from weigh.define.suite import Suite
from weigh.define.task import Task, TaskConfig
from weigh.define.variants import BUILT_IN, built_in
from weigh.records.digest import digest_bytes
from weigh.records.errors import DefinitionError, suggest
from weigh.records.run import SuiteNode

T = TypeVar("T", bound=type[Task])

OWN_BENCHMARKS = "weigh.benchmarks"
ENTRY_POINTS = "weigh.tasks"


class Entry(msgspec.Struct, frozen=True):
    """A registered task: its class, its configuration before any variant, and where it was registered."""

    cls: type[Task]
    config: TaskConfig
    origin: str


class Registry:
    """Tasks, variants and suites by name.

    Args:
        catalogs: Packages whose modules register tasks; imported when a name is first looked up.
        plugins: Whether to look for installed plug-ins.
    """

    def __init__(self, catalogs: Sequence[str] = (), *, plugins: bool = False) -> None:
        self._tasks: dict[str, Entry] = {}
        self._suites: dict[str, tuple[Suite, str]] = {}
        self._variants: dict[str, dict[str, dict[str, Any]]] = {}
        self._pending = list(catalogs)
        self._plugins = plugins
        self._files: dict[Path, tuple[str, list[str]]] = {}

    def add_catalog(self, package: str) -> None:
        """Add a package (or module) whose modules register tasks; nothing is imported yet."""
        self._pending.append(package)

    def add_task(self, name: str, cls: type[Task], overrides: Mapping[str, Any] | None = None) -> None:
        """Register a task's class under a name.

        Raises:
            DefinitionError: The class is no task, an attribute has the wrong type, or the name is taken elsewhere.
        """
        if not (isinstance(cls, type) and issubclass(cls, Task)):
            raise DefinitionError(f"register({name!r}): expected a subclass of Task, got {cls!r}")
        _check_name(name)
        config = cls.default_config(name)
        if overrides:
            config = config.change(overrides, f"register({name!r})")
        origin = str(cls.file() or cls.__module__)
        self._check_free(name, origin)
        self._tasks[name] = Entry(cls, config, origin)

    def add_suite(self, suite: Suite, origin: str = "") -> None:
        """Register a suite; its members are looked up when it runs."""
        _check_name(suite.name)
        known = self._suites.get(suite.name)
        if suite.name in self._tasks or (known and known[0] != suite and known[1] != origin):
            raise DefinitionError(f"suite {suite.name!r}: the name is already registered; choose another name")
        self._suites[suite.name] = (suite, origin)

    def add_variant(self, task: str, name: str, overrides: Mapping[str, Any]) -> None:
        """Register a variant of a task (and of the tasks whose classes inherit from it), or of all with `*`.

        Raises:
            DefinitionError: A key is none of a task's, or a value has the wrong type.
        """
        _check_name(name)
        where = f"register_variant({task!r}, {name!r})"
        known = self._tasks.get(task)
        (known.config if known else TaskConfig(name=task)).change(
            {k: v for k, v in overrides.items() if known or "." not in k}, where
        )
        self._variants.setdefault(task, {})[name] = dict(overrides)

    def task_names(self) -> list[str]:
        """The names of all tasks, sorted; imports catalogs and plug-ins."""
        self._load(plugins=True)
        return sorted(self._tasks)

    def suite_names(self) -> list[str]:
        """The names of all suites, sorted."""
        self._load(plugins=True)
        return sorted(self._suites)

    def suite(self, name: str) -> Suite:
        """A suite by its name."""
        if not self._has_suite(name):
            raise DefinitionError(f"unknown suite {name!r}{suggest(name, self.suite_names())}")
        return self._suites[name][0]

    def variant_names(self, name: str) -> list[str]:
        """The variants registered for a task, its own first, then those it inherits; built-in ones are not listed."""
        self._load(plugins=False)
        return list(dict.fromkeys(v for owner in self._owners(name) for v in self._variants.get(owner, {})))

    def load_file(self, path: str | Path) -> list[str]:
        """Import a file of tasks and return the names of the tasks and suites it registered."""
        file = Path(path).expanduser().resolve()
        content = digest_bytes(read_source(file))
        known = self._files.get(file)
        if known is None or known[0] != content:
            self._load(plugins=False)  # first, so that a name taken by weigh's own is refused with the file's line
            before = {**self._tasks, **self._suites}
            load_file(file)
            after = {**self._tasks, **self._suites}
            known = (content, [name for name in after if before.get(name) is not after[name]])
            self._files[file] = known
        return known[1]

    def resolve(self, spec: str | TaskSpec) -> Task:
        """The task of a spec, with its variants applied from left to right and then its overrides.

        Raises:
            DefinitionError: A name is unknown (with the closest valid ones), or an override is wrong.
        """
        spec = parse_task(spec) if isinstance(spec, str) else spec
        if spec.file is not None:
            names = self.load_file(spec.file)
            if spec.name not in names:
                raise DefinitionError(
                    f"{spec.file} registers no task {spec.name!r}{suggest(spec.name, names) or _known(names)}"
                )
        if not self._has_task(spec.name):
            names = [*self.task_names(), *self.suite_names()]
            raise DefinitionError(f"unknown task {spec.name!r}{suggest(spec.name, names) or _known(names)}")
        entry = self._tasks[spec.name]
        config = entry.config
        for name in spec.variants:
            config = self._apply(config, spec.name, name)
        if spec.overrides:
            config = config.change(spec.overrides, f"task {spec.name!r}")
        return entry.cls(config, spec.variant)

    def expand(self, specs: Iterable[str], *, allow_missing: bool = False) -> tuple[list[SuiteNode], list[Task]]:
        """All that a list of specs names: comma lists, globs, suites, files. A task named twice comes once.

        Args:
            allow_missing: Keep going without the members of suites that do not exist; they stay in the node's members.

        Raises:
            DefinitionError: A name is unknown; all unknown members of a suite are named at once.
        """
        found = _Found(self, allow_missing)
        for text in split_all(specs):
            for spec in self._globbed(parse_task(text)):
                if self._has_suite(spec.name):
                    found.suites.append(found.node(self._suites[spec.name][0], spec, ()))
                else:
                    found.add(self.resolve(spec))
        found.check()
        return found.suites, list(found.tasks.values())

    def _globbed(self, spec: TaskSpec) -> list[TaskSpec]:
        """The specs a spec with a glob (or with a file and no name) stands for."""
        if spec.file is not None:
            names = self.load_file(spec.file)
            if not names:
                raise DefinitionError(f"{spec.file} registers no task; decorate its class with @register('name')")
            if not spec.name:
                suites = [self._suites[n][0] for n in names if n in self._suites]
                members = {parse_task(m).name for suite in suites for m in suite.tasks if isinstance(m, str)}
                names = [n for n in names if n not in members]
                return [msgspec.structs.replace(spec, name=name, file=None) for name in names]
            if spec.name not in names and not _is_glob(spec.name):
                known = suggest(spec.name, names) or _known(names)
                raise DefinitionError(f"{spec.file} registers no task {spec.name!r}{known}")
        elif not _is_glob(spec.name):
            return [spec]
        else:
            names = self.task_names()
        matched = fnmatch.filter(names, spec.name) or fnmatch.filter(self.suite_names(), spec.name)
        if not matched:
            raise DefinitionError(f"no task matches {spec.name!r}{_known(names)}")
        return [msgspec.structs.replace(spec, name=name, file=None) for name in matched]

    def _apply(self, config: TaskConfig, task: str, variant: str) -> TaskConfig:
        for owner in self._owners(task):
            overrides = self._variants.get(owner, {}).get(variant)
            if overrides is not None:
                return config.change(overrides, f"variant {variant!r} of {owner!r}")
        apply = built_in(variant)
        if apply is None:
            names = list(dict.fromkeys([*self.variant_names(task), *BUILT_IN, "3shot", "5shot"]))
            raise DefinitionError(
                f"task {task!r}: unknown variant {variant!r}{suggest(variant, names) or _known(names)}"
            )
        return apply(config)

    def _owners(self, task: str) -> list[str]:
        """The names whose variants a task has: its own, those of the classes it inherits from, `*`."""
        entry = self._tasks.get(task)
        bases = entry.cls.__mro__ if entry else ()
        inherited = [n for base in bases for n, e in self._tasks.items() if e.cls is base and n != task]
        return [task, *inherited, "*"]

    def _has_task(self, name: str) -> bool:
        return self._has(self._tasks, name)

    def _has_suite(self, name: str) -> bool:
        return self._has(self._suites, name)

    def _has(self, names: Mapping[str, object], name: str) -> bool:
        if name in names:
            return True
        self._load(plugins=False)
        if name not in names and name not in self._tasks and name not in self._suites:
            self._load(plugins=True)
        return name in names

    def _load(self, *, plugins: bool) -> None:
        """Import what is pending."""
        while self._pending:
            package = importlib.import_module(self._pending[0])
            for module in pkgutil.iter_modules(getattr(package, "__path__", ()), package.__name__ + "."):
                if not module.name.rpartition(".")[2].startswith("_"):
                    importlib.import_module(module.name)
            self._pending.pop(0)
        if plugins and self._plugins:
            self._plugins = False
            from importlib.metadata import entry_points

            for point in entry_points(group=ENTRY_POINTS):
                try:
                    point.load()
                except Exception as error:
                    what = f"plug-in {point.name!r} ({point.value}) cannot be loaded: {type(error).__name__}: {error}"
                    raise DefinitionError(f"{what}; uninstall or mend it") from error

    def _check_free(self, name: str, origin: str) -> None:
        known = self._tasks.get(name)
        taken = known.origin if known and known.origin != origin else None
        if taken is None and name in self._suites:
            taken = "a suite"
        if taken is not None:
            raise DefinitionError(
                f"task {name!r} ({origin}): the name is already registered by {taken}; choose another"
            )


class _Found:
    """What `expand` gathers."""

    def __init__(self, registry: Registry, allow_missing: bool) -> None:
        self.registry = registry
        self.allow_missing = allow_missing
        self.suites: list[SuiteNode] = []
        self.tasks: dict[str, Task] = {}
        self.missing: dict[str, list[str]] = {}

    def add(self, task: Task) -> str:
        return self.tasks.setdefault(task.spec, task).spec

    def node(self, suite: Suite, spec: TaskSpec, path: tuple[str, ...]) -> SuiteNode:
        """A suite with its names resolved; the variants behind its own name go to every member."""
        if suite.name in path:
            raise DefinitionError(f"suite {suite.name!r} contains itself: {' > '.join([*path, suite.name])}")
        members: list[str | SuiteNode] = []
        for member in suite.tasks:
            if isinstance(member, Suite):
                members.append(self.node(member, spec, (*path, suite.name)))
                continue
            inner = parse_task(member)
            inner = msgspec.structs.replace(
                inner, variants=inner.variants + spec.variants, overrides={**inner.overrides, **spec.overrides}
            )
            matched = self.registry._globbed(inner)
            if suite.weights and len(matched) != 1:
                raise DefinitionError(
                    f"suite {suite.name!r}: {member!r} stands for {len(matched)} tasks and has one weight"
                )
            members += [self._member(one, suite.name, (*path, suite.name)) for one in matched]
        return SuiteNode(
            name=suite.name if not spec.variant or path else f"{suite.name}:{spec.variant}".replace(":::", "::"),
            members=tuple(members),
            aggregation=suite.aggregation,
            weights=suite.weights,
        )

    def _member(self, spec: TaskSpec, suite: str, path: tuple[str, ...]) -> str | SuiteNode:
        if spec.file is None and self.registry._has_suite(spec.name):
            return self.node(self.registry._suites[spec.name][0], spec, path)
        if spec.file is None and not self.registry._has_task(spec.name):
            self.missing.setdefault(suite, []).append(spec.name)
            return spec.name + (":" if spec.variants else "") + spec.variant
        return self.add(self.registry.resolve(spec))

    def check(self) -> None:
        if not self.missing or self.allow_missing:
            return
        known = [*self.registry.task_names(), *self.registry.suite_names()]
        parts = []
        for suite, names in self.missing.items():
            shown = ", ".join(repr(n) + suggest(n, known, limit=1) for n in dict.fromkeys(names))
            parts.append(f"suite {suite!r} has members that do not exist: {shown}")
        raise DefinitionError("; ".join(parts))


default = Registry([OWN_BENCHMARKS], plugins=True)
"""The registry that the functions below and the command line use."""


@overload
def register(what: str, **overrides: Any) -> Callable[[T], T]: ...
@overload
def register(what: Suite) -> Suite: ...
def register(what: str | Suite, **overrides: Any) -> Callable[[T], T] | Suite:
    """Register a task's class under a name (as a decorator), or a suite.

    Args:
        what: The name, or a `Suite`.
        overrides: Fields of the configuration to change, so that one class can be registered several times:
            `register("mmlu_virology", data_source=...)(Mmlu)`.
    """
    if isinstance(what, Suite):
        default.add_suite(what, str(sys._getframe(1).f_globals.get("__file__", "")))
        return what

    def decorate(cls: T) -> T:
        default.add_task(what, cls, overrides)
        return cls

    return decorate


def register_variant(task: str, name: str, **overrides: Any) -> None:
    """Register a variant: fields of the task's configuration that change, e.g. `num_fewshot=3`; `*` is every task.

    A field within a field is written with two underscores: `sampling_params__temperature=0.7`.
    """
    default.add_variant(task, name, {key.replace("__", "."): value for key, value in overrides.items()})


def resolve(spec: str) -> Task:
    """The task of a spec (see `Registry.resolve`)."""
    return default.resolve(spec)


def expand(specs: Iterable[str], *, allow_missing: bool = False) -> tuple[list[SuiteNode], list[Task]]:
    """All suites and tasks that specs name (see `Registry.expand`)."""
    return default.expand(specs, allow_missing=allow_missing)


def _check_name(name: str) -> None:
    if not name or any(c in name for c in ":,=*?[]/ \t\n") or name.endswith(".py"):
        raise DefinitionError(f"{name!r} cannot be a name: no spaces and none of : , = * ? [ ] /")


def _is_glob(name: str) -> bool:
    return any(c in name for c in "*?[")


def _known(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return f"; known: {', '.join(names[:12])}{more}" if names else ""
