"""What an agent did, in one vocabulary, whatever agent it was: every tool call of a trajectory as an `Action`.

Agents name their tools and arguments differently (`read`, `read_file`, `cat` in a shell). Markers, measures and pages
read actions instead, so that one pattern sees the same behaviour in all of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from weigh.records.request import ChatRequest, ToolCall
from weigh.records.shell import simple_commands
from weigh.records.shell_use import asks_help, calls_help, files_read, files_written, inline_code
from weigh.records.trajectory import Observation, Step, Trajectory

Kind = Literal["command", "code", "read", "write", "edit", "search", "other"]

_NAMES: dict[Kind, str] = {
    "command": "bash shell sh run_shell_command run_command execute_command exec_command local_shell terminal "
    "container_exec",
    "code": "python ipython jupyter run_python execute_python python_exec code_interpreter",
    "read": "read read_file view cat open_file read_many_files",
    "write": "write write_file create create_file save_file",
    "edit": "edit edit_file replace multiedit multi_edit str_replace str_replace_editor patch apply_patch",
    "search": "grep glob find ls list list_dir list_directory search_file_content grep_search search_files "
    "codesearch file_search",
}
"""Tool names, in lower case, of pi, opencode, qwen-code, mini-swe-agent and others, and of weigh's own tools."""

_KINDS: dict[str, Kind] = {name: kind for kind, names in _NAMES.items() for name in names.split()}
_COMMAND = ("command", "cmd", "script", "input")
_PATH = ("path", "file_path", "filePath", "absolute_path", "filename", "file", "notebook_path", "dir_path", "directory")
_PATHS = ("paths", "files", "file_paths", "include")
_CONTENT = ("content", "contents", "text", "file_text", "new_source")
_NEW = ("newText", "new_string", "newString", "new", "new_str", "replacement", "patchText", "patch", "diff", "input")
_PATTERN = ("pattern", "query", "regex", "glob", "path")
_UNKNOWN_TOOL = re.compile(
    r"\b(?:unknown|unregistered|no such|invalid|unavailable) tool\b|\bthere is no tool\b|"
    r"\btool\b[^.\n]{0,80}?\b(?:not found|not registered|does(?: not|n't) exist|(?:is )?not available|unavailable|"
    r"is unknown)\b",
    re.IGNORECASE,
)
"""How agents and tool loops answer a call of a tool that they do not have."""


