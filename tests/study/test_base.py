"""`install.base`: an installation sees what a venv has, and has the library itself as its own."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec
import pytest

from weigh.define.study import StudyRevision
from weigh.execute.sandboxes.bubblewrap import BubblewrapSandbox
from weigh.execute.sandboxes.process import run_process
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.execute.venvs import base_python
from weigh.records.errors import CapabilityError, DefinitionError
from weigh.study.installations import Installation, build
from weigh.study.profile import Profile
from weigh.study.spec import make_spec

SEEN = "import greet, helper; print(greet.VERSION, helper.VERSION, helper.__file__)"


def put(venv: Path, name: str, version: str) -> None:
    """Put a package into a venv, as pip would."""
    packages = venv / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    info = packages / f"{name}-{version}.dist-info"
    info.mkdir()
    (packages / f"{name}.py").write_text(f'VERSION = "{version}"\n')
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A venv with a helper, and with a greet that is not the one under study."""
    made = tmp_path_factory.mktemp("base") / "venv"
    command = [base_python(), "-m", "venv", "--without-pip", str(made)]
    assert asyncio.run(run_process(command, env={}, timeout=300)).returncode == 0
    put(made, "helper", "3.1")
    put(made, "greet", "1.1.0")
    return made


def profile(folder: Path, library: Path, base: str, **install: object) -> Profile:
    settings = {"base": base, "packages": ["helper==3.1"], **install}
    values = {"name": "greet", "repository": str(library), "module": "greet", "command": "greet", "install": settings}
    return Profile(folder / "profile.yaml", make_spec(values, "profile.yaml", folder))


async def installed(made: Profile) -> tuple[Installation, SandboxSpec]:
    """Its first revision, built, and the sandbox in which a trial sees it."""
    await made.identify()
    [revision] = await made.revisions([StudyRevision(ref="v1.0.0")], made.base)
    one = await build(made.recipe(revision))
    await made.check(one)
    space = await made.workspace(revision, "bare")
    return one, SandboxSpec(path=space.path, readonly=space.readonly, env=space.env)


@pytest.mark.sandbox
async def test_a_base_is_seen_and_the_library_is_its_own(
    bubblewrap: None, tmp_path: Path, library: Path, venv: Path
) -> None:
    one, spec = await installed(profile(venv.parent, library, "./venv"))
    assert {"greet==1.0.0", "helper==3.1"} <= set(one.packages)
    assert not list(Path(one.path).rglob("helper.py"))
    async with BubblewrapSandbox(spec) as sandbox:
        done = await sandbox.exec(["python", "-c", SEEN])
        assert done.stdout.split()[:2] == ["1.0.0", "3.1"], done.stderr
        assert Path(done.stdout.split()[2]).is_relative_to(venv.resolve())
        assert (await sandbox.exec(["greet", "Ada"])).stdout == "hello Ada\n"
        assert (await sandbox.exec(["touch", done.stdout.split()[2]])).exit_code != 0


async def test_what_a_base_has_is_part_of_what_is_installed(tmp_path: Path, library: Path, venv: Path) -> None:
    base = tmp_path / "other"
    command = [base_python(), "-m", "venv", "--without-pip", str(base)]
    assert (await run_process(command, env={}, timeout=300)).returncode == 0
    made = profile(tmp_path, library, str(base))
    await made.identify()
    [revision] = await made.revisions([StudyRevision(ref="v1.0.0")], made.base)
    empty = made.recipe(revision)
    put(base, "helper", "3.1")
    await made.identify()
    one = made.recipe(revision)
    put(base, "greet", "1.1.0")
    await made.identify()
    two = made.recipe(revision)
    assert len({empty.key, one.key, two.key}) == 3
    same = profile(tmp_path, library, str(venv))
    await same.identify()
    # What is installed is the same, in another place: the same for a trial's key, and another folder.
    assert same.recipe(revision).key == two.key and same.recipe(revision).path != two.path


async def test_what_cannot_be_a_base_is_said(tmp_path: Path, library: Path, venv: Path) -> None:
    with pytest.raises(DefinitionError, match=r"install\.base: 'venv' is no venv: there is no .*/venv/bin/python"):
        await profile(tmp_path, library, "venv").identify()
    with pytest.raises(DefinitionError, match=r"install\.base needs `tool: pip`; uv sees no packages elsewhere"):
        profile(tmp_path, library, str(venv), tool="uv")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text("#!/bin/sh\necho no such library >&2; exit 3\n")
    (tmp_path / "bin" / "python").chmod(0o755)
    with pytest.raises(DefinitionError, match=r"install\.base: .*bin/python cannot be run: no such library"):
        await profile(tmp_path, library, ".").identify()
    made = profile(tmp_path, library, str(venv))
    [revision] = await made.revisions([StudyRevision(ref="v1.0.0")], made.base)
    with pytest.raises(RuntimeError, match="was not identified"):
        made.recipe(revision)
    await made.identify()
    recipe = made.recipe(revision)
    assert recipe.base is not None
    strange = msgspec.structs.replace(recipe, base=msgspec.structs.replace(recipe.base, version="3.9"))
    with pytest.raises(CapabilityError, match=r"install\.base is of Python 3\.9, and this installation of 3\.\d+; say"):
        await build(strange)
    assert not strange.path.exists()
