"""Runs whose harness gives the model tools: end to end, with a scripted model."""

from __future__ import annotations

import json
import sys

import pytest

from tests.pipeline.conftest import Bench
from weigh.define.harness import PRESETS, Harness, Limits, load_harness, register_harness
from weigh.records.errors import WeighError
from weigh.records.trajectory import Observation
from weigh.records.trial import Trial

CALLER = """
from weigh.records.request import Output, ToolCall
from weigh.records.usage import Usage

def answer(request):
    "Calls the first tool with what the question says, then answers with what it gave back."
    last = request.messages[-1]
    usage = Usage(new=10, generated=5, calls=1)
    if last.role == "tool":
        return Output(text=str(last.content).strip(), finish_reason="stop", usage=usage)
    tool = request.tools[0]
    name = next(iter(tool.parameters["properties"]))
    return Output(tool_calls=(ToolCall(id="1", name=tool.name, arguments={name: last.content}),), usage=usage)

def for_ever(request):
    return Output(text="again", tool_calls=(ToolCall(id="1", name=request.tools[0].name, arguments={"text": "x"}),),
                  usage=Usage(new=100, generated=5, calls=1))
"""

TOOLS = """
from weigh import tool

@tool
def shout(text: str) -> str:
    "Say it louder."
    return text.upper()

@tool(needs=("bash",))
async def in_box(text: str, context) -> str:
    "Say it in a sandbox."
    return (await context.box.exec(["echo", text])).stdout
"""


@pytest.fixture
def caller(bench: Bench) -> str:
    (bench.folder / "caller.py").write_text(CALLER)
    (bench.folder / "my_tools.py").write_text(TOOLS)
    return f"scripted/{bench.folder / 'caller.py'}:answer"


def use(bench: Bench, **settings: object) -> str:
    """A harness in a file of the test's own."""
    path = bench.folder / "mine.json"
    path.write_text(json.dumps({"scaffold": "tool_loop", **settings}))
    return str(path)


def test_a_tool_is_called_and_its_answer_scored(bench: Bench, caller: str) -> None:
    bench.data = [{"id": "a", "q": "hush", "a": "HUSH"}, {"id": "b", "q": "quiet", "a": "quiet"}]
    harness = use(bench, tools=[f"{bench.folder}/my_tools.py:shout"])
    result = bench.run(bench.write(), models=(caller,), harness=harness)
    first, second = sorted(bench.trials(result), key=lambda t: t.instance.id)
    assert (first.scores["exact_match"].value, second.scores["exact_match"].value) == (1.0, 0.0)
    assert first.trajectory is not None
    step = first.trajectory.steps[-2]
    assert step.tool_calls[0].arguments == {"text": "hush"}
    assert step.observations[0].content == "HUSH" and not step.observations[0].is_error
    assert first.trajectory.metadata == {"turns": 2, "tool_calls": 1}
    assert first.usage.calls == 2 and first.usage.new == 20
    assert result.sandboxes == 0, "a tool that needs no sandbox starts none"


def test_the_light_path_starts_no_sandbox(bench: Bench) -> None:
    assert bench.run(bench.write()).sandboxes == 0


def test_each_trial_with_such_a_tool_has_a_sandbox_of_its_own(bench: Bench, caller: str) -> None:
    bench.rows(6)
    harness = use(bench, tools=[f"{bench.folder}/my_tools.py:in_box"], sandbox="local")
    result = bench.run(bench.write(), models=(caller,), harness=harness, concurrency=2)
    assert all(t.scores["exact_match"].value == 1.0 for t in bench.trials(result))
    assert 6 <= result.sandboxes <= 7, "one a trial, and perhaps one that was started ahead"


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        (Limits(turns=3), "limit:turns"),
        (Limits(tool_calls=2), "limit:tool_calls"),
        (Limits(tokens=300), "limit:tokens"),
    ],
)
def test_a_limit_is_an_outcome_that_counts_as_no_match(bench: Bench, caller: str, limits: Limits, status: str) -> None:
    bench.rows(1)
    given = {k: v for k, v in json.loads(json.dumps({"turns": limits.turns, "tool_calls": limits.tool_calls,
                                                      "tokens": limits.tokens})).items() if v}  # fmt: skip
    harness = use(bench, tools=[f"{bench.folder}/my_tools.py:shout"], limits=given)
    result = bench.run(bench.write(), models=(caller.replace(":answer", ":for_ever"),), harness=harness)
    (trial,) = bench.trials(result)
    assert (trial.status, trial.scores["exact_match"].value) == (status, 0.0)
    assert trial.trajectory is not None and len(trial.trajectory.steps) >= 3, "what was done is shown"
    assert result.outcomes == {status: 1} and not result.failed


