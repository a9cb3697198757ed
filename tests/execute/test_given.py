"""What an agent program's first request says besides the question, whatever protocol it speaks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.execute.helpers import run_all
from weigh.execute.gateway.answer_messages import MESSAGES
from weigh.execute.gateway.answer_responses import RESPONSES
from weigh.execute.gateway.dialect import Dialect
from weigh.execute.gateway.wire import CHAT
from weigh.execute.providers.scripted import ScriptedProvider
from weigh.execute.scaffolds.agent_calls import AgentCalls
from weigh.execute.scaffolds.given import record_texts, texts_of
from weigh.protocols import ScaffoldContext
from weigh.records.given import all_given
from weigh.records.request import ChatRequest, Message, Request, ToolSpec
from weigh.records.trajectory import Step, Trajectory
from weigh.score.actions import pieces

SCHEMA = {"type": "object", "properties": {}}
TOOLS: dict[str, Any] = {
    "chat": {"type": "function", "function": {"name": "bash", "parameters": SCHEMA}},
    "responses": {"type": "function", "name": "bash", "parameters": SCHEMA},
    "messages": {"name": "bash", "input_schema": SCHEMA},
}


@pytest.mark.parametrize("dialect", [CHAT, RESPONSES, MESSAGES], ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("parts", [False, True])
def test_every_protocol_says_it(dialect: Dialect, parts: bool) -> None:
    kind = "input_text" if dialect is RESPONSES else "text"
    around = "<env>Friday</env>"
    asked: Any = [{"type": kind, "text": around}, {"type": kind, "text": "Why?\n"}] if parts else f"{around}\n\nWhy?\n"
    user = [{"role": "user", "content": asked}]
    body: dict[str, Any] = {"model": "m", "max_tokens": 9, "tools": [TOOLS[dialect.name]]}
    if dialect is CHAT:
        body["messages"] = [{"role": "system", "content": "You help."}, *user]
    elif dialect is RESPONSES:
        body |= {"instructions": "You help.", "input": user}
        body["max_output_tokens"] = body.pop("max_tokens")
    else:
        body |= {"system": [{"type": "text", "text": "You help."}], "messages": user}
    (request,) = dialect.read(body)
    assert isinstance(request, ChatRequest)
    found = texts_of(request, "Why?", [])
    assert found["system.txt"] == "You help."
    # Two protocols have parts that are all text joined by a line's end.
    assert found["context.txt"].replace("\n\n", "\n") == f"{around}\n[the question]"


def test_what_a_step_says_anyway_and_the_question_alone_are_no_context() -> None:
    def user(text: str) -> Message:
        return Message(role="user", content=text)

    later = (Message(role="assistant", content="Hm."), Message(role="system", content="no"), user("Why not?"))
    messages = (Message(role="system", content="A"), Message(role="system", content="B"), user("Why? Say why?"), *later)
    assert texts_of(ChatRequest(messages=messages), "why?", []) == {
        "system.txt": "A\n\nB", "context.txt": "Why? Say [the question]",
    }  # fmt: skip
    assert texts_of(ChatRequest(messages=(user("why?\n"),)), "why?", []) == {"system.txt": "", "context.txt": ""}
    assert texts_of(ChatRequest(messages=(user("all"),)), "", [])["context.txt"] == "all"
    assert texts_of(ChatRequest(messages=messages), "why?", ["Why? Say why? "])["context.txt"] == ""


class NamesItsSession:
    """A scaffold that asks the model for a title before it begins, as some agents do."""

    name = "names_its_session"

    async def run(self, request: Request, context: ScaffoldContext) -> Trajectory:
        calls = AgentCalls(context, request)
        for system, tools in (("Give a title.", ()), ("You help: rm -rf.", (ToolSpec(name="bash"),)), ("Later.", ())):
            messages = (Message(role="system", content=system), Message(role="user", content="q"))
            output = await calls.respond(ChatRequest(messages=messages, tools=tools))
        assert calls.first is not None
        record_texts(context, texts_of(calls.first, "q", []))
        context.metadata["agent"] = {"tools": sorted(calls.tools)}
        steps = (Step(source="user", message="q"), Step(source="model", message=output.text))
        return Trajectory(request=request, output=output, steps=steps)


async def test_the_request_that_begins_the_work_counts_and_no_marker_sees_it() -> None:
    [trial], _ = await run_all(ScriptedProvider(["fine"]), scaffold=NamesItsSession())
    assert trial.trajectory is not None
    assert trial.trajectory.artifacts == {"given/system.txt": "You help: rm -rf."}
    given = all_given(trial.trajectory)
    assert (given.tools, given.texts) == (("bash",), {"system.txt": 17})
    for scope in ("any", "commands", "code", "files", "calls", "results", "answer"):
        assert not any("rm -rf" in piece.text for piece in pieces(trial.trajectory, scope))
    assert len(trial.trajectory.steps) == 2
