"""Released versions of a package: which there are, what exactly one is, and its source; asked of the user's own pip.

pip knows the user's index, proxy and certificates. What a version is (the digest of its file) is remembered: a release
does not change, and a plan that was made once can then be made without a network.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import msgspec

from weigh.execute.sandboxes.folder import home
from weigh.execute.sandboxes.process import run_process
from weigh.execute.venvs import base_python
from weigh.records.errors import CapabilityError, DefinitionError, suggest
from weigh.study.cache import locked, studies_dir

PIP_SECONDS = 900.0
_QUIET = ("--disable-pip-version-check", "--no-input", "--quiet")


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A released version of a package.

    Attributes:
        name: As the index spells it.
        version: Exactly.
        sha256: Of the file that is installed here.
    """

    name: str
    version: str
    sha256: str


async def find_release(package: str, version: str | None) -> Release:
    """What a version of a package is; None is the newest.

    Raises:
        DefinitionError: There is no such version, with the closest ones.
        CapabilityError: pip cannot tell (no network, no pip).
    """
    kept = studies_dir("releases", f"{_safe(package)}-{_safe(version)}.json") if version else None
    if kept is not None and kept.is_file():
        return msgspec.json.decode(kept.read_bytes(), type=Release)
    requirement = f"{package}=={version}" if version else package
    report = ["install", "--dry-run", "--no-deps", "--ignore-installed", "--report", "-", *_QUIET, requirement]
    code, out, error = await _pip(*report)
    if code != 0:
        if version and ("No matching distribution" in error or "Could not find a version" in error):
            known = await versions(package)
            hint = suggest(version, known) or (f"; there are {', '.join(known[-6:])}" if known else "")
            raise DefinitionError(f"there is no version {version!r} of {package} for this Python{hint}")
        raise CapabilityError(f"pip cannot find {requirement}: {_last(error)}")
    found = msgspec.json.decode(out[out.index("{") :])["install"][0]
    release = Release(
        name=found["metadata"]["name"],
        version=found["metadata"]["version"],
        sha256=found["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256", ""),
    )
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_name(f"{kept.name}.{os.getpid()}")
        partial.write_bytes(msgspec.json.encode(release))
        partial.replace(kept)
    return release


async def versions(package: str) -> list[str]:
    """The released versions of a package that install here, oldest first.

    Raises:
        CapabilityError: pip cannot tell.
    """
    code, out, error = await _pip("index", "versions", package, "--disable-pip-version-check", "--no-input")
    listed = re.search(r"Available versions: (.+)", out)
    if code != 0 or listed is None:
        raise CapabilityError(f"pip cannot list the versions of {package}: {_last(error)}")
    return [version.strip() for version in listed[1].split(",")][::-1]


def source_path(release: Release) -> Path:
    """Where the source of a release is or would be."""
    return studies_dir("sources", f"{_safe(release.name)}-{release.version}")


async def package_source(release: Release) -> Path:
    """The folder with the source distribution of a release; fetched once.

    Raises:
        CapabilityError: It has none, or it cannot be fetched.
    """
    target = source_path(release)
    async with locked(target) as lock:
        if target.is_dir():
            return target
        work = target.with_name(target.name + ".part")
        await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
        work.mkdir(parents=True)
        requirement = f"{release.name}=={release.version}"
        code, _, error = await _pip(
            "download", "--no-deps", "--no-binary", ":all:", "-d", str(work), *_QUIET, requirement, lock=lock
        )
        if code != 0:
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
            raise CapabilityError(
                f"the source of {requirement} cannot be had ({_last(error)}); leave out the tiers that need it, or "
                "give the profile a repository"
            )
        await asyncio.to_thread(_unpack, work)
        tops = list((work / "source").iterdir())
        (tops[0] if len(tops) == 1 and tops[0].is_dir() else work / "source").rename(target)
        await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
    return target


def _unpack(folder: Path) -> None:
    archive = next(iter(folder.iterdir()))
    target = folder / "source"
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as held:
            held.extractall(target)  # zipfile itself keeps members below the target
    else:
        with tarfile.open(archive) as held:
            unpack_tar(held, target)


def unpack_tar(held: tarfile.TarFile, target: Path) -> None:
    """Unpack what stays below the target; Python before 3.11.4 has no filter for that, and then links are left out."""
    if hasattr(tarfile, "data_filter"):
        held.extractall(target, filter="data")
        return
    inside = target.resolve()
    for member in held:
        place = (inside / member.name).resolve()
        source = held.extractfile(member) if member.isreg() and place.is_relative_to(inside) else None
        if source is None:
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        with source, place.open("wb") as file:
            shutil.copyfileobj(source, file)
        place.chmod(0o755 if member.mode & 0o100 else 0o644)


async def _pip(*words: str, lock: int | None = None) -> tuple[int, str, str]:
    command = [*pip_command(), *words]
    # What works on something that is locked holds the lock too, and ends with a process that is killed.
    ended = await run_process(
        command,
        env=os.environ if lock is None else {**os.environ, **home().environment()},
        timeout=PIP_SECONDS,
        output_limit=20_000_000,
        pass_fds=() if lock is None else (lock,),
    )
    out, error = (stream.decode(errors="replace") for stream in (ended.stdout, ended.stderr))
    return (1 if ended.limit else ended.returncode), out, ended.limit or error


def pip_command() -> list[str]:
    """How pip is run here.

    Raises:
        CapabilityError: There is none.
    """
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    if shutil.which("pip") is not None:
        return ["pip"]
    return [base_python(), "-m", "pip"]


def _last(error: str) -> str:
    lines = [line for line in error.strip().splitlines() if line.strip() and "WARNING" not in line]
    return (lines[-1].removeprefix("ERROR: ") if lines else "it failed")[:300]


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.+!-]", "-", text)
