"""Anthropic's own client against the gateway: messages, streamed and not, with tools, failures and budgets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest

from tests.execute.test_gateway_openai import CALL, USED, Late, asked, scripted
from weigh.execute.gateway.server import Gateway
from weigh.execute.gateway.session import GatewayBudget, Session
from weigh.execute.providers.scripted import ScriptedOptions
from weigh.execute.retry import ONCE
from weigh.records.request import Message, Output, ToolCall, ToolSpec

TOOL: dict[str, Any] = {"name": "add", "description": "adds", "input_schema": {"type": "object"}}


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with Gateway() as opened:
        yield opened


def client(gateway: Gateway, session: Session, **more: Any) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=gateway.root, api_key=session.token, **more)


def user(content: Any) -> Any:
    return {"role": "user", "content": content}


async def send(api: anthropic.AsyncAnthropic, streamed: bool, **body: Any) -> anthropic.types.Message:
    body = {"model": "any", "max_tokens": 50, **body}
    if not streamed:
        message: anthropic.types.Message = await api.messages.create(**body)
        return message
    async with api.messages.stream(**body) as stream:
        return await stream.get_final_message()


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_message_is_one_chat(gateway: Gateway, streamed: bool) -> None:
    provider = scripted(Output(text="Paris", reasoning="hm", finish_reason="stop", usage=USED))
    session = gateway.open(provider)
    older = {"temperature": 0.5, "top_k": 3}  # fields that newer clients have no argument for
    system: list[Any] = [
        {"type": "text", "text": "Be short.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "Be right."},
    ]
    async with client(gateway, session) as api:
        answer = await send(
            api, streamed, system=system, messages=[user("Which?")], stop_sequences=["x"], extra_body=older
        )
    assert [(b.type, b.text) for b in answer.content if b.type == "text"] == [("text", "Paris")]
    assert len(answer.content) == 1  # reasoning is not given to those who did not ask
    assert (answer.stop_reason, answer.model, answer.role) == ("end_turn", provider.name, "assistant")
    used = answer.usage
    assert (used.input_tokens, used.cache_read_input_tokens, used.output_tokens) == (10, 30, 7)
    request = asked(provider)
    assert request.messages == (
        Message(role="system", content="Be short.\nBe right."),
        Message(role="user", content="Which?"),
    )
    sampling = request.sampling
    assert (sampling.temperature, sampling.max_tokens, sampling.top_k, sampling.stop) == (0.5, 50, 3, ("x",))
    assert sampling.extra == {}
    assert [c.wire for c in session.meter.calls] == ["messages"]


@pytest.mark.parametrize("streamed", [False, True])
async def test_tool_use_passes_both_ways(gateway: Gateway, streamed: bool) -> None:
    broken = ToolCall(id="c2", name="add", raw='{"a": ')
    provider = scripted(
        Output(text="let me see", reasoning="add", tool_calls=(CALL, broken), finish_reason="stop", usage=USED),
        Output(text="2", usage=USED),
    )
    more: dict[str, Any] = {
        "tools": [TOOL],
        "tool_choice": {"type": "any"},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    messages = [user([{"type": "text", "text": "1"}, {"type": "text", "text": "+1"}])]
    async with client(gateway, gateway.open(provider)) as api:
        answer = await send(api, streamed, messages=messages, **more)
        assert [b.type for b in answer.content] == ["thinking", "text", "tool_use", "tool_use"]
        assert answer.stop_reason == "tool_use"
        first, second = (b for b in answer.content if b.type == "tool_use")
        assert (first.id, first.name, first.input) == ("c1", "add", {"a": 1})
        assert second.input == {"INVALID_JSON": '{"a": '}
        messages.append({"role": "assistant", "content": [b.model_dump() for b in answer.content]})
        results: list[Any] = [
            {"type": "text", "text": "go on"},
            {"type": "tool_result", "tool_use_id": "c1", "content": "2"},
            {"type": "tool_result", "tool_use_id": "c2", "is_error": True,
             "content": [{"type": "text", "text": "no"}, {"type": "text", "text": "JSON"}]},
        ]  # fmt: skip
        messages.append(user(results))
        answer = await send(api, streamed, messages=messages, **more)
    assert [b.text for b in answer.content if b.type == "text"] == ["2"]
    request = asked(provider)
    assert request.tools == (ToolSpec(name="add", description="adds", parameters={"type": "object"}),)
    assert request.tool_choice == "required"
    assert request.messages == (
        Message(role="user", content="1\n+1"),
        Message(role="assistant", content="let me see", reasoning="add", tool_calls=(CALL, broken)),
        Message(role="tool", content="2", tool_call_id="c1"),
        Message(role="tool", content="no\nJSON", tool_call_id="c2"),
        Message(role="user", content="go on"),
    )


async def test_images_reach_the_model(gateway: Gateway) -> None:
    provider = scripted("a cat")
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    content = [
        {"type": "image", "source": source},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/x.png"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "read me"}},
    ]
    async with client(gateway, gateway.open(provider)) as api:
        await send(api, False, messages=[user(content)])
    assert asked(provider).messages[0].content == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}},
        {"type": "text", "text": "read me"},
    ]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "nobody", "content": "?"}]}, "messages[0]: role"),
        (
            {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
            "'web_search_20250305' has no input_schema",
        ),
        ({"messages": [user([{"type": "document", "source": {"type": "url", "url": "x"}}])]}, "'document from url'"),
        ({"extra_body": {"temperature": "hot"}}, "temperature"),
    ],
)
async def test_what_cannot_be_honoured_in_messages_is_refused(
    gateway: Gateway, more: dict[str, Any], says: str
) -> None:
    session = gateway.open(scripted("x"))
    async with client(gateway, session) as api:
        with pytest.raises(anthropic.BadRequestError) as raised:
            await send(api, False, **{"messages": [user("?")], **more})
    assert says in str(raised.value)
    assert session.meter.started == 0


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_spent_budget_is_an_error_that_the_client_does_not_retry(gateway: Gateway, streamed: bool) -> None:
    session = gateway.open(scripted("x"), budget=GatewayBudget(calls=1))
    async with client(gateway, session, max_retries=5) as api:
        await send(api, False, messages=[user("?")])
        with pytest.raises(anthropic.RateLimitError, match="the budget of 1 calls is spent"):
            await send(api, streamed, messages=[user("?")])
    assert session.meter.refused == 1


async def test_a_failure_in_a_stream_that_has_begun_is_raised_by_the_client(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weigh.execute.gateway.server.PATIENCE", 0.01)
    monkeypatch.setattr("weigh.execute.gateway.server.KEEP_ALIVE", 0.01)
    session = gateway.open(Late(["x"], ScriptedOptions(latency=0.1)), retry=ONCE)
    async with client(gateway, session) as api:
        with pytest.raises(anthropic.APIStatusError, match="broke late"):
            await send(api, True, messages=[user("?")])


async def test_tokens_are_counted_by_a_provider_that_can_and_guessed_by_none(gateway: Gateway) -> None:
    class Counting(Late):
        async def count_tokens(self, request: Any) -> int:
            return 12

    async with client(gateway, gateway.open(Counting(["x"]))) as api:
        assert (await api.messages.count_tokens(model="any", messages=[user("?")])).input_tokens == 12
    async with client(gateway, gateway.open(Late(["x"]))) as api:
        with pytest.raises(anthropic.NotFoundError, match="nothing is guessed"):
            await api.messages.count_tokens(model="any", messages=[user("?")])


async def test_a_stranger_and_the_models(gateway: Gateway) -> None:
    session = gateway.open(scripted("x"))
    async with client(gateway, session) as api:
        assert [m.id async for m in api.models.list()] == [session.model]
    async with anthropic.AsyncAnthropic(base_url=gateway.root, api_key="guessed") as stranger:
        with pytest.raises(anthropic.AuthenticationError, match="unknown token"):
            await send(stranger, False, messages=[user("?")])
