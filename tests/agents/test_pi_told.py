"""What reaches the model through pi: skills, instructions, sampling; and a model that cannot call tools."""

from __future__ import annotations

import socket

import pytest

from tests.agents.kit import DONE, AgentBench, bash
from weigh.cli.main import main
from weigh.define.harness import apply_overrides, load_harness
from weigh.pipeline.request import Setting
from weigh.records.errors import DefinitionError
from weigh.records.trial import steps_of
from weigh.records.workspace import Workspace
from weigh.score.actions import pieces


def test_skills_instructions_and_sampling_reach_the_model(
    bench: AgentBench, pi: str, capsys: pytest.CaptureFixture[str]
) -> None:
    skill = bench.folder / "skills" / "weaving"
    skill.mkdir(parents=True)
    (skill / "SKILL.md").write_text("---\nname: weaving\ndescription: How to weave baskets.\n---\n\nOver, under.\n")
    (bench.folder / "tree").mkdir()
    (bench.folder / "tree" / "AGENTS.md").write_text("This is a repository of baskets.")
    workspace = Workspace(
        digest="x",
        folder=str(bench.folder / "tree"),
        files={"notes/one.txt": b"first note\n"},
        skills=(str(skill),),
        instructions="Always answer in Latin.",
        env={"LOOM": "jacquard"},
    )
    harness = apply_overrides(load_harness("pi"), ["system_prompt=You weave.", "scaffold_options.max_tokens=777"])
    look = bash(f"cat notes/one.txt {skill}/SKILL.md; echo $LOOM; touch {skill}/new")
    trial = bench.run({"told": [look, DONE]}, settings=[Setting(harness=harness, workspace=workspace)], temperature=0.7)
    first, second = bench.asked("told")
    for text in ("Always answer in Latin.", "You weave.", "How to weave baskets.", "This is a repository of baskets."):
        assert text in first["system"], text
    assert (first["temperature"], first["max_tokens"]) == (0.7, 777)
    assert first["tools"] == ["read", "bash", "edit", "write"]
    (result,) = second["results"]
    assert "first note" in result and "Over, under." in result and "jacquard" in result
    assert "Read-only file system" in result and not (skill / "new").exists()
    assert bench.given(trial["told"]) == {
        "system.txt": first["system"], "weaving/SKILL.md": (skill / "SKILL.md").read_text(),
    }  # fmt: skip
    size = f"{len(first['system'].encode()) / 1000:.1f} kB"
    line = (
        "  given     pi 0.73.1; Skill weaving (offered); instructions: Always answer in Latin.; "
        f"4 tools: bash, edit, read, write; system prompt {size}"
    )
    assert main(["trial", trial["told"].id, "--store", str(bench.store.path)]) == 0
    short = capsys.readouterr().out.splitlines()
    assert f"{line} (--steps shows the texts)" in short and "1 user" in short
    assert main(["trial", trial["told"].id, "--store", str(bench.store.path), "--steps"]) == 0
    told = capsys.readouterr().out
    assert line in told.splitlines() and "given: weaving/SKILL.md\n  ---\n  name: weaving\n" in told
    assert "given: system prompt\n  You are an expert" in told
    assert trial["told"].status == "ok"


def test_loaded_skills_stand_before_the_model_word_for_word(bench: AgentBench, pi: str) -> None:
    for name, text in (("weaving", 'Over && "under".'), ("dyeing", "Boil it.")):
        (bench.folder / "skills" / name).mkdir(parents=True)
        head = f"---\nname: {name}\ndescription: About {name}.\n---\n\n"
        (bench.folder / "skills" / name / "SKILL.md").write_text(head + text)
    skills = tuple(str(bench.folder / "skills" / name) for name in ("weaving", "dyeing"))
    harness = apply_overrides(load_harness("pi"), ["scaffold_options.skills=loaded"])
    trial = bench.run(
        {"weave": [DONE]}, settings=[Setting(harness=harness, workspace=Workspace(digest="x", skills=skills))]
    )
    assert trial["weave"].status == "ok" and trial["weave"].trajectory is not None, trial["weave"].error
    (asked,) = bench.asked("weave")
    assert 'Over && "under".' in asked["asked"] and asked["asked"].endswith("weave")
    assert "Boil it." in asked["system"]
    # The user's step has the text of the one that was called: it is no context besides.
    assert set(bench.given(trial["weave"])) == {"system.txt", "weaving/SKILL.md", "dyeing/SKILL.md"}
    assert 'Over && "under".' in steps_of(trial["weave"].trajectory)[0].message
    did = "\n".join(piece.text for piece in pieces(trial["weave"].trajectory, "any"))
    assert did == "done", "what an agent was given is nothing that a marker sees"
    assert str(bench.folder) not in asked["asked"] + asked["system"], "a path of this machine"


def test_a_prompt_is_never_a_command_of_the_agent(bench: AgentBench, pi: str) -> None:
    skill = bench.folder / "weaving"
    skill.mkdir()
    (skill / "SKILL.md").write_text("---\nname: weaving\ndescription: About weaving.\n---\n\nOver, under.")
    setting = Setting(harness=load_harness("pi"), workspace=Workspace(digest="x", skills=(str(skill),)))
    (bench.folder / "asked-").mkdir()
    bench.run({"/skill:weaving": [DONE]}, settings=[setting])
    (asked,) = bench.asked("/skill:weaving")
    assert asked["asked"].strip() == "/skill:weaving"


def test_a_wrong_way_to_give_skills_is_named(bench: AgentBench, pi: str) -> None:
    with pytest.raises(DefinitionError, match=r"skills=lodaed: offered or loaded.*did you mean.*loaded"):
        bench.run({"x": [DONE]}, overrides=("scaffold_options.skills=lodaed",))


def test_in_an_open_network_the_agent_reaches_its_model_and_this_machine(bench: AgentBench, pi: str) -> None:
    workspace = Workspace(digest="x", network="open")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        look = bash(
            f'python3 -c \'import socket; socket.create_connection(("127.0.0.1", {port}), 5); print("reached")\'; env'
        )
        trial = bench.run({"open": [look, DONE]}, settings=[Setting(harness=load_harness("pi"), workspace=workspace)])
        listener.settimeout(5)
        listener.accept()[0].close()
    assert trial["open"].status == "ok", trial["open"].error
    (seen,) = bench.asked("open")[1]["results"]
    assert seen.startswith("reached") and "HOME=/home/user" in seen


def test_a_model_that_cannot_call_tools_is_asked_without_them(bench: AgentBench, pi: str) -> None:
    trial = bench.run({"plain": [DONE]}, model='::capabilities=["chat"]')["plain"]
    assert trial.status == "ok", trial.error
    assert bench.asked("plain")[0]["tools"] == []
    assert trial.trajectory is not None and trial.trajectory.metadata["agent"]["tools_withheld"] is True
