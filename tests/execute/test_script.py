"""Scripted conversations: turn by turn, read off the messages, with tool calls, failures and delays."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.execute.helpers import chat
from weigh.define.spec import parse_model
from weigh.execute.providers.registry import open_provider
from weigh.execute.providers.script import Script, Turn, TurnCall, turn_number
from weigh.execute.providers.scripted import ScriptedProvider
from weigh.records.errors import DefinitionError, Failure
from weigh.records.request import ChatRequest, Message, Output, Request, ToolCall
from weigh.records.usage import Usage

LOOK = Turn(text="I look", tool_calls=(TurnCall(name="bash", arguments={"command": "ls"}),))


async def talk(model: ScriptedProvider, text: str, turns: int) -> list[Output]:
    """A conversation in which every tool call is answered with `ok`."""
    messages = [Message(role="user", content=text)]
    said = []
    for _ in range(turns):
        output = await model.respond(ChatRequest(messages=tuple(messages)))
        said.append(output)
        messages.append(Message(role="assistant", content=output.text, tool_calls=output.tool_calls))
        messages += [Message(role="tool", content="ok", tool_call_id=c.id) for c in output.tool_calls]
    return said


async def test_turns_follow_each_other() -> None:
    first, second = await talk(ScriptedProvider({"list": [LOOK, "done"]}), "list the files", 2)
    assert first.tool_calls == (ToolCall(id="call_0_0", name="bash", arguments={"command": "ls"}),)
    assert (first.text, first.finish_reason) == ("I look", "tool_calls")
    assert first.usage == Usage(new=3, generated=5, calls=1)
    assert (second.text, second.finish_reason, second.tool_calls) == ("done", "stop", ())


async def test_conversations_at_the_same_time_do_not_mix() -> None:
    slow = [Turn(text=str(n), delay=0.001 * (n % 3), tool_calls=(TurnCall(name="t"),)) for n in range(6)]
    model = ScriptedProvider({"*": slow})
    talks = await asyncio.gather(*(talk(model, f"question {n}", 6) for n in range(20)))
    assert all([o.text for o in said] == list("012345") for said in talks)


async def test_a_conversation_goes_on_over_what_an_agent_adds_and_ends_where_another_begins() -> None:
    model = ScriptedProvider({"fix": [LOOK, "mended"], "title": "A title", "test": ["tested"], "*": "?"})
    begun = (
        Message(role="user", content=[{"type": "text", "text": "fix it"}]),
        Message(role="assistant", content="I look"),
        Message(role="user", content="go on"),
    )
    assert (await model.respond(ChatRequest(messages=begun))).text == "mended"
    more = (*begun, Message(role="assistant", content="mended"), Message(role="user", content="now test it"))
    assert (await model.respond(ChatRequest(messages=more))).text == "tested"
    assert (await model.respond(chat("title of this"))).text == "A title"
    assert (await model.respond(chat("else"))).text == "?"


async def test_a_script_that_has_ended_is_a_failure_unless_it_repeats() -> None:
    with pytest.raises(Failure, match="has 1 turns, and turn 2 was asked for") as raised:
        await talk(ScriptedProvider({"*": ["once"]}), "x", 2)
    assert (raised.value.error.code, raised.value.error.transient) == ("script_ended", False)
    said = await talk(ScriptedProvider({"*": ["once", Turn(text="again", repeat=True)]}), "x", 4)
    assert [o.text for o in said] == ["once", "again", "again", "again"]


async def test_a_turn_can_fail_first_and_cost_what_it_says() -> None:
    used = Usage(new=10, cached=5, generated=2)
    model = ScriptedProvider({"*": [Turn(text="x", fail="http_500", times=2, usage=used)]})
    for _ in range(2):
        with pytest.raises(Failure, match="scripted failure") as raised:
            await model.respond(chat("?"))
        assert raised.value.error.transient
    assert (await model.respond(chat("?"))).usage == Usage(new=10, cached=5, generated=2, calls=1)
    for_ever = ScriptedProvider({"*": [Turn(fail="http_400", times=0)]})
    for _ in range(3):
        with pytest.raises(Failure) as raised:
            await for_ever.respond(chat("?"))
        assert not raised.value.error.transient


async def test_a_turn_takes_its_time_and_can_call_with_broken_arguments() -> None:
    model = ScriptedProvider([Turn(delay=0.05, tool_calls=(TurnCall(name="t", arguments="{oops", id="mine"),))])
    began = time.monotonic()
    output = await model.respond(chat("?"))
    assert time.monotonic() - began >= 0.05
    assert output.tool_calls == (ToolCall(id="mine", name="t", raw="{oops"),)


async def test_a_function_can_say_turns() -> None:
    def script(request: Request) -> Turn:
        return Turn(text=f"turn {turn_number(request)}", tool_calls=(TurnCall(name="t"),))

    said = await talk(ScriptedProvider(script), "x", 2)
    assert [(o.text, o.tool_calls[0].id) for o in said] == [("turn 0", "call_0_0"), ("turn 1", "call_1_0")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.json", '{"fix": [{"tool_calls": [{"name": "bash", "arguments": {"command": "ls"}}]}, "done"]}'),
        ("s.yaml", "fix:\n  - tool_calls: [{name: bash, arguments: {command: ls}}]\n  - done\n"),
    ],
)
async def test_scripts_come_from_files(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    async with open_provider(parse_model(f"scripted/{tmp_path}/{name}")) as provider:
        assert isinstance(provider, ScriptedProvider)
        first, second = await talk(provider, "fix it", 2)
        identity = await provider.identity()
    assert (first.tool_calls[0].arguments, second.text) == ({"command": "ls"}, "done")
    script: Script = {"fix": [Turn(tool_calls=(TurnCall(name="bash", arguments={"command": "ls"}),)), "done"]}
    assert identity["script"] == (await ScriptedProvider(script).identity())["script"]


def test_a_word_that_no_turn_has_is_named(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"*": [{"tool_call": []}]}')
    with pytest.raises(DefinitionError, match=r"\*\[0\].tool_call: unknown key 'tool_call'; did you mean 'tool_calls'"):
        open_provider(parse_model(f"scripted/{tmp_path}/s.json"))
