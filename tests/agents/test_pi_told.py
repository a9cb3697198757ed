"""What reaches the model through pi: skills, instructions, sampling; and a model that cannot call tools."""

from __future__ import annotations

from tests.agents.kit import DONE, AgentBench, bash
from weigh.define.harness import apply_overrides, load_harness
from weigh.pipeline.request import Setting
from weigh.records.workspace import Workspace


def test_skills_instructions_and_sampling_reach_the_model(bench: AgentBench, pi: str) -> None:
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
    assert trial["told"].status == "ok"


def test_a_model_that_cannot_call_tools_is_asked_without_them(bench: AgentBench, pi: str) -> None:
    trial = bench.run({"plain": [DONE]}, model='::capabilities=["chat"]')["plain"]
    assert trial.status == "ok", trial.error
    assert bench.asked("plain")[0]["tools"] == []
    assert trial.trajectory is not None and trial.trajectory.metadata["agent"]["tools_withheld"] is True
