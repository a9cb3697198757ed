"""Scaffolds by themselves: what the model is shown turn by turn, and how a conversation ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.execute.helpers import FAST, chat, run_all
from weigh.define.harness import Limits
from weigh.execute.providers.scripted import ScriptedProvider
from weigh.execute.sandboxes.memory import MemorySandbox
from weigh.execute.scaffolds.generate_then_revise import GenerateThenRevise
from weigh.execute.scaffolds.registry import make_scaffold, scaffold_names
from weigh.execute.scaffolds.tool_loop import ToolLoop
from weigh.execute.scaffolds.user_sim import UserSim
from weigh.execute.tools import builtin
from weigh.execute.tools.tool import Tool, tool
from weigh.execute.tools.toolbox import ToolSet
from weigh.records.errors import DefinitionError, Error, Failure
from weigh.records.request import ChatRequest, Output, ToolCall
from weigh.records.trial import Trial
from weigh.records.usage import Usage


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def calling(*calls: tuple[str, dict[str, Any]], text: str = "") -> Output:
    made = tuple(ToolCall(id=f"c{i}", name=name, arguments=a) for i, (name, a) in enumerate(calls))
    return Output(text=text, tool_calls=made, finish_reason="tool_calls", usage=Usage(new=10, generated=3, calls=1))


async def one(
    script: list[Any], *tools: Tool, request: ChatRequest | None = None, **settings: Any
) -> tuple[Trial, Any]:
    """One trial of a script; the requests it got beside it."""
    provider = ScriptedProvider(script, keep_requests=True)
    asked = request or chat("what is 20 + 22?")
    asked = msgspec.structs.replace(asked, tools=tuple(t.spec for t in tools))
    settings.setdefault("scaffold", ToolLoop())
    trials, _ = await run_all(provider, request=asked, tools=ToolSet(tools), **settings)
    return trials[0], provider.requests


async def test_the_history_is_linear_and_the_prompt_is_the_trajectory() -> None:
    trial, requests = await one([calling(("add", {"a": 20, "b": 22}), ("add", {"a": 1, "b": 1})), "42"], add)
    assert trial.status == "ok" and trial.scores["exact_match"].value == 1.0
    assert [m.role for m in requests[1].messages] == ["user", "assistant", "tool", "tool"]
    assert [m.content for m in requests[1].messages[2:]] == ["42", "2"]
    assert requests[1].messages[:1] == requests[0].messages, "a prefix that a cache can serve"
    assert trial.trajectory is not None
    assert [s.source for s in trial.trajectory.steps] == ["user", "model", "model"]
    assert [o.content for o in trial.trajectory.steps[1].observations] == ["42", "2"]
    assert trial.usage.calls == 2 and trial.trajectory.usage == trial.usage
    assert trial.timing.tools is not None and trial.timing.model is not None


async def test_submit_ends_it_and_its_answer_counts() -> None:
    trial, requests = await one([calling(("submit", {"answer": "42"}), text="done"), "never asked"], builtin.submit)
    assert trial.scores["exact_match"].value == 1.0 and len(requests) == 1


async def test_required_holds_for_the_first_turn_unless_submit_can_end_it() -> None:
    script = [calling(("add", {"a": 20, "b": 22})), "42"]
    required = msgspec.structs.replace(chat("q"), tool_choice="required")
    _, requests = await one(script, add, request=required)
    assert [r.tool_choice for r in requests] == ["required", "auto"]
    script = [calling(("add", {"a": 20, "b": 22})), calling(("submit", {"answer": "42"}))]
    _, requests = await one(script, add, builtin.submit, request=required)
    assert [r.tool_choice for r in requests] == ["required", "required"]


async def test_a_note_follows_each_result() -> None:
    script = [calling(("add", {"a": 20, "b": 22})), "42"]
    _, requests = await one(script, add, scaffold=ToolLoop(note="Answer now if you can."))
    assert requests[1].messages[-1].content == "42\n\nAnswer now if you can."


async def test_a_malformed_call_is_told_and_counted() -> None:
    bad = Output(tool_calls=(ToolCall(id="x", name="add", raw="a=1"),), usage=Usage(new=1, calls=1))
    mended = Output(tool_calls=(ToolCall(id="x", name="Add", raw='{"a": 20, "b": 22,}'),), usage=Usage(new=1, calls=1))
    trial, requests = await one([bad, mended, "42"], add)
    assert trial.trajectory is not None
    assert trial.trajectory.metadata == {
        "turns": 3, "tool_calls": 2, "tool_errors": 1, "malformed_calls": 1, "repaired_calls": 1,
    }  # fmt: skip
    assert "no JSON object" in requests[1].messages[-1].content
    assert requests[2].messages[-2].tool_calls[0].raw is None, "servers refuse a history that is no JSON"


async def test_limits_are_outcomes_for_every_scaffold() -> None:
    script = [calling(("add", {"a": 1, "b": 1}), ("add", {"a": 1, "b": 2}))]
    trial, _ = await one(script, add, limits=Limits(tool_calls=5))
    assert trial.status == "limit:tool_calls" and trial.trajectory is not None
    assert trial.trajectory.metadata["tool_calls"] == 4
    trial, requests = await one(["a", "b"], scaffold=GenerateThenRevise(rounds=5), limits=Limits(turns=2))
    assert (trial.status, len(requests)) == ("limit:turns", 2)


async def test_a_deadline_shows_what_was_done() -> None:
    @tool
    async def wait() -> str:
        """Wait."""
        import asyncio

        await asyncio.sleep(600)
        return ""

    for seconds in (0.5, 5, 60):  # a busy machine may need longer for the first turn
        trial, _ = await one([calling(("wait", {}))], wait, seconds=seconds)
        if trial.usage.calls:
            break
    assert trial.status == "timeout" and trial.trajectory is not None
    assert trial.trajectory.steps[-1].tool_calls[0].name == "wait"


async def test_a_sandbox_that_breaks_gets_the_trial_another() -> None:
    boxes: list[MemorySandbox] = []

    def broken(command: object, stdin: bytes) -> str:
        raise Failure(Error(kind="sandbox", code="gone", message="gone", transient=True))

    def open_sandbox(cell: object) -> MemorySandbox:
        boxes.append(MemorySandbox(answers=broken if not boxes else lambda command, stdin: "42"))
        return boxes[-1]

    script = [calling(("bash", {"command": "x"})), calling(("bash", {"command": "x"})), "42"]
    trial, _ = await one(script, builtin.bash, open_sandbox=open_sandbox, retry=FAST)
    assert trial.status == "ok" and len(boxes) == 2
    assert [a.error.kind if a.error else None for a in trial.attempts] == ["sandbox", None]


async def test_a_refusal_is_an_outcome() -> None:
    trial, _ = await one([Output(text="no", finish_reason="refusal", usage=Usage(new=1, calls=1))], add)
    assert trial.status == "refused"


async def test_a_simulated_user_may_speak_first() -> None:
    user = ScriptedProvider(["Hi, I would like 20 + 22", "###STOP###"], keep_requests=True)
    trial, requests = await one(["42"], scaffold=UserSim(opening="user"), helpers={"user": user})
    assert trial.status == "ok"
    assert [m.content for m in requests[0].messages] == ["Hi, I would like 20 + 22"], "the model never saw the task"
    assert user.requests is not None
    first, second = user.requests
    assert isinstance(first, ChatRequest) and isinstance(second, ChatRequest)
    assert "what is 20 + 22?" in str(first.messages[0].content)
    assert [m.role for m in second.messages] == ["system", "user", "assistant", "user"], "roles the other way round"


async def test_a_helper_that_fails_is_asked_again_and_then_fails_the_trial() -> None:
    from weigh.execute.providers.scripted import ScriptedOptions

    flaky = ScriptedProvider(["###STOP###"], ScriptedOptions(fail_every=2))
    flaky.calls = 1
    trial, _ = await one(["42"], scaffold=UserSim(), helpers={"user": flaky})
    assert trial.status == "ok" and flaky.calls == 3
    dead = ScriptedProvider(["x"], ScriptedOptions(refuse_every=1))
    trial, _ = await one(["42"], scaffold=UserSim(), helpers={"user": dead})
    assert trial.status == "error" and not trial.scores


def test_scaffolds_are_found_by_name() -> None:
    assert {"single_turn", "tool_loop", "user_sim", "generate_then_revise", "openai_agents"} <= set(scaffold_names())
    assert make_scaffold("tool_loop", {"note": "x"}).name == "tool_loop"
    with pytest.raises(DefinitionError, match="did you mean 'tool_loop'"):
        make_scaffold("toolloop")
    with pytest.raises(DefinitionError, match="nots"):
        make_scaffold("tool_loop", {"nots": "x"})
    with pytest.raises(DefinitionError, match="a whole number from 1"):
        make_scaffold("generate_then_revise", {"rounds": 0})


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("pi", {"skils": "loaded"}, "there is no option 'skils'; did you mean 'skills'?"),
        (
            "qwen_code",
            {"zzz": 1},
            "there is no option 'zzz'; it has version, max_tokens, context_window, calls, skills",
        ),
        ("single_turn", {"note": 1}, "there is no option 'note'; it has none"),
        ("tool_loop", {"nte": "x"}, "there is no option 'nte'; did you mean 'note'?"),
        ("pi", {"max_tokens": "many"}, "max_tokens: expected int, got 'many'"),
        ("pi", {"context_window": -1}, "context_window: expected a whole number from 1, got -1"),
        ("opencode", {"calls": 0}, "calls: expected a whole number from 1, got 0"),
        ("mini_swe_agent", {"version": 1.2}, "version: expected str | null, got 1.2"),
        ("user_sim", {"exchanges": 0}, "exchanges: expected a whole number from 1, got 0"),
        ("generate_then_revise", {"rounds": 0}, "rounds: expected a whole number from 1, got 0"),
    ],
)
def test_an_option_that_cannot_be_is_told_before_anything_runs(name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError) as told:
        make_scaffold(name, options)
    assert str(told.value) == f"scaffold '{name}': {said}"


def test_a_scaffold_of_ones_own_may_take_any_option(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "class Any_:\n    def __init__(self, **options):\n        self.options = options\n\n"
        "class Some(Any_):\n    def __init__(self, first, **options):\n        super().__init__(**options)\n"
    )
    assert make_scaffold(f"{file}:Some", {"first": 1, "other": 2}).options == {"other": 2}  # type: ignore[attr-defined]
