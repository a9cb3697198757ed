"""Installations: a virtual environment for each revision, in the cache, named by all that goes into it.

An environment cannot be moved, so it is made in place, under a lock, and counts only once its last file is written; one
that a killed process left half made is begun anew, once what still works on it has ended (pip, which inherits the lock,
and which the reaper kills). What a package needs and nobody pinned is what the index has on the day of the build; what
that was is written down.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from weigh.execute.sandboxes.folder import home, remove_folder
from weigh.execute.sandboxes.process import run_process
from weigh.execute.venvs import base_python
from weigh.records.digest import digest
from weigh.records.errors import CapabilityError, Failure
from weigh.study.base import Base, base_file
from weigh.study.cache import locked, studies_dir
from weigh.study.holds import users_of
from weigh.study.local_packages import LocalPackage, copy_package, is_local
from weigh.study.revisions import Revision
from weigh.study.sources import fetch_source
from weigh.study.spec import Install

BUILD_SECONDS = 3600.0
READY = "weigh-ready.json"
Notice = Callable[[str], None]


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """How a revision is installed, exactly.

    Attributes:
        name: Of the profile, for the folder's name.
        revision: What is installed.
        subdirectory: The package's folder within the source.
        install: With what.
        local: The folders and files among `install.packages`, identified.
        base: What the venv `install.base` has.
    """

    name: str
    revision: Revision
    install: Install = Install()
    subdirectory: str = ""
    local: tuple[LocalPackage, ...] = ()
    base: Base | None = None

    @property
    def python(self) -> str:
        """The interpreter it is made for."""
        wanted = self.install.python
        if wanted is None:
            return base_python()
        if "/" in wanted:
            return os.path.realpath(wanted)
        return os.path.realpath(shutil.which(f"python{wanted}") or f"python{wanted}")

    @property
    def key(self) -> str:
        """Digest of what is installed, without where: part of what a trial is given."""
        version = sys.version_info[:2] if self.install.python is None else self.install.python
        local = [[package.text, package.digest] for package in self.local]
        install = msgspec.structs.replace(self.install, base=None)
        given = [self.revision.digest, self.subdirectory, msgspec.to_builtins(install), version]
        if self.base is not None:
            return digest([*given, local, self.base.digest])
        return digest([*given, local] if local else given)

    @property
    def path(self) -> Path:
        """Where the installation is or would be. What a study calls the revision is no part of it: under another name
        it is the same installation, and an agent reads nothing from the folder's name."""
        made = [self.key, self.python, *([self.base.places] if self.base else [])]
        release = self.revision.release
        shown = re.sub(r"[^A-Za-z0-9_.-]", "-", release.version if release else self.revision.short)[:40]
        return studies_dir("installations", f"{self.name}-{shown}-{digest(made, size=5)}")


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """An installation that is ready.

    Attributes:
        path: Its folder.
        packages: All that is installed, `name==version`.
        built: Unix time.
        seconds: How long it took.
        key: The recipe's.
        revision: The revision's name and id.
        used: Bytes on disk.
    """

    path: str
    packages: tuple[str, ...] = ()
    built: float = 0.0
    seconds: float = 0.0
    key: str = ""
    revision: tuple[str, str] = ("", "")
    used: int = 0

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(Path(self.path) / "bin" / "python")


def find_installation(path: Path) -> Installation | None:
    """The installation in a folder, if it is there and whole."""
    try:
        return msgspec.json.decode((path / READY).read_bytes(), type=Installation)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return None


def installations() -> list[Path]:
    """The folders of all installations, whole or not."""
    folder = studies_dir("installations")
    return sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []


async def build(recipe: Recipe, notice: Notice = lambda text: None) -> Installation:
    """Make the installation, or return it if it is there. Whoever comes while it is made waits for it.

    Raises:
        CapabilityError: It cannot be built; says the last line of what said so, and where the rest is.
    """
    found = find_installation(recipe.path)
    if found is not None:
        return found
    async with locked(recipe.path) as lock:
        found = find_installation(recipe.path)
        if found is not None:
            return found
        await asyncio.to_thread(shutil.rmtree, recipe.path, ignore_errors=True)
        notice(f"building {recipe.name} {recipe.revision.name} ({recipe.revision.short})")
        began = time.time()
        try:
            packages = await _make(_Building(recipe, lock))
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, recipe.path, ignore_errors=True)
            raise
        made = Installation(
            path=str(recipe.path),
            packages=packages,
            built=began,
            seconds=round(time.time() - began, 1),
            key=recipe.key,
            revision=(recipe.revision.name, recipe.revision.id),
            used=await asyncio.to_thread(_used, recipe.path),
        )
        partial = recipe.path / f"{READY}.part"
        partial.write_bytes(msgspec.json.encode(made))
        partial.replace(recipe.path / READY)
        notice(f"built {recipe.name} {recipe.revision.name} in {made.seconds:.0f} s")
        return made


async def has_module(installation: Installation, module: str) -> bool:
    """Whether Python finds a module in an installation; the module itself is not imported."""
    code = "import importlib.util as u, sys; sys.exit(u.find_spec(sys.argv[1]) is None)"
    top = module.split(".")[0]
    ended = await run_process([installation.python, "-I", "-c", code, top], env={}, timeout=60)
    return ended.returncode == 0


async def remove(path: Path) -> list[str]:
    """Remove an installation, once nobody is building it; or say who uses it, and leave it."""
    async with locked(path):
        users = users_of(path)
        if users:
            return users
        # First the mark: a removal that is cut short must not leave something that passes for whole.
        (path / READY).unlink(missing_ok=True)
        path.with_name(path.name + ".log").unlink(missing_ok=True)
        await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
        return []


