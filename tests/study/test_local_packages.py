"""A folder among `install.packages` is what is in it, and is built from a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.study.kit import BACKEND, PYPROJECT
from weigh.define.study import StudyRevision
from weigh.records.errors import CapabilityError, DefinitionError
from weigh.study.installations import build, has_module
from weigh.study.profile import Profile
from weigh.study.revisions import Revision
from weigh.study.spec import make_spec


def helper(folder: Path) -> Path:
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "backend.py").write_text(BACKEND.replace("greet", "helper") + '\npathlib.Path("built").touch()\n')
    (folder / "helper.py").write_text('VERSION = "3.1"\n')
    return folder


def profile(folder: Path, library: Path, *packages: str) -> Profile:
    tool = "uv" if shutil.which("uv") else "pip"
    values = {"name": "greet", "repository": str(library), "install": {"tool": tool, "packages": list(packages)}}
    return Profile(folder / "profile.yaml", make_spec(values, "profile.yaml", folder))


async def first(made: Profile) -> Revision:
    await made.identify()
    [revision] = await made.revisions([StudyRevision(ref="v1.0.0")], made.base)
    return revision


async def test_editing_one_makes_another_installation(tmp_path: Path, library: Path) -> None:
    folder = helper(tmp_path / "helper")
    made = profile(tmp_path, library, "./helper")
    revision = await first(made)
    before = made.recipe(revision)
    assert before.key != profile(tmp_path, library).recipe(revision).key
    (folder / ".venv").mkdir()
    (folder / ".venv" / "x.py").touch()
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "helper.pyc").touch()
    await made.identify()
    assert made.recipe(revision).path == before.path
    (folder / "helper.py").write_text('VERSION = "3.2"\n')
    await made.identify()
    after = made.recipe(revision)
    assert after.path != before.path
    spaces = {(await made.workspace(revision, "bare")).digest}
    (folder / "helper.py").write_text('VERSION = "3.1"\n')
    await made.identify()
    assert made.recipe(revision) == before
    assert (await made.workspace(revision, "bare")).digest not in spaces
    with pytest.raises(CapabilityError, match=r"helper has changed since this was planned; run it again"):
        await build(after)
    one = await build(before)
    assert "helper==3.1" in one.packages
    assert await has_module(one, "helper")
    assert not (folder / "built").exists()
    assert not (Path(one.path) / "local").exists()


async def test_a_file_counts_by_its_content_and_extras_are_kept(tmp_path: Path, library: Path) -> None:
    (tmp_path / "one.whl").write_bytes(b"1")
    helper(tmp_path / "helper")
    made = profile(tmp_path, library, "./one.whl", "./helper[more]", "tabulate==0.9.0")
    revision = await first(made)
    recipe = made.recipe(revision)
    assert [(p.text, p.extras) for p in recipe.local] == [("./one.whl", ""), ("./helper[more]", "[more]")]
    (tmp_path / "one.whl").write_bytes(b"2")
    await made.identify()
    assert made.recipe(revision).key != recipe.key


async def test_one_that_is_not_there_is_told_before_anything_is_built(tmp_path: Path, library: Path) -> None:
    helper(tmp_path / "helper")
    with pytest.raises(DefinitionError, match=r"profile.yaml: install.packages: './helpr': .*did you mean 'helper'"):
        await profile(tmp_path, library, "./helpr").identify()
