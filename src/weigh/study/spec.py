"""What a profile says, as values: the declarative form of it (`profile.yaml`), decoded and checked.

Enough for an ordinary Python package or command-line tool; where it is not, a Python class (`weigh.study.profile`)
takes over and may still begin from these values. Paths begin at the profile's own folder.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from weigh.define.config_file import read_config
from weigh.define.decode import decode
from weigh.define.study import Network
from weigh.records.errors import DefinitionError
from weigh.records.names import repeated_name


class Install(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a revision is installed.

    Attributes:
        extras: Optional parts of the package: `[cli]`.
        packages: Requirements that are installed with it: `torch==2.6`, a folder (`./server`), a file. Pin them: what
            is not pinned is what the index has on the day of the first build. A folder or file is its content.
        base: A venv (its folder) whose packages are seen and not installed again, the library's own excepted: for what
            is large and the same for all revisions. Needs `pip`.
        python: The interpreter, a version (`3.11`) or a path; None is the one weigh runs on.
        tool: What builds it.
        env: Variables set while it is built.
    """

    extras: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    base: str | None = None
    python: str | None = None
    tool: Literal["pip", "uv"] = "pip"
    env: dict[str, str] = {}


class SkillSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a Skill (a folder with a SKILL.md) is. The first of the two that is there counts.

    Attributes:
        source: In the revision's own source.
        folder: Beside the profile.
    """

    source: str | None = None
    folder: str | None = None


class TierSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tier of one's own.

    Attributes:
        description: One line for people.
        base: What it begins from: `bare` (an empty workspace) or `clone` (the revision's source).
        files: Files put into the workspace: path in it -> a file or folder beside the profile, or `{text: ...}`.
        source: The same from the revision's own source: path in the workspace -> path in the source.
        instructions: Text added to the agent's context.
        instructions_file: The same from a file beside the profile.
        skills: Skills the agent is given.
        env: Variables set inside.
        function: `FILE.py:NAME`, a function that makes the tier's content (`weigh.study.tiers.TierContent`).
        revisions: Globs of the names of revisions that have it; empty for all.
    """

    description: str = ""
    base: Literal["bare", "clone"] = "bare"
    files: dict[str, Any] = {}
    source: dict[str, str] = {}
    instructions: str = ""
    instructions_file: str | None = None
    skills: tuple[SkillSpec, ...] = ()
    env: dict[str, str] = {}
    function: str | None = None
    revisions: tuple[str, ...] = ()


class TaskEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A task of a profile.

    Attributes:
        name: Unique within the profile.
        prompt: What the agent is asked.
        target: The right answer, or several acceptable ones.
        score: How an answer is judged: `contains`, `exact`, `regex`, `numeric`, `state`, `judge`, or a table
            `{by: NAME, ...settings}`, or several of which all must hold.
        files: What the workspace holds besides the tier: path in it -> a file beside the profile, or `{text: ...}`.
        kind: The kind of task, to group by.
        tags: Further words to group by.
        description: One line for people.
        instances: Several questions of one task; each says what it changes: `id`, `prompt`, `target`, `files`.
    """

    name: str
    prompt: str = ""
    target: Any = None
    score: Any = "contains"
    files: dict[str, Any] = {}
    kind: str = ""
    tags: tuple[str, ...] = ()
    description: str = ""
    instances: tuple[dict[str, Any], ...] = ()


class ProfileSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A library under study.

    Attributes:
        name: Of the profile.
        description: One line for people.
        package: The library's name on the package index; revisions are released versions.
        repository: A git repository, its address or a folder; revisions are tags, commits and branches.
        subdirectory: The package's folder within the repository.
        module: The name it is imported by.
        command: The command it installs, or a list of them, if any.
        install: How it is installed.
        network: What a trial can reach: `gateway` is nothing but the model; `open` is for a library that downloads.
        env: Variables set in every trial.
        sandbox: Options of the sandbox: `memory_mb`, `pids`, ...
        tiers: Tiers besides `bare`, `clone` and `skill`.
        skill: The Skill of the tier `skill`.
        tasks: Tables, or globs of files beside the profile that hold them.
        markers: Name -> a pattern, or a table with `pattern`, `scope` and `description`.
    """

    name: str
    description: str = ""
    package: str | None = None
    repository: str | None = None
    subdirectory: str | None = None
    module: str | None = None
    command: str | tuple[str, ...] | None = None
    install: Install = Install()
    network: Network = "gateway"
    env: dict[str, str] = {}
    sandbox: dict[str, Any] = {}
    tiers: dict[str, TierSpec] = {}
    skill: SkillSpec | None = None
    tasks: tuple[TaskEntry, ...] = ()
    markers: dict[str, Any] = {}

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands it installs."""
        return (self.command,) if isinstance(self.command, str) else self.command or ()


def read_profile(file: Path) -> ProfileSpec:
    """Read a `profile.yaml`.

    Raises:
        DefinitionError: It is not there, or says something that a profile has not; with the place.
    """
    values = read_config(file)
    return make_spec({"name": _name(file), **values}, str(file), file.resolve().parent)


def make_spec(values: Mapping[str, Any], where: str, base: Path) -> ProfileSpec:
    """A profile of plain values.

    Raises:
        DefinitionError: As `read_profile`.
    """
    plain = dict(values)
    if isinstance(plain.get("skill"), str):
        plain["skill"] = {"folder": plain["skill"]}
    if isinstance(plain.get("install"), str | list):
        plain["install"] = {"packages": _several(plain["install"])}
    plain["tiers"] = {name: _tier(tier, f"{where}: tiers.{name}") for name, tier in _table(plain, "tiers", where)}
    plain["tasks"] = tuple(_tasks(plain.get("tasks", ()), where, base))
    spec = decode(plain, ProfileSpec, where)
    _check(spec, where)
    return spec


def _tier(value: Any, where: str) -> TierSpec:
    if isinstance(value, TierSpec):
        return value
    if not isinstance(value, Mapping):
        raise DefinitionError(f"{where}: expected a table, got {value!r}")
    plain = dict(value)
    if "skills" in plain:
        plain["skills"] = tuple(
            decode({"folder": s} if isinstance(s, str) else s, SkillSpec, f"{where}.skills")
            for s in _several(plain["skills"])
        )
    if isinstance(plain.get("revisions"), str):
        plain["revisions"] = (plain["revisions"],)
    return decode(plain, TierSpec, where)


def _tasks(value: Any, where: str, base: Path) -> Iterator[TaskEntry]:
    for index, item in enumerate(_several(value)):
        if isinstance(item, TaskEntry):
            yield item
        elif isinstance(item, str):
            files = sorted(glob.glob(item, root_dir=base, recursive=True))  # noqa: PTH207 - keeps the user's own order
            if not files:
                raise DefinitionError(f"{where}: tasks: no file matches {item!r} in {base}")
            for name in files:
                held = read_config(base / name)
                inner = held["tasks"] if set(held) == {"tasks"} else [{"name": Path(name).stem, **held}]
                yield from _tasks(inner, f"{base / name}", base)
        elif isinstance(item, Mapping):
            yield decode(_task(item), TaskEntry, f"{where}: tasks[{index}]")
        else:
            raise DefinitionError(f"{where}: tasks[{index}]: expected a table or the name of a file, got {item!r}")


def _task(item: Mapping[str, Any]) -> dict[str, Any]:
    plain = dict(item)
    if isinstance(plain.get("tags"), str):
        plain["tags"] = [plain["tags"]]
    return plain


def _check(spec: ProfileSpec, where: str) -> None:
    if spec.install.base is not None and spec.install.tool != "pip":
        raise DefinitionError(
            f"{where}: install.base needs `tool: pip`; {spec.install.tool} sees no packages elsewhere"
        )
    for name in (spec.name, *(t.name for t in spec.tasks)):
        if not name or any(c in name for c in ":,=*?[]/ \t\n") or name.endswith(".py"):
            raise DefinitionError(f"{where}: {name!r} cannot be a name: no spaces and none of : , = * ? [ ] /")
    twice = repeated_name(t.name for t in spec.tasks)
    if twice is not None:
        raise DefinitionError(f"{where}: tasks: {twice!r} is there twice")
    for tier in spec.tiers:
        if tier in ("bare", "clone", "skill"):
            raise DefinitionError(f"{where}: tiers.{tier}: this tier is built in; choose another name")


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _table(plain: Mapping[str, Any], key: str, where: str) -> list[tuple[str, Any]]:
    value = plain.get(key, {})
    if not isinstance(value, Mapping):
        raise DefinitionError(f"{where}: {key}: expected a table, got {value!r}")
    return [(str(name), inner) for name, inner in value.items()]


def _name(file: Path) -> str:
    """A profile's name where it says none: the file's, or its folder's where the file is just called `profile`."""
    return file.stem if file.stem != "profile" else file.resolve().parent.name
