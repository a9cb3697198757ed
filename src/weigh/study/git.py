"""The little that is asked of git: what a ref means, which tags there are, and the files of a commit.

A repository that is a folder of this machine is read where it lies and never changed. One that has an address is kept
as a bare clone in the cache, without file contents until they are asked for.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from weigh.execute.sandboxes.folder import home
from weigh.execute.sandboxes.process import run_process
from weigh.records.digest import digest
from weigh.records.errors import CapabilityError, DefinitionError, Failure, suggest
from weigh.study.cache import locked, studies_dir

GIT_SECONDS = 1800.0
_RELEASE = re.compile(r"^(?P<prefix>.*?)(?P<version>\d+(?:\.\d+)+)(?P<suffix>[-.]?[A-Za-z].*)?$")


class Repository:
    """A git repository.

    Args:
        address: Its address or folder; a relative folder begins at `base`.
    """

    def __init__(self, address: str, base: Path) -> None:
        folder = (base / Path(address).expanduser()).resolve()
        self.address = str(folder) if folder.is_dir() else address
        self.local = folder.is_dir()
        self.path = (
            folder if self.local else studies_dir("repositories") / f"{_slug(address)}-{digest(address, size=4)}"
        )
        self._fetched = False

    async def commit(self, ref: str) -> str | None:
        """The full id of the commit that a tag, branch or (short) id means; None when there is none.

        A ref that the clone does not have, or that is a branch, is looked for at the address once.
        """
        await self._clone()
        found = await self._resolve(ref)
        if not self.local and not self._fetched and (found is None or not await self._is_fixed(ref)):
            await self._fetch()
            found = await self._resolve(ref)
        return found

    async def tags(self) -> list[str]:
        """All tags."""
        await self._clone()
        return (await self._git("tag", "--list")).split()

    async def has(self, commit: str, path: str) -> bool:
        """Whether a commit has a file or folder."""
        return await self._try("cat-file", "-e", f"{commit}:{path.strip('/')}") is not None

    async def paths(self, commit: str) -> list[str]:
        """All files of a commit, relative; links and submodules too."""
        return (await self._git("ls-tree", "-r", "-z", "--name-only", "--full-tree", commit)).split("\0")[:-1]

    async def read(self, commit: str, path: str) -> str | None:
        """The text of a file of a commit; None where it has none."""
        return await self._try("cat-file", "blob", f"{commit}:{path}")

    async def export(self, commit: str, target: Path) -> None:
        """Write the files of a commit into an existing, empty folder; its history stays behind.

        Raises:
            CapabilityError: It cannot be read.
        """
        index = target.with_name(target.name + ".index")
        where = (await self._git("rev-parse", "--absolute-git-dir")).strip()
        try:
            # An index of its own: neither HEAD nor the user's index moves. Unlike an archive it leaves nothing out.
            await _run(
                ["git", f"--git-dir={where}", f"--work-tree={target}", "-c", "core.bare=false", "read-tree", "--reset",
                 "-u", commit],
                f"commit {commit[:12]} of {self.address}",
                env={"GIT_INDEX_FILE": str(index)},
            )  # fmt: skip
        finally:
            index.unlink(missing_ok=True)

    async def unknown(self, ref: str) -> DefinitionError:
        """The error of a ref that is not there, with the closest tags and branches."""
        tags = await self.tags()
        branches = (await self._git("branch", "--list", "--format=%(refname:short)")).split()
        newest = newest_releases(tags, 3) or tags[-3:]
        hint = suggest(ref, [*tags, *branches]) or (f"; the newest tags are {', '.join(newest)}" if newest else "")
        return DefinitionError(f"revision {ref!r} is no tag, branch or commit of {self.address}{hint}")

    async def range(self, first: str, last: str) -> list[str]:
        """The release tags from one to another, both included, by version.

        Releases are often made on branches of their own, so it is the versions that order them and not the history.

        Raises:
            DefinitionError: One end is no release tag, or there is nothing between them.
        """
        tags = await self.tags()
        for end in (first, last):
            if end not in tags:
                raise await self.unknown(end)
        chosen = between(tags, first, last)
        if not chosen:
            raise DefinitionError(
                f"revisions '{first}..{last}': a range goes from one release tag to a later one; name single commits "
                "one by one"
            )
        return chosen

    async def _resolve(self, ref: str) -> str | None:
        for name in (f"refs/tags/{ref}", ref, f"refs/remotes/origin/{ref}"):
            found = await self._try("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
            if found:
                return found.strip()
        return None

    async def _is_fixed(self, ref: str) -> bool:
        tag = await self._try("rev-parse", "--verify", "--quiet", f"refs/tags/{ref}")
        return tag is not None or re.fullmatch(r"[0-9a-f]{7,40}", ref) is not None

    async def _clone(self) -> None:
        if self.local or (self.path / "HEAD").is_file():
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        async with locked(self.path) as lock:
            if (self.path / "HEAD").is_file():
                return
            partial = self.path.with_name(self.path.name + ".part")
            await asyncio.to_thread(shutil.rmtree, partial, ignore_errors=True)
            await _run(
                ["git", "clone", "--bare", "--quiet", "--filter=blob:none", self.address, str(partial)],
                f"repository {self.address}",
                lock=lock,
            )
            partial.rename(self.path)
        self._fetched = True

    async def _fetch(self) -> None:
        async with locked(self.path):
            await self._git("fetch", "--quiet", "--tags", "--force", "origin", "+refs/heads/*:refs/heads/*")
        self._fetched = True

    async def _git(self, *words: str) -> str:
        return await _run(["git", "-C", str(self.path), *words], f"repository {self.address}")

    async def _try(self, *words: str) -> str | None:
        ended = await run_process(["git", "-C", str(self.path), *words], env=git_env(), timeout=GIT_SECONDS)
        return ended.stdout.decode(errors="replace") if ended.returncode == 0 else None


def between(names: list[str], first: str, last: str) -> list[str]:
    """Of names that hold a version, those of the same form from one to another, ordered by version."""
    ends = [_RELEASE.match(name) for name in (first, last)]
    if ends[0] is None or ends[1] is None:
        return []
    low, high = (version_key(end["version"]) for end in ends if end is not None)
    chosen = {}
    for name in names:
        match = _RELEASE.match(name)
        if match is None or match["prefix"] != ends[0]["prefix"]:
            continue
        if match["suffix"] and name not in (first, last):
            continue  # a pre-release is there only by name
        if low <= version_key(match["version"]) <= high:
            chosen[name] = (version_key(match["version"]), not match["suffix"], name)
    return sorted(chosen, key=lambda name: chosen[name])


def newest_releases(tags: Iterable[str], count: int) -> list[str]:
    """The last tags by version, of those that are a release and no pre-release."""
    keys = {tag: version_key(m["version"]) for tag in tags if (m := _RELEASE.match(tag)) and not m["suffix"]}
    return sorted(keys, key=lambda tag: keys[tag])[-count:]


def version_key(version: str) -> tuple[int, ...]:
    """Numbers to order versions by; trailing zeros count for nothing (5.8 is 5.8.0)."""
    numbers = [int(n) for n in re.findall(r"\d+", version)]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def git_env() -> dict[str, str]:
    """The user's environment, with git told to ask nothing and to follow no hook's or worktree's own settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}


