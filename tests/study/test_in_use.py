"""What a run uses of the cache stays what it is: nobody removes it, no edit reaches it, and if it goes all the same the
trial has failed."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.study.kit import SKILL, make_study
from weigh.cli.main import main
from weigh.define.study import StudyRevision, read_study
from weigh.execute.sandboxes.seed import instance_files
from weigh.pipeline.study import plan_study
from weigh.records.errors import CapabilityError, DataError
from weigh.records.instance import Instance
from weigh.records.trial import Trial
from weigh.store.layout import Store
from weigh.store.reader import read_trials
from weigh.study.holds import Hold, studies_of, users_of
from weigh.study.revisions import resolve_revisions
from weigh.study.skills import frozen_skill, frozen_skills
from weigh.study.sources import fetch_source
from weigh.study.spec import ProfileSpec

ANSWERS = """
import pathlib, subprocess, sys
from weigh.records.request import Output, ToolCall

HERE = pathlib.Path(__file__).parent

def answer(request):
    if request.messages[-1].role == "tool":
        return request.messages[-1].content
    exec((HERE / "meanwhile.py").read_text())
    command = "cat ~/skills/greet/SKILL.md; greet Ada"
    return Output(text="", tool_calls=(ToolCall(id="1", name="bash", arguments={"command": command}),))
