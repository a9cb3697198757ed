"""Recordings and their replay: one program's, a run's trials, behind the gateway, and what was never recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.execute.helpers import chat, run_all
from tests.execute.test_gateway import post
from weigh.execute.gateway.server import Gateway
from weigh.execute.providers.replay import ReplayOptions, ReplayProvider, create
from weigh.execute.providers.script import Turn, TurnCall
from weigh.execute.providers.scripted import ScriptedOptions, ScriptedProvider
from weigh.execute.recording import (
    CellName,
    Head,
    RecordedCall,
    RecordingFile,
    read_calls,
    read_head,
    recording_text,
)
from weigh.protocols import ScaffoldContext
from weigh.records.errors import DefinitionError, Error, Failure
from weigh.records.request import ChatRequest, Message, Output, Request, ToolCall, ToolSpec
from weigh.records.trajectory import Trajectory
from weigh.records.usage import Usage

TOOLS = (ToolSpec(name="bash"), ToolSpec(name="read"))


def turn(*texts: str, tools: tuple[ToolSpec, ...] = TOOLS) -> ChatRequest:
    """A conversation of so many messages, the user first."""
    roles = ("user", "assistant")
    messages = tuple(Message(role=roles[i % 2], content=t) for i, t in enumerate(texts))  # type: ignore[arg-type]
    return ChatRequest(messages=messages, tools=tools)


def said(request: Request, text: str) -> RecordedCall:
    return RecordedCall(at=1.0, seconds=0.5, request=request, output=Output(text=text, usage=Usage(new=3, calls=1)))


def recorded(path: Path, *calls: RecordedCall, head: Head | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(recording_text(head or Head(model="m"), calls))
    return path


def replay(path: Path, **options: Any) -> ReplayProvider:
    return ReplayProvider(path, ReplayOptions(**options))


def test_a_recording_says_everything_and_repeats_nothing(tmp_path: Path) -> None:
    long = "x" * 10_000
    calls = [
        said(turn(long), "a"),
        said(turn("title?", tools=()), "t"),
        said(turn(long, "a", "b"), "c"),
        RecordedCall(
            at=2.0, seconds=0.1, request=turn(long, "a", "b", "c"), error=Error(kind="provider", message="no")
        ),
    ]
    path = recorded(tmp_path / "calls.jsonl", *calls)
    assert path.stat().st_size < 12_000
    assert list(read_calls(path)) == calls
    assert read_head(path).model == "m"


def test_a_line_that_was_cut_off_is_no_call_and_one_that_is_wrong_is_an_error(tmp_path: Path) -> None:
    path = recorded(tmp_path / "calls.jsonl", said(turn("a"), "b"), said(turn("c"), "d"))
    whole = path.read_text()
    path.write_text(whole[:-20])
    assert len(list(read_calls(path))) == 1
    path.write_text(whole.replace('"request"', '"rekuest"', 1))
    with pytest.raises(DefinitionError, match="line 2"):
        list(read_calls(path))
    path.write_text(whole.replace('"version":1', '"version":9'))
    with pytest.raises(DefinitionError, match=r"version 9.*update weigh"):
        read_head(path)
    path.write_text("{}\n")
    with pytest.raises(DefinitionError, match="no recording"):
        read_head(path)


async def test_the_same_request_gets_its_answers_in_order(tmp_path: Path) -> None:
    path = recorded(tmp_path / "calls.jsonl", said(turn("q"), "1"), said(turn("other"), "o"), said(turn("q"), "2"))
    model = replay(path)
    assert [(await model.respond(turn("q"))).text for _ in range(3)] == ["1", "2", "1"]
    assert (await model.respond(turn("other"))).usage.new == 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("at 2026-11-27T00:36:34Z", "at 2027-01-02T10:00:00+01:00"),
        ("Today is Fri Nov 27 2026", "Today is Sat Nov 28 2026"),
        ("Friday, 27 November 2026 10:11:12", "Saturday, 28 November 2026 9:00:01"),
        ("2 Nov 27 02:03 answer.txt", "2 Nov  7 12:45 answer.txt"),
        ("in /tmp/weigh-abc1/x", "in /tmp/weigh-def2/x"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:41231/v1"),
        ("http://127.0.0.1:8080/t/0123456789abcdef/v1", "http://127.0.0.1:41231/t/fedcba9876543210/v1"),
        ("key weigh-" + "a" * 43, "key weigh-" + "b" * 43),
        ("id 123e4567-e89b-12d3-a456-426614174000", "id 00000000-e89b-12d3-a456-426614174000"),
    ],
)
async def test_what_is_volatile_does_not_count(tmp_path: Path, one: str, other: str) -> None:
    path = recorded(tmp_path / "calls.jsonl", said(turn(one), "same"))
    assert (await replay(path).respond(turn(other))).text == "same"
    with pytest.raises(Failure):
        await replay(path, exact=True).respond(turn(other))


async def test_ids_of_tool_calls_do_not_count_and_own_patterns_can_be_given(tmp_path: Path) -> None:
    def called(name: str, number: int) -> ChatRequest:
        return ChatRequest(
            messages=(
                Message(role="user", content=f"run {number}"),
                Message(role="assistant", tool_calls=(ToolCall(id=name, name="bash"),)),
                Message(role="tool", content="ok", tool_call_id=name),
            )
        )

    path = recorded(tmp_path / "calls.jsonl", said(called("a1", 1), "fine"))
    assert (await replay(path).respond(called("b2", 1))).text == "fine"
    with pytest.raises(Failure, match=r"messages\[0\] \(user\).content differs at character 4"):
        await replay(path).respond(called("a1", 2))
    assert (await replay(path, volatile=[r"run \d"]).respond(called("a1", 2))).text == "fine"


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (turn("q", "a", "else"), r"nearest is call 2 .*messages\[2\] \(user\).content differs at character 0: 'else'"),
        (turn("q", tools=TOOLS[:1]), r"tools: 1 entries, recorded 2"),
        (msgspec.structs.replace(turn("q"), sampling=chat("", temperature=0.7).sampling), r"sampling.*temperature"),
        (turn("q", "a", "b", "c", "d"), "it has 5 messages, the nearest one recorded 3"),
    ],
)
async def test_what_was_never_recorded_says_what_differs(tmp_path: Path, request_: ChatRequest, says: str) -> None:
    path = recorded(tmp_path / "calls.jsonl", said(turn("q"), "a"), said(turn("q", "a", "b"), "c"))
    with pytest.raises(Failure, match=says) as raised:
        await replay(path).respond(request_)
    assert (raised.value.error.code, raised.value.error.transient) == ("not_recorded", False)


async def test_a_sequence_asks_no_questions_and_ends(tmp_path: Path) -> None:
    path = recorded(tmp_path / "calls.jsonl", said(turn("a"), "1"), said(turn("b"), "2"))
    model = replay(path, match="sequence")
    assert [(await model.respond(turn(x))).text for x in ("?", "!")] == ["1", "2"]
    with pytest.raises(Failure, match="has 2 calls, and one more was asked for"):
        await model.respond(turn("a"))


async def test_a_recorded_failure_is_the_same_failure_at_once(tmp_path: Path) -> None:
    error = Error(kind="provider", code="http_500", message="broke", transient=True)
    path = recorded(tmp_path / "calls.jsonl", RecordedCall(at=1.0, seconds=0.1, request=turn("q"), error=error))
    with pytest.raises(Failure, match="broke") as raised:
        await replay(path).respond(turn("q"))
    assert (raised.value.error.code, raised.value.error.transient) == ("http_500", False)


@pytest.mark.parametrize(("name", "says"), [("nothing", "no such file or folder"), ("", "record=true")])
def test_without_a_recording_there_is_no_provider(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        create(str(tmp_path / name), {}, concurrency=None)


class Asks:
    """A scaffold that asks three times, going by what it was told; the question alone tells trials apart."""

    name = "asks"

    async def run(self, request: Request, context: ScaffoldContext) -> Trajectory:
        assert isinstance(request, ChatRequest)
        messages = list(request.messages)
        output = Output()
        for _ in range(3):
            output = await context.provider.respond(ChatRequest(messages=tuple(messages)))
            messages += [Message(role="assistant", content=output.text), Message(role="user", content="more")]
        return Trajectory(request=request, output=output)


async def test_a_run_is_replayed_trial_by_trial(tmp_path: Path) -> None:
    told = iter(range(1000))
    model = ScriptedProvider(lambda request: str(next(told)), ScriptedOptions(jitter=0.01))
    trials, _ = await run_all(model, 6, scaffold=Asks(), record=True, axes={"model": "real", "tier": "bare"},
                              request=chat("the same for all"))  # fmt: skip
    answers = {}
    for trial in trials:
        assert trial.trajectory is not None
        answers[trial.instance.id] = trial.trajectory.output.text
        recording = tmp_path / trial.id / "calls.jsonl"
        recording.parent.mkdir()
        recording.write_text(trial.trajectory.artifacts["calls.jsonl"])
        head = read_head(recording)
        assert head.cell == CellName(task="task", instance=trial.instance.id, axes={"model": "real", "tier": "bare"})
    assert len(set(answers.values())) == 6
    again, _ = await run_all(replay(tmp_path), 6, scaffold=Asks(), axes={"model": "replayed", "tier": "bare"},
                             request=chat("the same for all"))  # fmt: skip
    assert [t.status for t in again] == ["ok"] * 6
    assert {t.instance.id: t.trajectory.output.text for t in again if t.trajectory} == answers
    assert sum(t.usage.generated or 0 for t in again) == sum(t.usage.generated or 0 for t in trials)
    wrong, _ = await run_all(replay(tmp_path), 6, scaffold=Asks(), axes={"tier": "skill"})
    assert {t.error.code for t in wrong if t.error} == {"not_recorded"}
    assert all("no trial of task, instance" in t.error.message for t in wrong if t.error)


async def test_of_several_models_one_is_chosen(tmp_path: Path) -> None:
    def cell(model: str) -> CellName:
        return CellName(task="task", instance="0", axes={"model": model})

    for model, at in (("a", 1.0), ("b", 1.0), ("b", 2.0)):
        head = Head(model=model, at=at, cell=cell(model))
        recorded(tmp_path / f"{model}{at}" / "calls.jsonl", said(chat("q0"), f"{model}{at}"), head=head)

    async def ask(model: ReplayProvider, own: str) -> str:
        return (await model.for_trial(cell(own)).respond(chat("q0"))).text

    assert await ask(replay(tmp_path), "b") == "b2.0"  # its own, the newest
    assert await ask(replay(tmp_path, model="a"), "b") == "a1.0"
    with pytest.raises(Failure, match="recorded with a, b: choose one with ::model=NAME"):
        await ask(replay(tmp_path), "c")
    with pytest.raises(Failure, match="'x'; it is with a, b"):
        await ask(replay(tmp_path, model="x"), "b")
    with pytest.raises(Failure, match="3 recordings, and this call belongs to no trial"):
        await replay(tmp_path).respond(chat("q0"))


async def test_behind_the_gateway_a_program_is_recorded_and_replayed(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    body = {"messages": [{"role": "user", "content": "list"}], "max_tokens": 9}
    script = {"list": [Turn(tool_calls=(TurnCall(name="bash", arguments={"command": "ls"}),)), "done"]}
    async with Gateway() as gateway:
        with RecordingFile(path, "scripted/x") as file:
            session = gateway.open(ScriptedProvider(script), on_call=file.add)
            first = await post(gateway, session.token, body, "/v1/messages")
        session = gateway.open(replay(path))
        second = await post(gateway, session.token, body, "/v1/messages")
        assert second[0] == 200
        assert second[1]["content"] == first[1]["content"]
        assert second[1]["content"][0]["input"] == {"command": "ls"}
        status, answer = await post(gateway, session.token, body | {"max_tokens": 8}, "/v1/messages")
    assert (status, answer["error"]["code"]) == (502, "not_recorded")
    assert "sampling.max_tokens: 8, recorded 9" in answer["error"]["message"]
    with pytest.raises(DefinitionError, match="cannot record"), RecordingFile(path, "x"):
        pass