class Action(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One tool call.

    Attributes:
        kind: What it does: `command` (a shell), `code` (an interpreter), `read`, `write`, `edit`, `search`, `other`.
        tool: The tool as the agent named it.
        text: The heart of it: the command line, the code, the file's new text, what is searched for; for the rest the
            arguments as JSON.
        path: The file or folder it is about, where the call says one.
        result: What came back; None when nothing did (a limit ended the trial).
        is_error: Whether that was an error.
        step: Its position in `Trajectory.steps`.
        call: Its position among the calls of the step.
        seconds: How long it took, where known.
        registered: Whether the agent had such a tool; None where nobody says which tools there were.
        id: The call's id.
        arguments: As the model gave them.
        raw: The arguments as text, where they could not be read.
        code: Code in it: contents of files written or edited, the code of an interpreter, inline code of a command.
        reads, writes: Files it reads and writes, as far as the call says so.
        asks_help: Whether it looks something up: `--help`, `-h`, `man`, `pydoc`, `help(...)`.
    """

    kind: Kind
    tool: str
    text: str = ""
    path: str | None = None
    result: str | None = None
    is_error: bool = False
    step: int = 0
    call: int = 0
    seconds: float | None = None
    registered: bool | None = None
    id: str = ""
    arguments: dict[str, Any] = {}
    raw: str | None = None
    code: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    asks_help: bool = False


def actions_of(trajectory: Trajectory) -> list[Action]:
    """The tool calls of a trial in order. Calls of examples in the prompt are not the trial's."""
    known = known_tools(trajectory)
    found = []
    for step, call_index, made, seen in _calls(trajectory):
        call, refused = _meant(made)
        kind = kind_of(call.name)
        found.append(
            Action(
                kind=kind,
                tool=call.name,
                result=None if seen is None else seen.content,
                is_error=seen is not None and seen.is_error,
                step=step,
                call=call_index,
                seconds=None if seen is None else seen.seconds,
                registered=False if refused else _registered(call, seen, known),
                id=call.id,
                arguments=call.arguments,
                raw=call.raw,
                **_content(kind, call),
            )
        )
    return found


def kind_of(tool: str) -> Kind:
    """What a tool of this name does; `other` for one that is not known."""
    return _KINDS.get(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", tool).lower(), "other")


def known_tools(trajectory: Trajectory) -> frozenset[str] | None:
    """The names of the tools there were: those of the request, or what a scaffold recorded as `metadata["tools"]` or
    `metadata["agent"]["tools"]`; None where nobody says."""
    request = trajectory.request
    names = {tool.name for tool in request.tools} if isinstance(request, ChatRequest) else set()
    agent = trajectory.metadata.get("agent")
    recorded = [trajectory.metadata.get("tools"), agent.get("tools") if isinstance(agent, Mapping) else None]
    for tools in recorded:
        if isinstance(tools, list | tuple):
            names |= {t["name"] if isinstance(t, Mapping) and "name" in t else str(t) for t in tools}
    return frozenset(names) or None


def own_steps(trajectory: Trajectory) -> list[tuple[int, Step]]:
    """The steps of the trial itself with their positions: without those that repeat the request's messages."""
    messages = trajectory.request.messages if isinstance(trajectory.request, ChatRequest) else ()
    start = 0
    for step, message in zip(trajectory.steps, messages, strict=False):
        source = {"assistant": "model", "tool": "harness"}.get(message.role, message.role)
        said = message.content if isinstance(message.content, str) else str(message.content)
        if (step.source, step.message, step.tool_calls) != (source, said, message.tool_calls) or step.usage is not None:
            break
        start += 1
    return list(enumerate(trajectory.steps))[start:]


def _calls(trajectory: Trajectory) -> Iterator[tuple[int, int, ToolCall, Observation | None]]:
    if not trajectory.steps:
        for index, call in enumerate(trajectory.output.tool_calls):
            yield 0, index, call, None
    for position, step in own_steps(trajectory):
        seen = {observation.call_id: observation for observation in step.observations}
        for index, call in enumerate(step.tool_calls):
            yield position, index, call, seen.get(call.id)


def _meant(call: ToolCall) -> tuple[ToolCall, bool]:
    """The call a model meant, and whether its agent turned it away: opencode puts `invalid` in the place of a call that
    it cannot make, with the tool's name in the arguments."""
    meant = call.arguments.get("tool") if call.name == "invalid" else None
    return (msgspec.structs.replace(call, name=meant), True) if isinstance(meant, str) and meant else (call, False)


def _registered(call: ToolCall, seen: Observation | None, known: frozenset[str] | None) -> bool | None:
    if known is not None:
        return call.name in known or _worked(seen)
    if seen is None:
        return None
    if seen.metadata.get("malformed") == "name" or (seen.is_error and _UNKNOWN_TOOL.search(seen.content[:500])):
        return False
    return True if not seen.is_error else None


def _worked(seen: Observation | None) -> bool:
    """Whether a tool gave something back. Some agents have more tools than they offer the model at once: those of MCP
    servers, which it has to look for."""
    if seen is None or seen.is_error or not seen.content.strip():
        return False
    return _UNKNOWN_TOOL.search(seen.content[:500]) is None


def _content(kind: Kind, call: ToolCall) -> dict[str, Any]:
    """What a call says, by the fields of `Action`."""
    arguments = call.arguments
    everything = call.raw if call.raw is not None else json.dumps(arguments, ensure_ascii=False)
    path = _text(arguments, _PATH)
    if kind == "command":
        line = _text(arguments, _COMMAND)
        return {"text": everything, "path": path} if line is None else {"text": line, **_of_command(line)}
    if kind == "code":
        code = _text(arguments, ("code", "source", *_COMMAND)) or everything
        return {"text": code, "code": (code,), "asks_help": calls_help(code)}
    if kind == "read":
        several = [p for name in _PATHS for p in _list(arguments.get(name))]
        return {"text": path or everything, "path": path, "reads": tuple(several or ([path] if path else []))}
    if kind == "write":
        text = _text(arguments, _CONTENT) or ""
        return {"text": text, "path": path, "code": (text,) if text else (), "writes": (path,) if path else ()}
    if kind == "edit":
        written = _edits(arguments)
        paths = [path] if path else re.findall(r"(?m)^\*\*\* (?:Add|Update) File: (.+)$", "\n".join(written))
        return {"text": "\n".join(written) or everything, "path": paths[0] if paths else None,
                "code": tuple(written), "writes": tuple(paths)}  # fmt: skip
    if kind == "search":
        return {"text": _text(arguments, _PATTERN) or everything, "path": path}
    return {"text": everything, "path": path}


def _of_command(line: str) -> dict[str, Any]:
    commands = simple_commands(line)
    return {
        "code": tuple(code for one in commands for code in inline_code(one)),
        "reads": _distinct(path for one in commands for path in files_read(one)),
        "writes": _distinct(path for one in commands for path in files_written(one)),
        "asks_help": any(asks_help(one) for one in commands),
    }


def _edits(arguments: Mapping[str, Any]) -> list[str]:
    """The new texts of an edit, which may be several."""
    several = arguments.get("edits")
    parts = several if isinstance(several, list | tuple) else [arguments]
    texts = [_text(part, _NEW) for part in parts if isinstance(part, Mapping)]
    return [text for text in texts if text]


def _text(arguments: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """The first argument of these names; a list of words is joined."""
    for name in names:
        value = arguments.get(name)
        if isinstance(value, str):
            return value
        if isinstance(value, list | tuple) and value and all(isinstance(v, str) for v in value):
            # `["bash", "-lc", LINE]` is the line; any other list of words is a command as it stands.
            return value[2] if len(value) == 3 and re.fullmatch(r"-[a-z]*c", value[1]) else " ".join(value)
    return None


def _list(value: Any) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list | tuple) else []


def _distinct(values: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
