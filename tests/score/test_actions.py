"""One vocabulary over the tools of different agents, and what a command line says of files, code and help."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.score.trips import trip
from weigh.records.actions import actions_of
from weigh.records.request import ChatRequest, Message, Output, ToolCall
from weigh.records.shell import simple_commands
from weigh.records.shell_use import asks_help
from weigh.records.trajectory import Step, Trajectory


@pytest.mark.parametrize(
    ("tool", "arguments", "kind", "text", "path"),
    [
        # pi
        ("bash", {"command": "ls"}, "command", "ls", None),
        ("read", {"path": "a.py", "limit": 5}, "read", "a.py", "a.py"),
        ("write", {"path": "a.py", "content": "x = 1"}, "write", "x = 1", "a.py"),
        ("edit", {"path": "a.py", "edits": [{"oldText": "1", "newText": "2"}]}, "edit", "2", "a.py"),
        ("grep", {"pattern": "foo", "path": "src"}, "search", "foo", "src"),
        ("find", {"pattern": "*.py"}, "search", "*.py", None),
        ("ls", {"path": "src"}, "search", "src", "src"),
        # opencode
        ("read", {"filePath": "/w/a.py"}, "read", "/w/a.py", "/w/a.py"),
        ("write", {"filePath": "a.py", "content": "y"}, "write", "y", "a.py"),
        ("edit", {"filePath": "a.py", "oldString": "1", "newString": "3"}, "edit", "3", "a.py"),
        ("glob", {"pattern": "**/*.md"}, "search", "**/*.md", None),
        ("todowrite", {"todos": []}, "other", '{"todos": []}', None),
        # qwen-code
        ("run_shell_command", {"command": "pwd", "is_background": False}, "command", "pwd", None),
        ("read_file", {"absolute_path": "/w/a"}, "read", "/w/a", "/w/a"),
        ("write_file", {"file_path": "a", "content": "z"}, "write", "z", "a"),
        ("replace", {"file_path": "a", "old_string": "1", "new_string": "4"}, "edit", "4", "a"),
        ("list_directory", {"path": "/w"}, "search", "/w", "/w"),
        ("search_file_content", {"pattern": "foo"}, "search", "foo", None),
        # our own, and others
        ("python", {"code": "print(1)"}, "code", "print(1)", None),
        ("edit", {"path": "a", "old": "1", "new": "5"}, "edit", "5", "a"),
        ("MultiEdit", {"file_path": "a", "edits": [{"new_string": "6"}, {"new_string": "7"}]}, "edit", "6\n7", "a"),
        ("shell", {"command": ["bash", "-lc", "make test"]}, "command", "make test", None),
        ("transformers", {"command": "classify"}, "other", '{"command": "classify"}', None),
    ],
)
def test_tools_of_all_agents_in_one_vocabulary(
    tool: str, arguments: dict[str, Any], kind: str, text: str, path: str | None
) -> None:
    (action,) = actions_of(trip((tool, arguments, "ok")))
    assert (action.kind, action.text, action.path, action.tool) == (kind, text, path, tool)
    assert (action.result, action.step, action.call) == ("ok", 1, 0)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("python -c 'print(1)'", ("print(1)",)),
        ('cd a && timeout 5 python3.11 -c "print(\\"x\\")"', ('print("x")',)),
        ("python - <<'EOF'\nimport re\nprint(re)\nEOF\necho done", ("import re\nprint(re)\n",)),
        ("python3 <<EOF | tee out\nx\nEOF", ("x\n",)),
        ("cat > a.py <<'PY'\ny = 2\nPY\npython a.py", ("y = 2\n",)),
        ("bash -lc \"python -c 'z'\"", ("z",)),
        ("uv run python -c 'u'", ("u",)),
        ("node -e 'console.log(1)'", ("console.log(1)",)),
        ("echo 'print(3)' > b.py", ("print(3)",)),
        ("cat notes.txt", ()),
        ("python a.py <<< input", ()),
        ("grep python -c file", ()),
        ("echo python -c x", ()),
    ],
)
def test_code_within_commands_is_code_written(line: str, code: tuple[str, ...]) -> None:
    (action,) = actions_of(trip(("bash", {"command": line}, "")))
    assert action.code == code


@pytest.mark.parametrize(
    ("line", "reads", "writes"),
    [
        ("cat a.md b.md | head -n 5", ("a.md", "b.md"), ()),
        ("sed -n '1,40p' src/cli.py", ("src/cli.py",), ()),
        ("sed -i 's/a/b/' src/cli.py", (), ("src/cli.py",)),
        ("grep -rn foo src; grep foo one.py", ("one.py",), ()),
        ("sort < in.txt > out.txt 2> /dev/null", ("in.txt",), ("out.txt",)),
        ("make 2>&1 | tee -a log.txt", (), ("log.txt",)),
        ("cp a b && mv c 'd e'", (), ("b", "d e")),
        ("cat 'my file'; cat \\\n  two", ("my file", "two"), ()),
        ("cat 'never closed", ("never closed",), ()),
    ],
)
def test_files_that_commands_read_and_write(line: str, reads: tuple[str, ...], writes: tuple[str, ...]) -> None:
    (action,) = actions_of(trip(("bash", {"command": line}, "")))
    assert (action.reads, action.writes) == (reads, writes)


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("transformers classify --help", True),
        ("mytool -h", True),
        ("git help add", True),
        ("man tar", True),
        ("python -m pydoc json", True),
        ("python -c 'import x; help(x.f)'", True),
        ("ls -h", False),
        ("du -h .", False),
        ("cat help", False),
        ("echo --helpful", False),
        ("python -c 'self.help(x)'", False),
    ],
)
def test_asking_for_help(line: str, asked: bool) -> None:
    assert any(asks_help(c) for c in simple_commands(line)) is asked


def test_which_tools_there_were_is_taken_from_the_request() -> None:
    actions = actions_of(trip(("bash", {"command": "ls"}, ""), ("transformers", {}, "no", True), tools=("bash",)))
    assert [a.registered for a in actions] == [True, False]


def test_which_tools_there_were_is_taken_from_what_the_agent_recorded() -> None:
    agent = {"agent": {"name": "pi", "tools": ["bash", {"name": "read"}]}}
    actions = actions_of(trip(("read", {}, ""), ("fly", {}, ""), ("fly", {}, "no tool fly", True), metadata=agent))
    assert [a.registered for a in actions] == [True, False, False]


def test_a_tool_that_was_not_offered_and_works_is_there() -> None:
    agent = {"agent": {"name": "qwen_code", "tools": ["tool_search"]}}
    answers = ("hello Ada", "The tool mcp__x is not available", "")
    actions = actions_of(trip(*(("mcp__x", {}, answer) for answer in answers), metadata=agent))
    assert [a.registered for a in actions] == [True, False, False]


@pytest.mark.parametrize(
    ("result", "is_error", "registered"),
    [
        ("Tool transformers not found", True, False),  # pi
        ('Tool "transformers" not found in registry.', True, False),  # qwen-code
        ("error: there is no tool 'transformers'; did you mean 'x'?", True, False),  # weigh
        ("ENOENT: no such file", True, None),
        ("fine", False, True),
        ("Tool transformers not found", False, True),  # a file that says so
    ],
)
def test_else_the_answer_to_the_call_says_it(result: str, is_error: bool, registered: bool | None) -> None:
    (action,) = actions_of(trip(("transformers", {}, result, is_error)))
    assert action.registered is registered


def test_a_call_that_opencode_put_aside_keeps_the_name_the_model_gave() -> None:
    (action,) = actions_of(trip(("invalid", {"tool": "transformers", "error": "unavailable"}, "no", True)))
    assert (action.tool, action.registered) == ("transformers", False)


def test_calls_of_examples_in_the_prompt_are_not_the_trials() -> None:
    shown = ToolCall(id="x", name="bash", arguments={"command": "example"})
    messages = (Message(role="user", content="q"), Message(role="assistant", content="", tool_calls=(shown,)))
    made = msgspec.structs.replace(shown, arguments={"command": "own"})
    trajectory = Trajectory(
        request=ChatRequest(messages=messages),
        output=Output(text="a"),
        steps=(
            Step(source="user", message="q"),
            Step(source="model", tool_calls=(shown,)),
            Step(source="model", tool_calls=(made,)),
        ),
    )
    assert [a.text for a in actions_of(trajectory)] == ["own"]


def test_a_call_that_was_never_answered_and_one_that_cannot_be_read() -> None:
    call = ToolCall(id="x", name="bash", raw='{"command": "l')
    trajectory = Trajectory(
        request=ChatRequest(messages=()), output=Output(), steps=(Step(source="model", tool_calls=(call,)),)
    )
    (action,) = actions_of(trajectory)
    assert (action.result, action.is_error, action.text, action.registered) == (None, False, '{"command": "l', None)
