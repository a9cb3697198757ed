"""A profile: teaches weigh one library. Declared in YAML, or a Python class that overrides what YAML cannot say.

    class Mylib(Profile):
        spec = ProfileSpec(name="mylib", package="mylib", command="mylib")

        async def tier(self, name, revision):
            content = await super().tier(name, revision)
            ...

Everything but `workspace` and `recipe` is asked before anything is built.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec

from weigh.define.markers import as_markers, resolve_markers
from weigh.define.registry import Registry
from weigh.define.study import StudyRevision
from weigh.define.suite import Suite
from weigh.records.digest import digest
from weigh.records.errors import CapabilityError, DefinitionError, placed, suggest
from weigh.records.names import repeated_name
from weigh.records.workspace import Workspace
from weigh.score.registry import scorer_by_name
from weigh.study.base import Base, find_base
from weigh.study.installations import READY, Installation, Recipe, has_module
from weigh.study.load import load_object
from weigh.study.local_packages import LocalPackage, is_local, local_packages
from weigh.study.revisions import Revision, refuse_twins, resolve_revisions
from weigh.study.skills import frozen_skill
from weigh.study.sources import fetch_source, source_of
from weigh.study.spec import ProfileSpec, TaskEntry, TierSpec, read_profile
from weigh.study.tasks import task_class
from weigh.study.tiers import BUILT_IN, TierContent, tier_content, why_not

SHIPPED = "weigh.study.profiles"
"""The package with a folder for each profile that comes with weigh."""

_NOT_ITS_OWN = ("python", "pip", "activate", "Activate", "__")
"""How the names in an installation's `bin` begin that no package put there."""