def test_tools_are_part_of_what_a_trial_is(bench: Bench, caller: str) -> None:
    bench.rows(2)
    task = bench.write()
    plain = bench.run(task, models=(caller,), harness=use(bench, tools=[f"{bench.folder}/my_tools.py:shout"]))
    (bench.folder / "my_tools.py").write_text(TOOLS.replace("Say it louder.", "Say it much louder."))
    other = bench.run(task, models=(caller,), harness=use(bench, tools=[f"{bench.folder}/my_tools.py:shout"]))
    assert (plain.executed, other.executed) == (2, 2), "another description is another prompt"
    again = bench.run(task, models=(caller,), harness=use(bench, tools=[f"{bench.folder}/my_tools.py:shout"]))
    assert again.executed == 0
    (bench.folder / "my_tools.py").write_text(TOOLS.replace("upper()", "lower()"))
    edited = bench.run(task, models=(caller,), harness=use(bench, tools=[f"{bench.folder}/my_tools.py:shout"]))
    assert edited.executed == 2, "what a tool does can change an answer, though the model is told the same"


def test_a_scaffold_of_ones_own(bench: Bench) -> None:
    bench.rows(2)
    (bench.folder / "mine.py").write_text(
        "from weigh import Trajectory\nclass Twice:\n    name = 'twice'\n"
        "    async def run(self, request, context):\n"
        "        await context.provider.respond(request)\n        output = await context.provider.respond(request)\n"
        "        return Trajectory(request=request, output=output)\n"
    )
    result = bench.run(bench.write(), harness=use(bench, scaffold=f"{bench.folder}/mine.py:Twice"))
    assert [t.usage.calls for t in bench.trials(result)] == [2, 2]
    with pytest.raises(WeighError, match="did you mean 'Twice'"):
        bench.run(bench.write(), harness=use(bench, scaffold=f"{bench.folder}/mine.py:Twise"))


def test_everything_wrong_is_told_at_once(bench: Bench) -> None:
    harness = use(
        bench,
        scaffold="tol_loop",
        tools=["pyton", "search"],
        tool_options={"search": {"endpiont": "x"}},
        required_secrets=["WEIGH_TEST_NO_SUCH_SECRET"],
        helpers={"judge": "no_provider/x"},
    )
    with pytest.raises(WeighError) as told:
        bench.run("no_such_task", models=("no_such/model",), harness=harness)
    text = str(told.value)
    for part in ("WEIGH_TEST_NO_SUCH_SECRET", "tool_loop", "'python'", "'endpoint'", "no_such_task", "no_such",
                 "no_provider"):  # fmt: skip
        assert part in text, text
    assert not bench.store.runs(), "nothing was begun"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"scaffold": "single_turn", "tools": ["submit"]}, "scaffold=tool_loop"),
        ({"scaffold": "user_sim"}, "helpers.user="),
        ({"tools": ["bash"], "sandbox": "none"}, "sandbox=bubblewrap"),
        ({"tools": ["search"]}, "tool_options.search.endpoint="),
        ({"tools": ["submit", "submit"]}, "two tools are called 'submit'"),
        ({"tools": ["submit"], "tool_options": {"submit": {"x": 1}}}, "has no options"),
        ({"tools": ["submit"], "tool_choice": "sbmit"}, "no such tool"),
        ({"tools": ["submit"], "provider": {"capabilities": ["chat"]}}, "cannot call"),
    ],
)
def test_a_harness_that_cannot_work_is_refused(bench: Bench, settings: dict[str, object], said: str) -> None:
    with pytest.raises(WeighError, match=said):
        bench.run(bench.write(), harness=use(bench, **settings))


