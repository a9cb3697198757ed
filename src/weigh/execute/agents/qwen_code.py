"""Qwen Code: `--output-format stream-json`, OpenAI's variables, skills in its home folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from weigh.execute.agents.agent import Agent, Assignment, Installation, Launch, skill_links
from weigh.execute.agents.reader import Reader, exit_code, text_of
from weigh.records.request import ToolCall
from weigh.records.trajectory import Observation
from weigh.records.usage import Usage

_PACKAGE = "@qwen-code/qwen-code"


def launch(program: Installation, task: Assignment) -> Launch:
    assert program.node is not None
    command = [
        program.node, f"{program.path}/node_modules/{_PACKAGE}/cli.js",
        "--auth-type", "openai", "--yolo", "--output-format", "stream-json",
    ]  # fmt: skip
    if task.instructions:
        command += ["--append-system-prompt", task.instructions]
    settings = {
        "general": {"disableAutoUpdate": True, "enableAutoUpdate": False},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "model": {
            "skipNextSpeakerCheck": True,
            "skipLoopDetection": True,
            "chatCompression": {"contextPercentageThreshold": 0},
            "generationConfig": {
                "maxRetries": 0,
                "timeout": 86_400_000,
                "samplingParams": {"max_tokens": task.max_tokens},
            },
        },
    }
    return Launch(
        command=tuple(command),
        env={
            "OPENAI_BASE_URL": task.url,
            "OPENAI_API_KEY": task.token,
            "OPENAI_MODEL": "model",
            "QWEN_CODE_SUPPRESS_YOLO_WARNING": "1",
        },
        files={".qwen/settings.json": json.dumps(settings)},
        links={**skill_links(task.skills, ".qwen/skills"), **skill_links(task.loaded)},
        # Not by `-p`, which takes a prompt that begins with a dash for a flag.
        stdin=task.prompt,
    )


class QwenReader(Reader):
    """Parts of one answer are events of their own; the last one has the usage."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[Mapping[str, Any]] = []

    def event(self, event: Mapping[str, Any], at: float) -> None:
        kind = event["type"]
        if kind == "assistant":
            self._parts += event["message"]["content"]
            used = event["message"]["usage"]
            if used["input_tokens"] or used["output_tokens"] or event["message"].get("stop_reason"):
                self._answered(used, at)
        elif kind == "user":
            for part in event["message"]["content"]:
                if isinstance(part, Mapping) and part.get("type") == "tool_result":
                    self._result(part, at)
        elif kind == "result":
            self.finished = True
            if event.get("is_error"):
                told = event.get("error") or event.get("result")
                self.error = str(told.get("message") if isinstance(told, Mapping) else told)

    def _answered(self, used: Mapping[str, Any], at: float) -> None:
        parts, self._parts = self._parts, []
        cached = used.get("cache_read_input_tokens") or 0
        calls = tuple(
            ToolCall(id=p["id"], name=p["name"], arguments=dict(p.get("input") or {}))
            for p in parts
            if p["type"] == "tool_use"
        )
        self.model(
            "".join(p["text"] for p in parts if p["type"] == "text"),
            at,
            reasoning="".join(p["thinking"] for p in parts if p["type"] == "thinking") or None,
            calls=calls,
            usage=Usage(new=used["input_tokens"] - cached, cached=cached, generated=used["output_tokens"], calls=1),
        )
        for call in calls:
            self.began(call.id, at)

    def _result(self, part: Mapping[str, Any], at: float) -> None:
        call_id, text = part["tool_use_id"], text_of(part.get("content"))
        tool = next((c.name for s in self.steps for c in s.tool_calls if c.id == call_id), "")
        code = exit_code(text) if tool == "run_shell_command" else None
        self.seen(
            Observation(
                call_id=call_id,
                tool=tool,
                content=text,
                is_error=bool(part.get("is_error")) or bool(code),
                metadata={} if code is None else {"exit_code": code},
            ),
            at,
        )


AGENT = Agent(
    name="qwen_code",
    version="0.24.4",
    kind="npm",
    package=_PACKAGE,
    launch=launch,
    reader=QwenReader,
    session="*/.qwen/projects/*/chats/*.jsonl",
    skills="~/.qwen/skills for each skill, --append-system-prompt for instructions; reads QWEN.md and AGENTS.md",
    about="Alibaba's coding agent for Qwen models and others",
)
