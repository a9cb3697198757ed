"""opencode: `run --format json`, a provider of its own in `opencode.json`, skills and instructions in its config."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weigh.execute.agents.agent import Agent, Assignment, Installation, Launch, skill_links
from weigh.execute.agents.reader import Reader
from weigh.records.request import ToolCall
from weigh.records.trajectory import Observation
from weigh.records.usage import Usage

_CONFIG = ".config/opencode"


def launch(program: Installation, task: Assignment) -> Launch:
    config = {
        "autoupdate": False,
        "share": "disabled",
        "snapshot": False,
        "permission": "allow",
        "compaction": {"auto": False, "prune": False},
        "lsp": False,
        "formatter": False,
        "model": "weigh/model",
        "small_model": "weigh/model",
        "provider": {
            "weigh": {
                "npm": "@ai-sdk/openai-compatible",
                "name": "weigh",
                "options": {"baseURL": task.url, "apiKey": task.token, "timeout": False},
                "models": {
                    "model": {
                        "name": task.model,
                        "limit": {"context": task.context_window, "output": task.max_tokens},
                    }
                },
            }
        },
    }
    files = {f"{_CONFIG}/opencode.json": json.dumps(config)}
    if task.instructions:
        files[f"{_CONFIG}/AGENTS.md"] = task.instructions
    return Launch(
        # A title of our own, else it asks the model for one. The prompt by standard input: it puts words in quotes.
        command=(_program(program), "run", "--format", "json", "--model", "weigh/model",
                 "--title", "trial"),
        env={
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
            "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
            "OPENCODE_DISABLE_CLAUDE_CODE": "1",
        },
        files=files,
        links={**skill_links(task.skills, f"{_CONFIG}/skills"), **skill_links(task.loaded)},
        stdin=task.prompt,
    )  # fmt: skip


def _program(program: Installation) -> str:
    """The program for this machine; what lies in `.bin` becomes it only by an install script, and none is run."""
    system, machine = platform.system().lower(), platform.machine().lower()
    build = f"{system}-{'arm64' if machine in ('arm64', 'aarch64') else 'x64'}"
    old = build == "linux-x64" and "avx2" not in Path("/proc/cpuinfo").read_text()
    return f"{program.path}/node_modules/opencode-{build}{'-baseline' if old else ''}/bin/opencode"


class OpenCodeReader(Reader):
    """Parts of an answer come in any order; `step_finish` says that it is whole."""

    def __init__(self) -> None:
        super().__init__()
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._tools: list[Mapping[str, Any]] = []

    def event(self, event: Mapping[str, Any], at: float) -> None:
        kind = event["type"]
        if kind == "error":
            error = event["error"]
            self.error = str((error.get("data") or {}).get("message") or error.get("name") or error)
        elif kind == "text":
            self._texts.append(event["part"]["text"])
        elif kind == "reasoning":
            self._thoughts.append(event["part"]["text"])
        elif kind == "tool_use":
            self._tools.append(event["part"])
        elif kind == "step_finish":
            self._finish(event["part"], at)

    def _finish(self, part: Mapping[str, Any], at: float) -> None:
        tokens = part["tokens"]
        self.model(
            "".join(self._texts),
            at,
            reasoning="".join(self._thoughts) or None,
            calls=tuple(_call(tool) for tool in self._tools),
            usage=Usage(
                new=tokens["input"], cached=tokens["cache"]["read"], generated=tokens["output"] + tokens["reasoning"],
                calls=1,
            ),
        )  # fmt: skip
        for tool in self._tools:
            self.seen(_observation(tool))
        self._texts, self._thoughts, self._tools = [], [], []
        self.finished = part.get("reason") != "tool-calls"


def _call(tool: Mapping[str, Any]) -> ToolCall:
    given = tool["state"].get("input") or {}
    # A call of a tool that it does not have, it turns into one of `invalid`.
    if tool["tool"] == "invalid":
        return ToolCall(id=tool["callID"], name=str(given.get("tool")))
    return ToolCall(id=tool["callID"], name=tool["tool"], arguments=dict(given))


def _observation(tool: Mapping[str, Any]) -> Observation:
    state = tool["state"]
    code = (state.get("metadata") or {}).get("exit")
    time = state.get("time") or {}
    known = "start" in time and "end" in time
    return Observation(
        call_id=tool["callID"],
        tool=_call(tool).name,
        content=str(state.get("output") if state["status"] == "completed" else state.get("error") or ""),
        is_error=state["status"] != "completed" or tool["tool"] == "invalid" or bool(code),
        seconds=(time["end"] - time["start"]) / 1000 if known else None,
        metadata={} if code is None else {"exit_code": code},
    )


AGENT = Agent(
    name="opencode",
    version="1.18.33",
    kind="npm",
    package="opencode-ai",
    launch=launch,
    reader=OpenCodeReader,
    session="*/.local/share/opencode/opencode.db",
    skills="its skills folder for each skill, its global AGENTS.md for instructions; reads AGENTS.md of the workspace",
    about="a coding agent with many tools: bash, edit, grep, tasks, todo lists",
)