class _Building:
    """An installation that is being made: its recipe, the lock that is held, and a folder for what pip leaves aside."""

    def __init__(self, recipe: Recipe, lock: int) -> None:
        self.recipe, self.lock = recipe, lock
        self.scratch = home().make()

    async def run(self, command: Sequence[str]) -> str:
        """Run a command of the build and return what it prints. Raises `CapabilityError` when it fails."""
        recipe = self.recipe
        # pip needs the user's settings (index, proxy, certificates). What it builds is the library under study, which
        # the user chose to run.
        own = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "TMPDIR": str(self.scratch), **home().environment()}
        env = {**os.environ, **own, **recipe.install.env}
        for name in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"):
            env.pop(name, None)
        try:
            ended = await run_process(
                command, env=env, timeout=BUILD_SECONDS, output_limit=4_000_000, pass_fds=(self.lock,)
            )
        except Failure as failure:
            raise CapabilityError(_cannot(recipe, failure.error.message)) from None
        if ended.returncode == 0:
            return ended.stdout.decode(errors="replace")
        said = (ended.stderr or ended.stdout).decode(errors="replace")
        log = recipe.path.with_name(recipe.path.name + ".log")
        log.write_text(f"$ {' '.join(command)}\n{ended.stdout.decode(errors='replace')}\n{said}")
        reason = ended.limit or _first_error(said) or f"exit code {ended.returncode}"
        raise CapabilityError(f"{_cannot(recipe, reason)} (all of it: {log})")


async def _make(building: _Building) -> tuple[str, ...]:
    try:
        return await _install(building)
    finally:
        await asyncio.to_thread(remove_folder, building.scratch)


async def _install(building: _Building) -> tuple[str, ...]:
    recipe = building.recipe
    python, path, install = recipe.python, recipe.path, recipe.install
    if not Path(python).is_file():
        raise CapabilityError(f"install.python: there is no interpreter {install.python!r} on this machine")
    inside = str(path / "bin" / "python")
    more = [text for text in install.packages if not is_local(text)]
    if install.tool == "uv":
        if shutil.which("uv") is None:
            raise CapabilityError("install.tool: uv is not installed; get it (pip install uv), or use pip")
        await building.run(["uv", "venv", "--quiet", "--python", python, str(path)])
        put = ["uv", "pip", "install", "--quiet", "--python", inside]
        listing = ["uv", "pip", "list", "--python", inside, "--format=freeze"]
    else:
        await building.run([python, "-m", "venv", str(path)])
        pip = [inside, "-m", "pip", "--disable-pip-version-check", "--no-input"]
        put, listing = [*pip, "install", "--quiet"], [*pip, "list", "--format=freeze"]
    more += [await copy_package(one, path / "local" / str(number)) for number, one in enumerate(recipe.local)]
    wanted = await _requirement(recipe)
    if recipe.base is not None:
        file = base_file(recipe.base, path)
        wanted = await _install_alone(building, put, wanted)
        file.write_text("".join(f"{place}\n" for place in recipe.base.places))
    await building.run([*put, wanted, *more])
    for copies in ("source", "local"):
        await asyncio.to_thread(shutil.rmtree, path / copies, ignore_errors=True)
    listed = await building.run(listing)
    return tuple(line for line in listed.split() if "==" in line or "@" in line)


async def _install_alone(building: _Building, put: Sequence[str], wanted: str) -> str:
    """Install the library itself, before its Python sees the base, which may have another revision of it; what pip is
    given from then on."""
    said = await building.run([*put, "--no-deps", "--report", "-", wanted])
    (installed,) = msgspec.json.decode(said[said.index("{") :])["install"]
    return f"{installed['metadata']['name']}{_extras(building.recipe)}"


async def _requirement(recipe: Recipe) -> str:
    """What pip is given for the revision itself. A source is built from a copy, since builds write into it."""
    extras = _extras(recipe)
    release = recipe.revision.release
    if release is not None:
        return f"{release.name}{extras}=={release.version}"
    source = await fetch_source(recipe.revision)
    copy = recipe.path / "source"
    await asyncio.to_thread(shutil.copytree, source, copy, symlinks=True)
    package = copy / recipe.subdirectory
    if not any((package / name).is_file() for name in ("pyproject.toml", "setup.py", "setup.cfg")):
        where = recipe.subdirectory or "its top folder"
        raise CapabilityError(
            f"revision {recipe.revision.name} has no pyproject.toml or setup.py in {where}; the profile's "
            "`subdirectory` says where the package is"
        )
    return f"{package}{extras}"


def _extras(recipe: Recipe) -> str:
    return f"[{','.join(recipe.install.extras)}]" if recipe.install.extras else ""


def _first_error(said: str) -> str:
    """The line of what a program said that tells what went wrong; empty where it said nothing."""
    lines = [line for line in said.splitlines() if line.strip() and "WARNING" not in line and "[notice]" not in line]
    errors = [line for line in lines if line.startswith(("ERROR:", "error:"))] or lines
    return errors[0].removeprefix("ERROR: ").strip() if errors else ""


def _cannot(recipe: Recipe, why: str) -> str:
    return f"{recipe.name} {recipe.revision.name} ({recipe.revision.short}) cannot be installed: {why}"


def _used(path: Path) -> int:
    total = 0
    for folder, _, files in os.walk(path):
        for name in files:
            total += (Path(folder) / name).lstat().st_blocks * 512
    return total
