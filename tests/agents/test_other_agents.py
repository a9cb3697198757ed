"""One run of each further agent, the real program on a scripted model in bubblewrap: the same facts come of all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.agents.conftest import get
from tests.agents.kit import AgentBench, same_counts
from weigh.define.harness import apply_overrides, load_harness
from weigh.execute.agents.registry import NAMES, agent_by_name
from weigh.pipeline.request import Setting
from weigh.records.actions import actions_of
from weigh.records.given import QUESTION, all_given
from weigh.records.workspace import Workspace

# A library's own tools, as an MCP server in plain Python that comes with a tier.
SERVER = """
import json, sys
for line in sys.stdin:
    call = json.loads(line)
    if call["method"] == "initialize":
        result = {"protocolVersion": call["params"]["protocolVersion"], "capabilities": {"tools": {}},
                  "serverInfo": {"name": "greet", "version": "1"}}
    elif call["method"] == "tools/list":
        schema = {"type": "object", "properties": {"who": {"type": "string"}}}
        result = {"tools": [{"name": "hello", "description": "Greets.", "inputSchema": schema}]}
    elif call["method"] == "tools/call":
        result = {"content": [{"type": "text", "text": "hello " + call["params"]["arguments"]["who"]}]}
    else:
        result = {}
    if "id" in call:
        print(json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": result}), flush=True)
"""
MCP: dict[str, tuple[str, str, dict[str, Any]]] = {
    "opencode": ("greet_hello", "opencode.json", {"mcp": {"greet": {
        "type": "local", "command": ["python3", "/workspace/.mcp/server.py"]}}}),
    "qwen_code": ("mcp__greet__hello", ".qwen/settings.json", {"mcpServers": {"greet": {
        "command": "python3", "args": ["/workspace/.mcp/server.py"], "trust": True}}}),
}  # fmt: skip
RUN: dict[str, tuple[str, dict[str, Any]]] = {
    "opencode": ("bash", {"command": "COMMAND", "description": "look"}),
    "qwen_code": ("run_shell_command", {"command": "COMMAND", "description": "look", "is_background": False}),
    "mini_swe_agent": ("bash", {"command": "COMMAND"}),
}
SKILL = """---
name: weaving
description: >-
  How to weave
  baskets.
---

Over, under.
"""


def command(agent: str, text: str, say: str = "") -> dict[str, Any]:
    name, arguments = RUN[agent]
    return {"text": say, "calls": [[name, {k: text if v == "COMMAND" else v for k, v in arguments.items()}]]}


@pytest.mark.slow
@pytest.mark.parametrize("agent", [n for n in NAMES if n != "pi"])
def test_an_agent_is_driven_to_the_end(bench: AgentBench, agent: str) -> None:
    get(agent)
    skill = bench.folder / "skills" / "weaving"
    skill.mkdir(parents=True)
    (skill / "SKILL.md").write_text(SKILL)
    tool, config, says = MCP.get(agent, ("", "none.json", {}))
    files = {config: json.dumps(says).encode(), ".mcp/server.py": SERVER.encode()}
    workspace = Workspace(digest="x", skills=(str(skill),), instructions="Always answer in Latin.", files=files)
    submit = [command(agent, "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT; echo 'It is done.'")]
    turns = {
        'say "work" and -this': [
            command(agent, "cat given.txt; exit 3", "Let me look."),
            {"text": "And now?", "calls": [["nosuch", {"a": 1}]]},
            *([{"calls": [[tool, {"who": "Ada"}]]}] if tool else []),
            *(submit if agent == "mini_swe_agent" else [{"text": "It is done."}]),
        ]
    }
    setting = Setting(harness=load_harness(agent), workspace=workspace)
    (trial,) = bench.run(turns, settings=[setting], files={"given.txt": "a red fox\n"}).values()
    assert trial.status == "ok", (trial.error, trial.trajectory and trial.trajectory.artifacts)
    assert trial.scores["substring"].value == 1.0
    assert trial.trajectory is not None and trial.trajectory.output.text.strip() == "It is done."
    steps = trial.trajectory.steps
    models = [s for s in steps if s.source == "model"]
    assert [[c.name for c in s.tool_calls] for s in models[:2]] == [[RUN[agent][0]], ["nosuch"]]
    assert models[0].message == "Let me look."
    seen = models[0].observations[0]
    assert seen.is_error and seen.metadata["exit_code"] == 3 and "a red fox" in seen.content
    assert seen.seconds is not None
    assert all(s.usage is not None and s.seconds is not None for s in models)
    assert any(s.source == "user" and "work" in s.message for s in steps)

    assert RUN[agent][0] in trial.trajectory.metadata["agent"]["tools"]
    shell, unknown = actions_of(trial.trajectory)[:2]
    assert (shell.kind, shell.text, shell.reads) == ("command", "cat given.txt; exit 3", ("given.txt",))
    assert (shell.registered, unknown.tool, unknown.registered) == (True, "nosuch", False)
    (hit,) = trial.scores["marker:unregistered-call"].metadata["hits"]
    assert steps[hit["step"]].tool_calls[hit["call"]].name == "nosuch"

    if tool:
        assert ("hello Ada", tool) in [(a.result, a.tool) for a in actions_of(trial.trajectory)]

    told = trial.trajectory.metadata["agent"]
    assert (told["name"], told["version"]) == (agent, agent_by_name(agent).version)
    assert same_counts(told)
    texts = bench.given(trial)
    assert {"system.txt", "weaving/SKILL.md"} <= set(texts) and texts["weaving/SKILL.md"] == SKILL
    assert set(trial.trajectory.artifacts) == {
        "events.jsonl", agent_by_name(agent).session_name, *(f"given/{name}" for name in texts),
    }  # fmt: skip

    (asked, *_) = bench.asked(next(iter(turns)))
    assert 'say "work" and -this' in asked["asked"]
    everything = asked["system"] + asked["asked"]
    # What is recorded is what the model saw, to the letter: the question stands elsewhere.
    assert texts["system.txt"] == asked["system"]
    first = next(s.message for s in steps if s.source == "user")  # mini-swe-agent's tells all it sent
    around = texts["context.txt"].replace(QUESTION, first) if "context.txt" in texts else first
    assert ("context.txt" in texts) == (agent == "qwen_code")
    assert "".join(around.split()) == "".join(asked["asked"].split())
    recorded = all_given(trial.trajectory)
    assert recorded.skills == {"weaving": "offered"} and recorded.instructions == "Always answer in Latin."
    assert recorded.tools == tuple(sorted(asked["tools"]))
    assert recorded.texts == {name: len(text.encode()) for name, text in texts.items()}
    assert "Always answer in Latin." in everything
    assert "How to weave baskets." in everything + str(asked)
    assert "Over, under." not in everything
    assert str(bench.folder) not in str(asked), "a path of this machine"


@pytest.mark.slow
def test_an_agent_without_a_way_to_load_skills_is_told_their_text(bench: AgentBench) -> None:
    agent = get("mini_swe_agent")
    skill = bench.folder / "weaving"
    skill.mkdir()
    (skill / "SKILL.md").write_text(SKILL)
    harness = apply_overrides(load_harness(agent), ["scaffold_options.skills=loaded"])
    setting = Setting(harness=harness, workspace=Workspace(digest="x", skills=(str(skill),), instructions="In Latin."))
    end = command(agent, "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT; echo done")
    assert bench.run({"load": [end]}, settings=[setting])["load"].status == "ok"
    told = bench.asked("load")[0]["system"]
    assert "Over, under." in told and "In Latin." in told and "Read the file of one" not in told
