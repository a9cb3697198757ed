"""pi: `-p PROMPT --mode json`, a provider of its own in `models.json`, skills by `--skill`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from weigh.execute.agents.agent import SKILLS, Agent, Assignment, Installation, Launch, skill_links, skills_loaded
from weigh.execute.agents.reader import Reader, exit_code, text_of
from weigh.records.request import ToolCall
from weigh.records.trajectory import Observation
from weigh.records.usage import Usage

_PACKAGE = "@mariozechner/pi-coding-agent"


def launch(program: Installation, task: Assignment) -> Launch:
    assert program.node is not None
    command = [
        program.node, f"{program.path}/node_modules/{_PACKAGE}/dist/cli.js",
        "--mode", "json", "--provider", "weigh", "--model", "model", "--thinking", "off",
        "--session-dir", f"{task.home}/.pi/sessions", "--offline", "--no-extensions",
    ]  # fmt: skip
    # A prompt can call one skill, as a user would by typing its name; the text of any further one is context.
    called, further = task.loaded[:1], task.loaded[1:]
    instructions = "\n\n".join(text for text in (task.instructions, skills_loaded(further, task.home)) if text)
    if instructions:
        command += ["--append-system-prompt", instructions]
    for skill in (*task.skills, *called):
        command += ["--skill", f"{task.home}/{SKILLS}/{skill.name}"]
    # `-p` takes what follows as its value only if that is no flag; `@` would name a file and `/` a command.
    prompt = f" {task.prompt}" if task.prompt.startswith(("-", "@", "/")) else task.prompt
    if called:
        prompt = f"/skill:{called[0].name} {task.prompt}"
    model = {"id": "model", "name": task.model, "reasoning": False, "input": ["text"],
             "contextWindow": task.context_window, "maxTokens": task.max_tokens}  # fmt: skip
    provider = {
        "baseUrl": task.url,
        "api": "openai-completions",
        "apiKey": task.token,
        "compat": {"supportsDeveloperRole": False, "supportsReasoningEffort": False, "supportsStore": False},
        "models": [model],
    }
    settings = {
        "compaction": {"enabled": False},
        # The trial's own provider tries again; a second layer would only hide what it says.
        "retry": {"enabled": False, "provider": {"maxRetries": 0, "timeoutMs": 86_400_000}},
        "enableInstallTelemetry": False,
        "quietStartup": True,
    }
    return Launch(
        command=(*command, "-p", prompt),
        env={
            "PI_CODING_AGENT_DIR": f"{task.home}/.pi/agent",
            "PI_OFFLINE": "1",
            "PI_TELEMETRY": "0",
            "PI_SKIP_VERSION_CHECK": "1",
        },
        files={
            ".pi/agent/models.json": json.dumps({"providers": {"weigh": provider}}),
            ".pi/agent/settings.json": json.dumps(settings),
        },
        links=skill_links((*task.skills, *task.loaded)),
    )


class PiReader(Reader):
    """Events: https://github.com/badlogic/pi-mono, `docs/json.md` of the package."""

    def event(self, event: Mapping[str, Any], at: float) -> None:
        kind = event["type"]
        if kind == "message_end":
            self._message(event["message"], at)
        elif kind == "agent_end":
            self.finished = True
        elif kind == "tool_execution_start":
            self.began(event["toolCallId"], at)
        elif kind == "tool_execution_end":
            text = text_of(event["result"].get("content"))
            code = exit_code(text) if event["toolName"] == "bash" and event["isError"] else None
            self.seen(
                Observation(
                    call_id=event["toolCallId"],
                    tool=event["toolName"],
                    content=text,
                    is_error=bool(event["isError"]),
                    metadata={} if code is None else {"exit_code": code},
                ),
                at,
            )

    def _message(self, message: Mapping[str, Any], at: float) -> None:
        if message["role"] == "user":
            self.note("user", text_of(message["content"]), at)
            return
        if message["role"] != "assistant":
            return
        parts = message["content"]
        if message.get("stopReason") in ("error", "aborted"):
            self.error = str(message.get("errorMessage") or message["stopReason"])
            if not parts:
                return
        used = message["usage"]
        self.model(
            "".join(p["text"] for p in parts if p["type"] == "text"),
            at,
            reasoning="".join(p["thinking"] for p in parts if p["type"] == "thinking") or None,
            calls=tuple(
                ToolCall(id=p["id"], name=p["name"], arguments=dict(p["arguments"]))
                for p in parts
                if p["type"] == "toolCall"
            ),
            usage=Usage(new=used["input"], cached=used["cacheRead"], generated=used["output"], calls=1),
        )


AGENT = Agent(
    name="pi",
    version="0.73.1",
    kind="npm",
    package=_PACKAGE,
    launch=launch,
    reader=PiReader,
    session="*/.pi/sessions/*.jsonl",
    loads_skills=True,
    skills="--skill for each skill, --append-system-prompt for instructions; reads AGENTS.md of the workspace",
    about="a small coding agent: read, bash, edit, write",
)