"""


def study_of(folder: Path, library: Path, meanwhile: str) -> Path:
    """One trial, of the second release with a Skill beside the profile; `meanwhile` is done while it runs."""
    changes = {"[v1.0.0, v1.1.0]": "[v1.1.0]", "[bare, skill]": "[skill]", "epochs: 2": "epochs: 1"}
    file = make_study(folder, library, changes)
    profile = folder / "profile.yaml"
    profile.write_text(profile.read_text().replace("skill: {source: skill}", "skill: {folder: help}"))
    (folder / "help").mkdir()
    (folder / "help" / "SKILL.md").write_text(SKILL)
    (folder / "answers.py").write_text(ANSWERS)
    (folder / "meanwhile.py").write_text(meanwhile)
    return file


def trials(file: Path) -> list[Trial]:
    store = Store(file.parent / "store")
    return [t for one in store.runs() for t in read_trials(store.open(one.id))]


def run(file: Path, code: int = 0) -> Trial:
    assert main(["study", "run", str(file), "-q", "-t", "tell"]) == code
    (trial,) = trials(file)
    return trial


@pytest.mark.sandbox
@pytest.mark.usefixtures("bubblewrap")
def test_clean_leaves_what_a_run_uses_and_says_who(tmp_path: Path, library: Path) -> None:
    clean = "[sys.executable, '-m', 'weigh', 'study', 'clean', HERE / 'study.yaml', '-y']"
    said = f"done = subprocess.run({clean}, capture_output=True, text=True)\n"
    file = study_of(
        tmp_path / "study", library, said + "(HERE / 'said').write_text(f'{done.returncode} {done.stderr}')"
    )
    trial = run(file)
    assert trial.status == "ok" and trial.scores["match"].value == 1.0
    told = (file.parent / "said").read_text()
    lines = told.splitlines()
    assert told.startswith("1 kept ") and len(lines) == 2, told
    assert "/installations/greet-" in lines[0] and "/skills/greet-" in lines[1]
    assert all(f"in use by run {trial.run} (process " in line and line.endswith(str(file)) for line in lines)


@pytest.mark.sandbox
@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize("back", ["", "; shutil.copytree(f'{place}.away', place, symlinks=True)"])
def test_a_trial_whose_installation_goes_has_failed(
    tmp_path: Path, library: Path, back: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = study_of(tmp_path / "study", library, "")
    place = asyncio.run(plan_study(read_study(file))).recipes[0].path
    assert main(["study", "build", str(file)]) == 0
    go = f"import shutil; place = {str(place)!r}; pathlib.Path(place).rename(f'{{place}}.away'){back}"
    (file.parent / "meanwhile.py").write_text(go)
    try:
        trial = run(file, 1)
    finally:
        if back:
            subprocess.run(["rm", "-r", str(place)], check=True)
        Path(f"{place}.away").rename(place)
    assert trial.status == "error" and trial.error is not None and not trial.scores
    assert (trial.error.kind, trial.error.code) == ("sandbox", "not_whole")
    assert ("replaced while the trial ran" if back else f"{place} is gone or not whole") in trial.error.message
    (file.parent / "meanwhile.py").write_text("")
    assert main(["study", "run", str(file), "-q", "-t", "tell"]) == 0
    assert [t.scores["match"].value for t in trials(file) if t.status == "ok"] == [1.0]


@pytest.mark.sandbox
@pytest.mark.usefixtures("bubblewrap")
def test_an_edit_of_a_skill_reaches_no_trial_that_was_planned_without_it(
    tmp_path: Path, library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit = "place = HERE / 'help' / 'SKILL.md'; place.write_text(place.read_text() + 'EDITED')"
    file = study_of(tmp_path / "study", library, edit)
    trial = run(file)
    assert trial.output is not None and "Run `greet NAME`." in trial.output.text and "EDITED" not in trial.output.text
    assert main(["study", "plan", str(file), "-t", "tell"]) == 0
    assert "1 trial: 0 done, 1 missing" in capsys.readouterr().err
    (file.parent / "help" / "SKILL.md").write_text(SKILL)
    assert main(["study", "plan", str(file), "-t", "tell"]) == 0
    assert "1 trial: 1 done" in capsys.readouterr().err


async def test_a_skill_is_copied_once_with_all_that_belongs_to_it(tmp_path: Path, cache: Path) -> None:
    folder = tmp_path / "weaving"
    (folder / "deep" / "__pycache__").mkdir(parents=True)
    (folder / "SKILL.md").write_text("---\nname: weaving-x\ndescription: Weaves.\n---\nOver.")
    (folder / "deep" / "run.sh").write_text("#!/bin/sh\n")
    (folder / "deep" / "run.sh").chmod(0o755)
    (folder / "deep" / "__pycache__" / "a.pyc").write_text("")
    (folder / "also").symlink_to("deep")
    first, second = await asyncio.gather(frozen_skill(folder), frozen_skill(folder))
    assert first == second and first.is_relative_to(cache)
    assert sorted(str(p.relative_to(first)) for p in first.rglob("*")) == ["SKILL.md", "also", "deep", "deep/run.sh"]
    assert (first / "also").is_symlink() and (first / "also" / "run.sh").stat().st_mode & 0o111
    (first / "SKILL.md").write_text("damaged")
    assert await frozen_skill(folder) == first and (first / "SKILL.md").read_text().endswith("Over.")
    (folder / "deep" / "run.sh").write_text("#!/bin/sh\nexit 1\n")
    assert await frozen_skill(folder) != first
    assert len(frozen_skills({"weaving-x"})) == 2 and frozen_skills({"weaving"}) == []
    assert not list(first.parent.glob(".*"))


def test_the_mark_of_a_process_that_was_killed_is_nobodys(tmp_path: Path, cache: Path) -> None:
    place = cache / "studies" / "installations" / "held-by-nobody"
    code = (
        "import os, sys, pathlib; from weigh.study.holds import Hold\n"
        "hold = Hold(pathlib.Path(sys.argv[1]), 'run x', '/study.yaml'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(place)], check=False)
    with Hold(place, "run y"), Hold(place, "run z", "/study.yaml"):
        assert [user.partition(" (")[0] for user in sorted(users_of(place))] == ["run y", "run z"]
    assert users_of(place) == []
    assert studies_of(place) == ["/study.yaml"]


async def test_a_folder_that_changes_between_plan_and_copy_is_refused(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "code.py").write_text("a = 1")
    entry = StudyRevision(folder="./lib", name="here")
    (revision,) = await resolve_revisions(ProfileSpec(name="lib"), tmp_path, [entry])
    (tmp_path / "lib" / "code.py").write_text("a = 2")
    with pytest.raises(CapabilityError, match=r"revision here: .*lib has changed since this was planned; run it again"):
        await fetch_source(revision)
    (tmp_path / "lib" / "code.py").write_text("a = 1")
    assert (await fetch_source(revision) / "code.py").read_text() == "a = 1"


def test_a_file_of_a_task_that_changed_since_the_plan_is_refused(tmp_path: Path) -> None:
    (tmp_path / "large.bin").write_bytes(b"planned")
    told = {"path": str(tmp_path / "large.bin"), "sha256": hashlib.sha256(b"planned").hexdigest()}
    instance = Instance(id="a", question="?", inputs={"files": {"large.bin": told}})
    assert list(instance_files(instance)) == [("large.bin", b"planned")]
    (tmp_path / "large.bin").write_bytes(b"edited!")
    with pytest.raises(DataError, match=r"large.bin is not what it was when this was planned"):
        list(instance_files(instance))
