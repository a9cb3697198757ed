"""The beginning of a study: a folder with a study file, a profile and two tasks that run on any package."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import msgspec

from weigh.records.errors import CapabilityError, DefinitionError
from weigh.study.git import Repository, version_key
from weigh.study.naming import NAMED_IN, Names, find_names
from weigh.study.packages import find_release, versions


class NewStudy(msgspec.Struct, frozen=True, kw_only=True):
    """What a study is begun with.

    Attributes:
        name: Of the study and its folder.
        package: On the package index; None where there is only a repository.
        repository: Its address or folder; a relative one begins at the current folder.
        module: What Python imports; where it is not given, what the repository has, else guessed from the name.
        command: What it installs into PATH.
    """

    name: str
    package: str | None = None
    repository: str | None = None
    module: str | None = None
    command: str | None = None


async def new_study(wanted: NewStudy, folder: Path) -> list[Path]:
    """Write the files of a study; returns them.

    Raises:
        DefinitionError: A file is there already, the name cannot be one, or there is no such package or repository.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", wanted.name):
        raise DefinitionError(f"{wanted.name!r} cannot be a name: letters, digits, '-', '_' and '.'")
    targets = [folder / name for name in ("study.yaml", "profile.yaml")]
    taken = [str(path) for path in targets if path.exists()]
    if taken:
        raise DefinitionError(f"{taken[0]} exists; choose another name, or remove it")
    package = wanted.package or (None if wanted.repository else wanted.name)
    repository = _address(wanted.repository)
    revisions, about, description = await _revisions(package, repository)
    names = await _names(repository, revisions[-1], package) if repository else Names(distribution=package)
    guessed = re.sub(r"[-.]", "_", names.distribution or _called(repository or wanted.name)).lower()
    values: dict[str, object] = {
        "name": wanted.name,
        "distribution": names.distribution,
        "package": package,
        "repository": repository,
        "module": wanted.module or names.module or guessed,
        "command": wanted.command,
        "revisions": revisions,
        "revisions_about": about,
        "description": description,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for path in targets:
        path.write_text(_render(path.name, values), encoding="utf-8")
    return targets


async def _revisions(package: str | None, repository: str | None) -> tuple[list[str], str, str]:
    """The last two releases, what revisions may be, and a line about the library."""
    if repository is not None:
        found = Repository(repository, Path.cwd())
        tags = sorted((t for t in await found.tags() if re.search(r"\d+\.\d+", t)), key=version_key)
        if await found.commit("HEAD") is None:
            raise DefinitionError(f"{repository} has no commits")
        return tags[-2:] or ["HEAD"], "tags, commits, branches, ranges (v1.0..v1.2) or folders", f"of {repository}"
    assert package is not None
    try:
        known = [v for v in await versions(package) if re.fullmatch(r"[\d.]+", v)]
        release = await find_release(package, known[-1] if known else None)
    except CapabilityError as error:
        raise DefinitionError(f"{error}; name a package with --package, or a --repository") from None
    return (
        known[-2:] or [release.version],
        'released versions, ranges ("1.0..1.2"), or folders',
        f"the package {package}",
    )


async def _names(address: str, revision: str, package: str | None) -> Names:
    """What the library in a repository is called at a revision; a package that was named goes before."""
    repository = Repository(address, Path.cwd())
    commit = await repository.commit(revision)
    assert commit is not None, "it was just listed"
    texts = {name: text for name in NAMED_IN if (text := await repository.read(commit, name)) is not None}
    found = find_names(texts, await repository.paths(commit), package or _called(address))
    return msgspec.structs.replace(found, distribution=package or found.distribution)


def _called(address: str) -> str:
    return address.rstrip("/").rpartition("/")[2].removesuffix(".git")


def _address(repository: str | None) -> str | None:
    if repository is None:
        return None
    folder = Path(repository).expanduser()
    if folder.is_dir():
        return str(folder.resolve())
    if "://" not in repository and "@" not in repository:
        raise DefinitionError(f"--repository: there is no folder {repository}")
    return repository


def _render(name: str, values: dict[str, object]) -> str:
    import jinja2

    engine = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
    return engine.from_string((files("weigh.study") / "templates" / name).read_text(encoding="utf-8")).render(**values)
