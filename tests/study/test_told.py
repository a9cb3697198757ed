"""What a tier tells the model reaches it through scaffolds without an agent program, or the study is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.study.kit import make_study
from weigh.cli.main import main
from weigh.define.study import read_study
from weigh.pipeline.study import open_session, plan_study
from weigh.records.errors import WeighError
from weigh.records.trial import Trial
from weigh.store.artifacts import read_given
from weigh.store.layout import Store
from weigh.store.reader import read_trials

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("bubblewrap")]

ANSWERS = """
import json, pathlib
from weigh.records.request import Output, ToolCall

LOG = pathlib.Path(__file__).with_name("asked.jsonl")

def answer(request):
    system = "".join(m.content for m in request.messages if m.role == "system")
    with LOG.open("a") as file:
        file.write(json.dumps(system) + "\\n")
    if request.messages[-1].role == "tool":
        return request.messages[-1].content
    look = "cat ~/skills/greet/SKILL.md; touch ~/skills/greet/new; test -z $(ls -A) && echo empty"
    return Output(text="", tool_calls=(ToolCall(id="1", name="bash", arguments={"command": look}),))
"""


def told(file: Path) -> dict[str, str]:
    """The system message by arm: one task, one epoch, so that the order of the requests does not matter."""
    asked = [json.loads(line) for line in (file.parent / "asked.jsonl").read_text().splitlines()]
    return {arm: next(a for a in asked if mark(a) == arm) for arm in map(mark, asked)}


def mark(system: str) -> str:
    if "<skill" in system:
        return "loaded"
    return "offered" if "skills/greet" in system else "notes" if "NOTES.md" in system else "bare"


def trials(file: Path) -> dict[str, Trial]:
    store = Store(file.parent / "store")
    return {t.arm: t for one in store.runs() for t in read_trials(store.open(one.id))}


def study_of(folder: Path, library: Path, changes: dict[str, str] | None = None) -> Path:
    texts = {"[v1.0.0, v1.1.0]": "[v1.1.0]", "[bare, skill]": "[bare, notes, skill]", "epochs: 2": "epochs: 1"}
    agents = {"[coder]": "[coder, {agent: coder, name: loaded, options: {skills: loaded}}]"}
    file = make_study(folder, library, {**texts, **agents, **(changes or {})})
    (folder / "answers.py").write_text(ANSWERS)
    return file


def test_a_tier_reaches_the_model_of_a_tool_loop(
    tmp_path: Path, library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = study_of(tmp_path / "study", library)
    assert main(["study", "run", str(file), "-q", "-t", "tell", "--allow-errors", "0"]) == 0
    system = told(file)
    assert set(system) == {"bare", "notes", "offered", "loaded"}
    assert system["notes"] == system["bare"] + "\n\nRead NOTES.md."
    assert "~/skills/greet/SKILL.md: Greets." in system["offered"] and "Run `greet NAME`." not in system["offered"]
    assert "Run `greet NAME`." in system["loaded"]
    found = trials(file)
    assert len(found) == 6 and all(t.status == "ok" for t in found.values())
    for agent, way in (("coder", "offered"), ("loaded", "loaded")):
        bare, skill = found[f"small/{agent}/v1.1.0/bare"], found[f"small/{agent}/v1.1.0/skill"]
        assert skill.output is not None and bare.output is not None
        assert "Run `greet NAME`." in skill.output.text and "Read-only file system" in skill.output.text
        assert "empty" in skill.output.text.splitlines(), "something of it is in the working folder"
        assert "No such file" in bare.output.text
        capsys.readouterr()
        assert main(["trial", skill.id, "--store", str(file.parent / "store")]) == 0
        assert f"; Skill greet ({way})" in capsys.readouterr().out
        assert skill.trajectory is not None and bare.trajectory is not None
        folder = Store(file.parent / "store").open(skill.run)
        (text,) = read_given(folder, skill.trajectory.artifacts).values()
        assert text.startswith("---\nname: greet") and "Run `greet NAME`." in text
        assert read_given(folder, bare.trajectory.artifacts) == {}
    notes = found["small/coder/v1.1.0/notes"]
    assert main(["trial", notes.id, "--store", str(file.parent / "store")]) == 0
    assert "; instructions: Read NOTES.md." in capsys.readouterr().out


def test_a_scaffold_that_would_swallow_a_tier_is_refused(
    tmp_path: Path, library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = study_of(tmp_path / "study", library)
    harness = file.parent / "asks.yaml"
    file.write_text(file.read_text().replace("[coder, {agent: coder", "[asks.yaml, {agent: coder"))
    harness.write_text("extends: default\n")
    assert main(["study", "plan", str(file)]) == 2
    said = capsys.readouterr().err
    for tier in ("notes", "skill"):
        assert f"tier '{tier}': harness 'asks': scaffold single_turn gives the model neither instructions nor" in said
    assert "tier 'bare'" not in said
    harness.write_text("extends: coder\ntools: [read, submit]\n")
    assert main(["study", "plan", str(file)]) == 2
    said = capsys.readouterr().err
    assert "tier 'skill': harness 'asks': no tool of it can read a Skill that is offered; add `bash`" in said
    assert "tier 'notes'" not in said


async def test_what_was_told_is_part_of_what_a_trial_is(tmp_path: Path, library: Path) -> None:
    async def digests(options: str) -> dict[str, str]:
        changes = {"[coder, {agent: coder, name: loaded, options: {skills: loaded}}]": f"[{{agent: coder{options}}}]"}
        file = study_of(tmp_path / "study", library, changes)
        session = await open_session(await plan_study(read_study(file)))
        return {arm.id.rpartition("/")[2]: arm.digest for arm in session.manifest.arms}

    plain, offered = await digests(""), await digests(", options: {skills: offered}")
    loaded = await digests(", options: {skills: loaded}")
    assert len({*offered.values(), *loaded.values()}) == 6
    assert plain.keys() == {"bare", "notes", "skill"} and len(set(plain.values())) == 3
    with pytest.raises(WeighError, match=r"skills=lodaed: offered or loaded.*did you mean"):
        await digests(", options: {skills: lodaed}")