async def _run(command: list[str], what: str, env: dict[str, str] | None = None, lock: int | None = None) -> str:
    """What git prints. With the descriptor of a lock, git holds it too, and ends with a process that is killed."""
    own = {} if lock is None else home().environment()
    try:
        ended = await run_process(
            command,
            env={**git_env(), **own, **(env or {})},
            timeout=GIT_SECONDS,
            output_limit=20_000_000,
            pass_fds=() if lock is None else (lock,),
        )
    except Failure as failure:
        raise CapabilityError(f"{what}: {failure.error.message}") from None
    if ended.returncode != 0:
        lines = ended.stderr.decode(errors="replace").strip().splitlines()
        raise CapabilityError(f"{what}: {command[0]}: {ended.limit or (lines[-1] if lines else 'it failed')}")
    return ended.stdout.decode(errors="replace")


def _slug(address: str) -> str:
    name = address.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name) or "repository"


async def tracked_files(folder: Path) -> list[str] | None:
    """The files of a folder that git does not ignore; None where the folder is in no repository."""
    ended = await run_process(
        ["git", "-C", str(folder), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        env=git_env(),
        timeout=60,
        output_limit=50_000_000,
    )
    if ended.returncode != 0:
        return None
    names = ended.stdout.decode(errors="surrogateescape").split("\0")
    return await asyncio.to_thread(lambda: sorted({n for n in names if n and (folder / n).is_file()}))