class Profile:
    """A library under study, by what its `spec` declares. Subclass it where that is not enough.

    Attributes:
        spec: What is declared.
        file: The file that the profile comes from; paths in it begin at its folder.
    """

    spec: ClassVar[ProfileSpec]
    _local: tuple[LocalPackage, ...] | None = None
    _base: Base | None = None

    def __init__(self, file: Path, spec: ProfileSpec | None = None) -> None:
        self.file = file
        self.declared = spec if spec is not None else type(self).spec

    @property
    def name(self) -> str:
        """Of the profile."""
        return self.declared.name

    @property
    def base(self) -> Path:
        """The profile's folder."""
        return self.file.parent

    def tasks(self) -> Sequence[TaskEntry]:
        """The tasks, in order."""
        return self.declared.tasks

    def entries(self) -> tuple[TaskEntry, ...]:
        """The tasks, checked: a class may give anything.

        Raises:
            DefinitionError: They are no `TaskEntry`s, or two have one name.
        """
        given: Any = self.tasks()
        if not isinstance(given, Iterable):
            raise DefinitionError(f"{self.file}: tasks() gave {type(given).__name__}, not a list of TaskEntry")
        made = tuple(given)
        for index, entry in enumerate(made):
            if not isinstance(entry, TaskEntry):
                raise DefinitionError(
                    f"{self.file}: tasks()[{index}] is of type {type(entry).__name__}; write TaskEntry(name=..., ...)"
                )
        twice = repeated_name(entry.name for entry in made)
        if twice is not None:
            raise DefinitionError(f"{self.file}: tasks(): {twice!r} is there twice")
        return made

    def markers(self) -> Sequence[Any]:
        """The markers besides the built-in ones: tables or specs; what is declared, and two that follow from it.

        A library with a command has `cli`, one with a module `imports`, unless the profile has markers of that name.
        """
        declared = [_marker(name, value) for name, value in self.declared.markers.items()]
        names = {marker["name"] for marker in declared}
        return [*declared, *(m for m in _usual(self.declared) if m["name"] not in names)]

    def tiers(self) -> Mapping[str, TierSpec]:
        """All tiers by name, built-in ones first; `skill` only where there is a Skill."""
        built = {name: tier for name, tier in BUILT_IN.items() if name != "skill" or self.declared.skill is not None}
        return {**built, **self.declared.tiers}

    async def revisions(self, wanted: Sequence[StudyRevision], base: Path) -> list[Revision]:
        """Make what a study names exact. Without any: the newest release, or the repository's current commit.

        Args:
            base: The study's folder, where folders it names begin.
        """
        wanted = wanted or [StudyRevision(ref="HEAD" if self.declared.repository else "latest")]
        own = [r for r in wanted if not (r.folder or r.text.startswith((".", "/", "~")))]
        found = {id(r): (base if r not in own else self.base) for r in wanted}
        made = [r for entry in wanted for r in await resolve_revisions(self.declared, found[id(entry)], [entry])]
        refuse_twins(made)
        return made

    async def why_not(self, tier: str, revision: Revision) -> str | None:
        """Why a revision does not have a tier; None when it has."""
        return await why_not(self.tiers()[tier], self.declared.skill, tier, revision, self.base)

    async def tier(self, name: str, revision: Revision) -> TierContent:
        """What a tier puts before an agent."""
        return await tier_content(name, self.tiers()[name], self.declared.skill, revision, self.base)

    async def identify(self) -> None:
        """See what is in the folders and files among `install.packages`, and in `install.base`; recipes then hold it.

        Raises:
            DefinitionError: One is not there.
        """
        install, where = self.declared.install, f"{self.file}: install"
        self._local = await local_packages(install.packages, self.base, f"{where}.packages")
        if install.base is not None:
            self._base = await find_base(install.base, self.base, f"{where}.base")

    def recipe(self, revision: Revision) -> Recipe:
        """How a revision is installed; `identify` goes before it."""
        install = self.declared.install
        if self._local is None and (install.base is not None or any(map(is_local, install.packages))):
            raise RuntimeError(f"profile {self.name} was not identified: await profile.identify() first")
        return Recipe(
            name=self.name,
            revision=revision,
            install=install,
            subdirectory=self.declared.subdirectory or "",
            local=self._local or (),
            base=self._base,
        )

    async def workspace(
        self, revision: Revision, tier: str, network: Literal["gateway", "open"] | None = None
    ) -> Workspace:
        """What a trial begins with. Says where the installation and the source will be, and makes neither; the tier's
        Skills become copies in the cache, which no later edit reaches."""
        content: Any = await self.tier(tier, revision)
        if not isinstance(content, TierContent):
            kind = type(content).__name__
            raise DefinitionError(
                f"{self.file}: tier({tier!r}, ...) gave {kind}, not TierContent; see why_not() for none"
            )
        skills = tuple([str(await frozen_skill(Path(folder))) for folder in content.skills])
        content = msgspec.structs.replace(content, skills=skills)
        recipe = self.recipe(revision)
        where = str(recipe.path)
        network = network or self.declared.network
        env = {**self.declared.env, **content.env}
        identity = {
            "revision": [revision.kind, revision.id, revision.digest],
            "installed": recipe.key,
            "tier": content.digest(),
            "env": env,
            "network": network,
        }
        return Workspace(
            digest=digest(identity),
            folder=str(source_of(revision)) if content.clone else None,
            files=content.files,
            readonly=(where, *(recipe.base.places if recipe.base else ())),
            env={"VIRTUAL_ENV": where, **env},
            path=(f"{where}/bin",),
            skills=skills,
            whole=(str(recipe.path / READY), *(f"{skill}/SKILL.md" for skill in skills)),
            instructions=content.instructions,
            network=network,
        )

    async def check(self, installation: Installation) -> None:
        """See that what was installed has the module and the command that the profile names.

        Raises:
            CapabilityError: One of them is not there, with what is.
        """
        module = self.declared.module
        revision = installation.revision[0]
        programs = Path(installation.path) / "bin"
        for command in self.declared.commands:
            if os.access(programs / command, os.X_OK):
                continue
            own = [p.name for p in programs.iterdir() if os.access(p, os.X_OK) and not p.name.startswith(_NOT_ITS_OWN)]
            raise CapabilityError(
                f"{self.name} {revision} installs no command {command!r}{suggest(command, own)} "
                f"(it installs {', '.join(sorted(own)) or 'none'}); mend `command` in {self.file}"
            )
        if module is not None and not await has_module(installation, module):
            raise CapabilityError(
                f"{self.name} {revision}: Python finds no module {module!r} in it; mend `module` in {self.file}"
            )

    async def fetch(self, revision: Revision, tier: str) -> None:
        """Fetch what a workspace needs besides the installation."""
        if (await self.tier(tier, revision)).clone:
            await fetch_source(revision)

    def registry(self, names: Sequence[str], suite: str) -> Registry:
        """Weigh's tasks of some of the profile's tasks, and a suite of them.

        A registry of its own, so that a profile's tasks cannot be taken for weigh's or for another profile's.
        """
        entries = {entry.name: entry for entry in self.entries()}
        made = []
        registry = Registry()
        try:
            markers = as_markers(self.markers(), f"profile {self.name!r}")
            resolve_markers(markers, str(self.base), scorer_by_name)  # what is wrong with them is said once, here
            for name in names:
                full = self.task_name(name)
                registry.add_task(full, task_class(entries[name], self.file, self.name, markers))
                made.append(full)
        except DefinitionError as error:
            raise placed(error, str(self.file)) from None
        registry.add_suite(Suite(suite, tuple(made), "pooled"), str(self.file))
        return registry

    def task_name(self, name: str) -> str:
        """What a task is called among all of weigh's."""
        return f"{self.name}.{name}"


