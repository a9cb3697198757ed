"""Revisions of a library: what a study writes (`v5.8.0`, a range, a version, a folder), made exact.

A revision's identity is what it is and not what it is called: the id of a commit, the digest of a released file, the
digest of a folder's content. A branch that has moved on is another revision.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from weigh.define.study import StudyRevision
from weigh.records.digest import digest, digest_file
from weigh.records.errors import DefinitionError
from weigh.study.git import Repository, between, tracked_files
from weigh.study.packages import Release, find_release, versions
from weigh.study.spec import ProfileSpec

_LEFT_OUT = frozenset({".git", ".hg", "__pycache__", ".venv", "venv", "node_modules", ".mypy_cache", ".pytest_cache"})
_PINNED = re.compile(r"^\s*([A-Za-z0-9._-]+)\s*==\s*(\S+)\s*$")


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """A version of the library under study, resolved.

    Attributes:
        name: What tables and the axis `revision` say.
        ref: What was written.
        kind: Where it comes from.
        id: The commit, `NAME==VERSION`, or the folder's digest.
        digest: Of its content: the commit's id, the released file's or the folder's digest.
        origin: The repository's address, or the folder.
        release: Of a released version.
    """

    name: str
    ref: str
    kind: Literal["commit", "package", "folder"]
    id: str
    digest: str
    origin: str = ""
    release: Release | None = None

    @property
    def short(self) -> str:
        """What identifies it, short enough for people."""
        return self.id if self.kind == "package" else self.id[:12]


async def resolve_revisions(spec: ProfileSpec, base: Path, wanted: Sequence[StudyRevision]) -> list[Revision]:
    """The revisions that a study names, in its order; ranges become several.

    Args:
        spec: Says whether refs are the repository's or the package's.
        base: Where relative folders begin.

    Raises:
        DefinitionError: A ref is unknown (with the closest ones), or two names mean the same revision.
        CapabilityError: git or pip cannot tell.
    """
    repository = Repository(spec.repository, base) if spec.repository else None
    found: list[Revision] = []
    for entry in wanted:
        found += await _resolve(spec, base, repository, entry)
    refuse_twins(found)
    return found


async def _resolve(
    spec: ProfileSpec, base: Path, repository: Repository | None, entry: StudyRevision
) -> list[Revision]:
    text = entry.text
    if entry.folder is not None or text.startswith((".", "/", "~")):
        return [await _folder(text, base, entry.name)]
    first, dots, last = text.partition("..")
    if dots and entry.name is not None:
        raise DefinitionError(
            f"revision {text!r}: a range is several revisions, which cannot share the name {entry.name!r}; leave the "
            "name out, or name its revisions one by one"
        )
    if entry.version is not None or repository is None or _PINNED.match(text):
        package = spec.package
        pinned = _PINNED.match(text)
        if pinned is not None:
            package, text = pinned[1], pinned[2]
        if package is None and repository is not None:
            raise DefinitionError(
                f"revision {text!r}: a `version` is a release, and profile {spec.name!r} has no `package`; "
                f"write `ref` and a tag, branch or commit of {repository.address}, or give the profile one"
            )
        if package is None:
            raise DefinitionError(
                f"revision {text!r}: profile {spec.name!r} has neither a package nor a repository; name a folder "
                "(./here), or give the profile one of them"
            )
        if dots:
            chosen = between(await versions(package), first, last)
            if not chosen:
                raise DefinitionError(f"revisions '{text}': {package} has no versions from {first} to {last}")
        else:
            chosen = [text]
        return [await _release(package, version, entry) for version in chosen]
    if dots:
        return [await _commit(repository, tag, tag, None) for tag in await repository.range(first, last)]
    return [await _commit(repository, text, text, entry.name)]


async def _commit(repository: Repository, ref: str, text: str, name: str | None) -> Revision:
    commit = await repository.commit(ref)
    if commit is None:
        raise await repository.unknown(ref)
    return Revision(name=name or text, ref=text, kind="commit", id=commit, digest=commit, origin=repository.address)


async def _release(package: str, version: str, entry: StudyRevision) -> Revision:
    release = await find_release(package, None if version == "latest" else version)
    return Revision(
        name=entry.name or release.version,
        ref=entry.text,
        kind="package",
        id=f"{release.name}=={release.version}",
        digest=release.sha256 or f"{release.name}=={release.version}",
        release=release,
    )


async def _folder(text: str, base: Path, name: str | None) -> Revision:
    path = (base / Path(text).expanduser()).resolve()
    if not path.is_dir():
        raise DefinitionError(f"revision {text!r}: there is no folder {path}")
    content = await folder_digest(path)
    return Revision(name=name or path.name, ref=text, kind="folder", id=content, digest=content, origin=str(path))


async def folder_digest(path: Path, files: Sequence[str] | None = None) -> str:
    """Digest of a folder's content: names and bytes of what git does not ignore, or of all but caches.

    Args:
        files: Take these for its content.
    """
    names = await folder_files(path) if files is None else files

    def read() -> str:
        return digest([(name, _content(path / name)) for name in names])

    return await asyncio.to_thread(read)


async def folder_files(path: Path) -> list[str]:
    """The files that belong to a folder, relative to it, sorted."""
    tracked = await tracked_files(path)
    return tracked if tracked is not None else await asyncio.to_thread(lambda: sorted(_walk(path)))


def _walk(path: Path) -> Iterable[str]:
    for folder, names, files in os.walk(path):
        names[:] = [n for n in names if n not in _LEFT_OUT and not n.endswith(".egg-info")]
        for name in files:
            if not name.endswith((".pyc", ".pyo")):
                yield str((Path(folder) / name).relative_to(path))


def _content(file: Path) -> str:
    return f"-> {file.readlink()}" if file.is_symlink() else digest_file(file)


def refuse_twins(found: Sequence[Revision]) -> None:
    """Refuse two revisions of one name, and one revision under two names."""
    names: dict[str, Revision] = {}
    digests: dict[str, Revision] = {}
    for revision in found:
        if revision.name in names:
            raise DefinitionError(f"two revisions are called {revision.name!r}; give one of them another name")
        if revision.digest in digests:
            raise DefinitionError(
                f"revisions {digests[revision.digest].name!r} and {revision.name!r} are the same "
                f"({revision.short}); give it once"
            )
        names[revision.name] = digests[revision.digest] = revision
