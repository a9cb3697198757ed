"""mini-swe-agent: a loop of one tool, bash. Its own agent, model and environment, told to print each message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from weigh.execute.agents.agent import Agent, Assignment, Installation, Launch, skill_links, skills_offered
from weigh.execute.agents.reader import Reader, exit_code, text_of
from weigh.records.request import ToolCall
from weigh.records.trajectory import Observation
from weigh.records.usage import Usage

_HOME = ".mini-swe-agent"

# The package's command prints for people; this prints the same messages, one JSON object a line. What else is printed
# goes to standard error.
_MAIN = """
import json, os, pathlib, sys
told = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
from minisweagent.agents.default import DefaultAgent
from minisweagent.config import get_config_from_spec
from minisweagent.environments import get_environment
from minisweagent.models import get_model

class Agent(DefaultAgent):
    def add_messages(self, *messages):
        for message in messages:
            print(json.dumps(message, default=str), file=told, flush=True)
        return super().add_messages(*messages)

home = pathlib.Path(sys.argv[1])
task = json.loads((home / "task.json").read_text())
config = get_config_from_spec("mini.yaml")
settings = config["agent"]
settings["system_template"] += task["system"]
model = get_model(config={**config["model"], **task["model"]})
environment = get_environment(config["environment"], default_type="local")
agent = Agent(model, environment, **{**settings, "cost_limit": 0.0, "output_path": home / "session.traj.json"})
agent.run(task["prompt"])
"""


def launch(program: Installation, task: Assignment) -> Launch:
    system = "\n\n".join(t for t in (task.instructions, skills_offered(task.skills, task.home)) if t)
    told = {
        "prompt": task.prompt,
        "system": f"\n{{% raw %}}{system}{{% endraw %}}" if system else "",
        "model": {
            "model_name": "openai/model",
            "cost_tracking": "ignore_errors",
            "model_kwargs": {
                "drop_params": True, "api_base": task.url, "api_key": task.token, "max_tokens": task.max_tokens,
                "num_retries": 0, "max_retries": 0, "timeout": 86_400,
            },
        },
    }  # fmt: skip
    return Launch(
        command=(f"{program.path}/bin/python", "-c", _MAIN, f"{task.home}/{_HOME}"),
        env={
            "MSWEA_GLOBAL_CONFIG_DIR": f"{task.home}/{_HOME}",
            "MSWEA_CONFIGURED": "true",
            "MSWEA_SILENT_STARTUP": "1",
            "MSWEA_COST_TRACKING": "ignore_errors",
            "MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT": "1",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        files={f"{_HOME}/task.json": json.dumps(told)},
        links=skill_links((*task.skills, *task.loaded)),
    )


class MiniReader(Reader):
    """Messages of the agent's history, with the response of the model in `extra`."""

    def event(self, event: Mapping[str, Any], at: float) -> None:
        role, extra = event["role"], event.get("extra") or {}
        if role == "assistant":
            self._answered(event, extra, at)
        elif role == "tool":
            text = text_of(event["content"])
            code = extra.get("returncode", exit_code(text.replace('"', "")))
            self.seen(
                Observation(
                    call_id=event["tool_call_id"],
                    tool="bash",
                    content=text,
                    is_error=bool(code),
                    metadata={} if code is None else {"exit_code": code},
                ),
                at,
            )
        elif role == "exit":
            self.finished = True
            if str(extra.get("submission") or "").strip():
                self.answer = str(extra["submission"])
            if extra.get("exit_status") not in ("Submitted", "RepeatedFormatError"):
                self.error = f"{extra.get('exit_status')}: {text_of(event['content'])}"
        elif role == "system":
            self.note("system", text_of(event["content"]), at)
        else:
            first = not any(s.source == "user" for s in self.steps)
            self.note("user" if first else "harness", text_of(event["content"]), at)
            response = extra.get("response")
            if isinstance(response, Mapping):  # an answer that it could not use, which it only tells of here
                self._usage(response)

    def _answered(self, event: Mapping[str, Any], extra: Mapping[str, Any], at: float) -> None:
        calls = tuple(_call(call) for call in event.get("tool_calls") or ())
        self.model(
            text_of(event.get("content")),
            at,
            reasoning=event.get("reasoning_content") or None,
            calls=calls,
            usage=_used(extra["response"]),
        )
        for call in calls:
            self.began(call.id, at)

    def _usage(self, response: Mapping[str, Any]) -> None:
        message = response["choices"][0]["message"]
        steps = len(self.steps)
        self.model(text_of(message.get("content")), self.steps[-1].at or 0.0, usage=_used(response),
                   calls=tuple(_call(call) for call in message.get("tool_calls") or ()))  # fmt: skip
        self.steps.insert(steps - 1, self.steps.pop())


def _call(call: Mapping[str, Any]) -> ToolCall:
    text = call["function"]["arguments"]
    try:
        arguments = json.loads(text)
    except ValueError:
        arguments = None
    if isinstance(arguments, dict):
        return ToolCall(id=call["id"], name=str(call["function"]["name"]), arguments=arguments)
    return ToolCall(id=call["id"], name=str(call["function"]["name"]), raw=text)


def _used(response: Mapping[str, Any]) -> Usage:
    used = response["usage"]
    cached = (used.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return Usage(new=used["prompt_tokens"] - cached, cached=cached, generated=used["completion_tokens"], calls=1)


AGENT = Agent(
    name="mini_swe_agent",
    version="2.4.6",
    kind="pip",
    package="mini-swe-agent",
    extra_packages=("litellm==1.110.2", "mcp==2.3.0"),
    launch=launch,
    reader=MiniReader,
    session="*/.mini-swe-agent/session.traj.json",
    session_name="session.traj.json",
    skills="a list of skills and the instructions, put into its system prompt",
    about="a loop of a hundred lines with one tool, bash",
)
