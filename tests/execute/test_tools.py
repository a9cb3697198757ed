"""Tools: schemas from functions, repair of calls, and whatever a tool does as an observation."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import msgspec
import pytest

from weigh.execute.sandboxes.memory import MemorySandbox
from weigh.execute.tools import builtin
from weigh.execute.tools.registry import BUILT_IN, find_tool, tool_names
from weigh.execute.tools.repair import calls_in_text, read_arguments
from weigh.execute.tools.tool import REGISTERED, Tool, ToolContext, ToolResult, tool
from weigh.execute.tools.toolbox import Toolbox, ToolSet
from weigh.protocols import ExecResult
from weigh.records.errors import DefinitionError, Error, Failure
from weigh.records.request import Output, ToolCall
from weigh.records.trajectory import Observation


@dataclass
class Place:
    city: str
    zip: int | None = None


class Item(TypedDict):
    name: str
    count: int


class Tree(msgspec.Struct):
    name: str
    children: list[Tree] = []


@tool
async def order(items: list[Item], to: Place, speed: Literal["slow", "fast"] = "slow", gift: bool = False) -> str:
    """Order things.

    They come by post.

    Args:
        items: What to order,
            each with its count.
        to: Where to.
    """
    return f"{len(items)} to {to.city}, {speed}, {gift}"


def call(name: str, raw: str | None = None, **arguments: Any) -> ToolCall:
    return ToolCall(id="1", name=name, arguments=arguments, raw=raw)


async def ask(*tools: Tool, calls: list[ToolCall], box: MemorySandbox | None = None, **options: Any) -> Observation:
    toolbox = Toolbox(ToolSet(tools, options), box)
    output = toolbox.read(Output(tool_calls=tuple(calls)), 1)
    return (await toolbox.call(output.tool_calls))[0]


def test_a_schema_says_all_that_the_function_says() -> None:
    schema = order.spec.parameters
    assert order.spec.description == "Order things.\n\nThey come by post."
    assert schema["required"] == ["items", "to"] and schema["additionalProperties"] is False
    properties = schema["properties"]
    assert properties["items"]["description"] == "What to order, each with its count."
    assert properties["items"]["items"]["properties"]["count"] == {"type": "integer"}
    assert properties["to"]["properties"]["zip"]["default"] is None and properties["to"]["required"] == ["city"]
    assert sorted(properties["speed"]["enum"]) == ["fast", "slow"] and properties["speed"]["default"] == "slow"
    assert "$ref" not in str(schema), "some servers cannot look references up"


def test_a_type_that_holds_itself_keeps_its_references() -> None:
    @tool
    def grow(tree: Tree) -> str:
        """Grow."""
        return tree.name

    assert "$defs" in grow.spec.parameters


async def test_arguments_become_what_the_function_takes() -> None:
    seen = await ask(order, calls=[call("order", items=[{"name": "tea", "count": 2}], to={"city": "Ulm"}, gift=True)])
    assert (seen.content, seen.is_error) == ("1 to Ulm, slow, True", False)
    assert seen.seconds is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"items": []}, "to"),
        ({"items": [], "to": {"city": "Ulm"}, "sped": "fast"}, "did you mean 'speed'"),
        ({"items": [], "to": {"city": "Ulm"}, "speed": "medium"}, "speed"),
        ({"items": [{"name": "tea", "count": "many"}], "to": {"city": "Ulm"}}, "items[0].count"),
    ],
)
async def test_arguments_that_do_not_fit_are_told_to_the_model(arguments: dict[str, Any], said: str) -> None:
    seen = await ask(order, calls=[call("order", **arguments)])
    assert seen.is_error and said in seen.content and seen.metadata["malformed"] == "arguments"


@pytest.mark.parametrize(
    "raw",
    [
        '{"answer": "42",}',
        '```json\n{"answer": "42"}\n```',
        "{'answer': '42'}",
        '{"answer": "42"',
        '"{\\"answer\\": \\"42\\"}"',
        'Sure: {"answer": "42"} as asked',
    ],
)
def test_arguments_that_are_almost_json_are_read(raw: str) -> None:
    assert read_arguments(raw) == {"answer": "42"}


def test_what_cannot_be_read_is_not_guessed() -> None:
    assert read_arguments("the answer is 42") is None
    assert read_arguments("[1, 2]") is None


async def test_repairs_are_counted_and_failures_told() -> None:
    box = Toolbox(ToolSet((builtin.submit,)))
    calls = (call("submit", raw='{"answer": "a",}'), call("functions.submit", answer="b"), call("submit", answer="c"))
    mended = box.read(Output(tool_calls=calls), 1)
    assert [c.arguments["answer"] for c in mended.tool_calls] == ["a", "b", "c"]
    assert all(c.name == "submit" and c.raw is None for c in mended.tool_calls)
    seen = await box.call((call("submit", raw="nonsense"), call("submitt"), *mended.tool_calls))
    assert [o.is_error for o in seen] == [True, True, False, False, False]
    assert "did you mean 'submit'" in seen[1].content
    assert box.counts() == {"tool_calls": 5, "tool_errors": 2, "malformed_calls": 2, "repaired_calls": 2}


def test_a_call_written_as_text_is_taken_for_one() -> None:
    text = 'I will.\n<tool_call>\n{"name": "python", "arguments": {"code": "1+1"}}\n</tool_call>'
    (found,) = calls_in_text(text, ["python"], 3)
    assert (found.name, found.arguments) == ("python", {"code": "1+1"})
    assert calls_in_text('```json\n{"name": "python", "arguments": {}}\n```', ["python"], 1)
    assert not calls_in_text('{"name": "Ada", "arguments": {}}', ["python"], 1), "an answer that is JSON is an answer"
    assert not calls_in_text("just words", ["python"], 1)


async def test_what_a_tool_raises_is_an_observation() -> None:
    @tool
    def bad(path: str) -> str:
        """Fail."""
        raise LookupError(f"no {path}")

    seen = await ask(bad, calls=[call("bad", path="x")])
    assert seen.is_error and seen.content == "error: LookupError: no x" and seen.metadata["raised"] == "LookupError"


async def test_a_tool_that_takes_too_long_is_ended() -> None:
    @tool(seconds=0.05)
    async def slow() -> str:
        """Wait."""
        await asyncio.sleep(30)
        return "late"

    seen = await ask(slow, calls=[call("slow")])
    assert seen.is_error and seen.metadata == {"timed_out": True}


async def test_only_a_broken_sandbox_is_a_failure() -> None:
    def broken(command: object, stdin: bytes) -> str:
        raise Failure(Error(kind="sandbox", message="gone", transient=True))

    async with MemorySandbox(answers=broken) as box:
        with pytest.raises(Failure, match="gone"):
            await ask(builtin.bash, calls=[call("bash", command="ls"), call("bash", command="ls")], box=box)
    async with MemorySandbox() as box:
        seen = await ask(builtin.read, calls=[call("read", path="no.txt")], box=box)
        assert seen.is_error and "no.txt" in seen.content
        seen = await ask(builtin.write, calls=[call("write", path="../x", content="")], box=box)
        assert seen.is_error and "leaves the workspace" in seen.content


async def test_calls_of_one_turn_run_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=30)

    @tool
    def meet() -> str:
        """Wait for the other."""
        both.wait()
        return "met"

    box = Toolbox(ToolSet((meet,)))
    assert [o.content for o in await box.call((call("meet"), call("meet")))] == ["met", "met"]


async def test_a_command_that_fails_says_how() -> None:
    answers = {
        "ls": "a.txt\n",
        "false": ExecResult(exit_code=1, stderr="no\n"),
        "loop": ExecResult(exit_code=None, timed_out=True, limit="deadline", seconds=60),
    }

    def answer(command: Any, stdin: bytes) -> Any:
        return answers[command[-1]]

    async with MemorySandbox(answers=answer) as box:
        seen = [await ask(builtin.bash, calls=[call("bash", command=c)], box=box) for c in answers]
    assert [s.is_error for s in seen] == [False, True, True]
    assert [s.content for s in seen] == [
        "a.txt",
        "no\n[exit code 1]",
        "[killed after 60 s: it took too long]",
    ]
    assert [s.metadata.get("exit_code") for s in seen] == [0, 1, None]


async def test_files_are_read_written_and_edited() -> None:
    async with MemorySandbox() as box:
        await ask(builtin.write, calls=[call("write", path="a.py", content="x = 1\ny = 1\n")], box=box)
        twice = await ask(builtin.edit, calls=[call("edit", path="a.py", old="= 1", new="= 2")], box=box)
        assert twice.is_error and "2 times" in twice.content
        await ask(builtin.edit, calls=[call("edit", path="a.py", old="x = 1", new="x = 2")], box=box)
        missing = await ask(builtin.edit, calls=[call("edit", path="a.py", old="z", new="")], box=box)
        assert missing.is_error
        seen = await ask(builtin.read, calls=[call("read", path="a.py", first_line="2")], box=box)
        assert seen.content == "    2  y = 1"
        assert box.files["a.py"] == b"x = 2\ny = 1\n"


async def test_a_long_result_is_cut_in_the_middle() -> None:
    @tool
    def much() -> str:
        """Say much."""
        return "a" * 50_000 + "z"

    seen = await ask(much, calls=[call("much")])
    assert len(seen.content) < 21_000 and seen.content.endswith("z") and seen.metadata["cut_characters"] > 29_000


async def test_tools_keep_things_for_one_trial_and_close_them() -> None:
    closed: list[int] = []

    class Keeps:
        count = 0

        async def aclose(self) -> None:
            closed.append(self.count)

    @tool
    def tick(context: ToolContext) -> ToolResult:
        """Count."""
        kept = context.state.setdefault("tick", Keeps())
        kept.count += 1
        return ToolResult(content=str(kept.count))

    box = Toolbox(ToolSet((tick,)))
    assert "context" not in tick.spec.parameters["properties"]
    assert [(await box.call((call("tick"),)))[0].content for _ in range(2)] == ["1", "2"]
    await box.close()
    assert closed == [2]


def test_definitions_that_cannot_work_are_refused() -> None:
    def untyped(x) -> str:  # type: ignore[no-untyped-def]
        """Take something."""
        return str(x)

    def silent(x: int) -> int:
        return x

    with pytest.raises(DefinitionError, match="'x' has no type"):
        tool(untyped)
    with pytest.raises(DefinitionError, match="no description"):
        tool(silent)
    with pytest.raises(DefinitionError, match="unknown capability 'shell'"):
        tool(needs=("shell",), description="x")(silent)


def test_tools_are_found_by_name() -> None:
    assert {find_tool(name).name for name in BUILT_IN} == set(BUILT_IN)
    with pytest.raises(DefinitionError, match="did you mean 'python'"):
        find_tool("pyhton")
    try:
        mine = tool(name="of_a_test", description="x", register=True)(lambda: "x")
        assert find_tool("of_a_test") is mine and "of_a_test" in tool_names()
        with pytest.raises(DefinitionError, match="already registered"):
            tool(name="of_a_test", description="x", register=True)(lambda: "y")
    finally:
        REGISTERED.pop("of_a_test", None)