def test_a_completion_task_cannot_be_looped(bench: Bench) -> None:
    with pytest.raises(WeighError, match="needs a chat"):
        bench.run("arithmetic", harness=use(bench, tools=["submit"]), limit=1)


def test_a_simulated_user_talks_until_it_is_content(bench: Bench) -> None:
    bench.data = [{"id": "a", "q": "I want tea", "a": "Please hurry"}]
    (bench.folder / "user.json").write_text(json.dumps(["Please hurry", "Thanks ###STOP###"]))
    harness = use(bench, scaffold="user_sim", helpers={"user": f"scripted/{bench.folder / 'user.json'}"})
    (trial,) = bench.trials(bench.run(bench.write(), harness=harness))
    assert trial.status == "ok" and trial.scores["exact_match"].value == 1.0
    assert trial.trajectory is not None
    assert [(s.source, s.message) for s in trial.trajectory.steps] == [
        ("user", "I want tea"), ("model", "I want tea"), ("user", "Please hurry"), ("model", "Please hurry"),
    ]  # fmt: skip
    assert trial.trajectory.metadata["exchanges"] == 2


def test_an_answer_is_revised(bench: Bench) -> None:
    bench.data = [{"id": "a", "q": "q", "a": "second"}]
    (bench.folder / "two.json").write_text(json.dumps(["first", "second"]))
    harness = use(bench, scaffold="generate_then_revise")
    (trial,) = bench.trials(
        bench.run(bench.write(), models=(f"scripted/{bench.folder / 'two.json'}",), harness=harness)
    )
    assert trial.scores["exact_match"].value == 1.0
    assert trial.trajectory is not None and trial.trajectory.metadata == {"turns": 2, "revised": True}


MCP = """
from mcp.server import MCPServer
server = MCPServer("tiny")

@server.tool()
def louder(text: str) -> str:
    "Say it louder."
    if text == "boom":
        raise ValueError("no")
    return text.upper()

server.run()
"""


def test_the_tools_of_an_mcp_server(bench: Bench, caller: str) -> None:
    pytest.importorskip("mcp")
    (bench.folder / "server.py").write_text(MCP)
    bench.data = [{"id": "a", "q": "hush", "a": "HUSH"}, {"id": "b", "q": "boom", "a": "BOOM"}]
    server = {"command": sys.executable, "args": [str(bench.folder / "server.py")]}
    result = bench.run(bench.write(), models=(caller,), harness=use(bench, mcp={"tiny": server}))
    first, second = sorted(bench.trials(result), key=lambda t: t.instance.id)
    assert first.scores["exact_match"].value == 1.0
    assert seen(second).is_error and second.status == "ok", "an error of the server is told to the model"
    assert seen(first).metadata == {"mcp": "tiny"}


def test_an_mcp_server_that_does_not_start_is_told_before_anything_runs(bench: Bench) -> None:
    pytest.importorskip("mcp")
    server = {"command": sys.executable, "args": ["-c", "raise SystemExit('no licence')"]}
    with pytest.raises(WeighError, match=r"MCP server broken .* did not start: .*no licence"):
        bench.run(bench.write(), harness=use(bench, mcp={"broken": server}))


def seen(trial: Trial) -> Observation:
    assert trial.trajectory is not None
    return next(s.observations[0] for s in trial.trajectory.steps if s.observations)


def test_presets_can_be_loaded_changed_and_added() -> None:
    assert {"default", "tools", "coder", "search_agent"} <= set(PRESETS)
    changed = load_harness("tools", ["limits.turns=3", "tool_options.python.seconds=5"])
    assert changed.limits.turns == 3 and changed.identity() != PRESETS["tools"].identity()
    mine = register_harness(Harness(name="of_a_test", scaffold="tool_loop", tools=("submit",)))
    try:
        assert load_harness("of_a_test") == mine
    finally:
        del PRESETS["of_a_test"]


def test_how_a_server_is_reached_is_no_part_of_identity() -> None:
    one = Harness(mcp={"a": {"url": "http://one/", "tools": ["x"]}})
    two = Harness(mcp={"a": {"url": "http://two/", "tools": ["x"]}})
    assert one.identity() == two.identity() != Harness().identity()