def load_profile(ref: str, base: Path, where: str = "profile") -> Profile:
    """The profile of a shipped name, a `profile.yaml`, or `FILE.py:CLASS`.

    Args:
        base: Where relative files begin.
        where: Where the name was written, for the error.

    Raises:
        DefinitionError: There is none of that name (with the closest), or it is wrong.
    """
    if ".py:" in ref:
        return _from_class(load_object(ref, base, where), (base / Path(ref.rpartition(":")[0]).expanduser()), ref)
    if ref.endswith((".yaml", ".yml", ".toml", ".json")):
        file = (base / Path(ref).expanduser()).resolve()
        try:
            return Profile(file, read_profile(file))
        except DefinitionError as error:
            # What is wrong in the file is said with its own place.
            raise error if file.is_file() else placed(error, where) from None
    if (base / ref / "profile.yaml").is_file():
        file = (base / ref / "profile.yaml").resolve()
        return Profile(file, read_profile(file))
    shipped = shipped_profiles()
    if ref not in shipped:
        hint = suggest(ref, shipped) or (f"; there are {', '.join(shipped)}" if shipped else "")
        raise DefinitionError(f"{where}: there is no profile {ref!r}{hint} (or name a profile.yaml, or FILE.py:CLASS)")
    file = shipped[ref]
    if file.suffix == ".py":
        return _from_class(load_object(f"{file}:{class_name(ref)}", base, "profile"), file, ref)
    return Profile(file, read_profile(file))


def shipped_profiles() -> dict[str, Path]:
    """The profiles that come with weigh, by name: a folder each, with a `profile.py` or a `profile.yaml`."""
    found: dict[str, Path] = {}
    root = Path(str(files(SHIPPED)))
    for folder in sorted(p for p in root.iterdir() if p.is_dir()) if root.is_dir() else []:
        for name in ("profile.py", "profile.yaml"):
            if (folder / name).is_file() and folder.name not in found:
                found[folder.name] = folder / name
    return found


def class_name(name: str) -> str:
    """What the class in a shipped `profile.py` is called: `Jq` of `jq`, `MyLib` of `my-lib`."""
    return "".join(part.capitalize() for part in name.replace("_", "-").split("-"))


def _from_class(made: Any, file: Path, ref: str) -> Profile:
    if not (isinstance(made, type) and issubclass(made, Profile)):
        raise DefinitionError(f"profile {ref!r}: it is no subclass of weigh.study.profile.Profile")
    if not isinstance(getattr(made, "spec", None), ProfileSpec):
        raise DefinitionError(f"profile {ref!r}: the class has no `spec = ProfileSpec(name=...)`")
    return made(file.resolve())


def _marker(name: str, value: Any) -> dict[str, Any]:
    """A marker as a table: a text is its pattern."""
    plain = {"pattern": value} if isinstance(value, str) else msgspec.to_builtins(value)
    if not isinstance(plain, Mapping):
        raise DefinitionError(f"markers.{name}: expected a pattern or a table, got {value!r}")
    return {"name": name, **plain}


def _usual(spec: ProfileSpec) -> list[dict[str, Any]]:
    found = []
    if spec.command:
        names = "|".join(_escaped(name) for name in spec.commands)
        shown = ", ".join(spec.commands[:3]) + (" ..." if len(spec.commands) > 3 else "")
        what = f"ran {'one of the commands' if len(spec.commands) > 1 else 'the command'} {shown}"
        found.append({"name": "cli", "scope": "programs", "pattern": rf"\A(?:{names})(?!\S)", "description": what})
    if spec.module:
        pattern = rf"(?:^|[\s;\"'])(?:import|from)\s+{_escaped(spec.module)}\b"
        found.append(
            {"name": "imports", "scope": "code", "pattern": pattern, "description": f"wrote Python with {spec.module}"}
        )
    return found


def _escaped(text: str) -> str:
    return "".join(c if c.isalnum() or c == "_" else "\\" + c for c in text)
