"""The loop of the openai-agents package over a provider of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("agents", reason="needs the package openai-agents")

from tests.execute.test_scaffolds import add, calling, one
from weigh.define.harness import Limits
from weigh.execute.scaffolds.openai_agents import OpenAIAgents
from weigh.execute.tools import builtin
from weigh.records.errors import DefinitionError
from weigh.records.given import all_given
from weigh.records.request import Output
from weigh.records.usage import Usage


async def test_its_loop_calls_our_tools_and_leaves_our_trajectory() -> None:
    script = [calling(("add", {"a": 20, "b": 22}), ("add", {"a": 1, "b": 1})), "42"]
    trial, requests = await one(script, add, scaffold=OpenAIAgents())
    assert trial.status == "ok" and trial.scores["exact_match"].value == 1.0
    assert [m.role for m in requests[1].messages] == ["user", "assistant", "tool", "tool"]
    assert requests[0].tools == (add.spec,)
    assert trial.trajectory is not None
    assert [s.source for s in trial.trajectory.steps] == ["user", "model", "model"]
    assert sorted(o.content for o in trial.trajectory.steps[1].observations) == ["2", "42"]
    assert trial.trajectory.metadata == {"turns": 2, "tool_calls": 2}
    assert trial.usage.calls == 2


async def test_our_limits_hold_in_it() -> None:
    again = [calling(("add", {"a": 1, "b": 1}))]
    trial, requests = await one(again, add, scaffold=OpenAIAgents(), limits=Limits(turns=3))
    assert (trial.status, len(requests)) == ("limit:turns", 3)
    trial, _ = await one(again, add, scaffold=OpenAIAgents(), limits=Limits(tool_calls=2))
    assert trial.status == "limit:tool_calls", "the package does not turn it into words for the model"


async def test_submit_ends_it() -> None:
    script = [calling(("submit", {"answer": "42"})), "never asked"]
    trial, requests = await one(script, builtin.submit, scaffold=OpenAIAgents())
    assert trial.scores["exact_match"].value == 1.0 and len(requests) == 1


async def test_a_refusal_is_an_outcome() -> None:
    script = [Output(text="I will not", finish_reason="refusal", usage=Usage(new=1, generated=3, calls=1))]
    trial, _ = await one(script, add, scaffold=OpenAIAgents())
    assert trial.status == "refused"


async def test_an_agent_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from agents import Agent, function_tool\n"
        "@function_tool\ndef double(x: int) -> int:\n    'Double.'\n    return 2 * x\n"
        "agent = Agent(name='mine', instructions='Be brief.', tools=[double])\n"
    )
    script = [calling(("double", {"x": 21})), "42"]
    trial, requests = await one(script, add, scaffold=OpenAIAgents(agent=f"{file}:agent"))
    assert trial.status == "ok" and trial.scores["exact_match"].value == 1.0
    assert requests[0].messages[0].content == "Be brief."
    assert [t.name for t in requests[0].tools] == ["double", "add"]
    assert trial.trajectory is not None
    given = all_given(trial.trajectory)
    assert (given.tools, trial.trajectory.artifacts) == (("add", "double"), {"given/system.txt": "Be brief."})
    with pytest.raises(DefinitionError, match="no agent 'agnt'"):
        OpenAIAgents(agent=f"{file}:agnt")
