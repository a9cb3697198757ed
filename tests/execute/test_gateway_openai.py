"""OpenAI's own client against the gateway: chats and Responses, streamed and not, with tools, failures and budgets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from weigh.execute.gateway.server import Gateway
from weigh.execute.gateway.session import GatewayBudget, Session
from weigh.execute.providers.scripted import ScriptedOptions, ScriptedProvider
from weigh.execute.retry import ONCE
from weigh.protocols import Provider
from weigh.records.errors import Error, Failure
from weigh.records.request import ChatRequest, Message, Output, Request, ToolCall, ToolSpec
from weigh.records.usage import Usage

USED = Usage(new=10, cached=30, generated=7, reasoning=2, calls=1)
CALL = ToolCall(id="c1", name="add", arguments={"a": 1})
TOOL: dict[str, Any] = {
    "type": "function", "name": "add", "description": "adds", "parameters": {"type": "object"}, "strict": None,
}  # fmt: skip


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with Gateway() as opened:
        yield opened


def client(gateway: Gateway, session: Session, **more: Any) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=gateway.url, api_key=session.token, **more)


def scripted(*outputs: Output | str) -> ScriptedProvider:
    return ScriptedProvider(list(outputs), keep_requests=True)


def asked(provider: ScriptedProvider) -> ChatRequest:
    assert provider.requests
    request = provider.requests[-1]
    assert isinstance(request, ChatRequest)
    return request


async def test_a_response_is_one_chat(gateway: Gateway) -> None:
    provider = scripted(Output(text="Paris", reasoning="hm", finish_reason="stop", usage=USED))
    session = gateway.open(provider)
    async with client(gateway, session) as api:
        answer = await api.responses.create(
            model="any", instructions="Be short.", input="Which?", temperature=0.5, max_output_tokens=9, top_p=0.9
        )
    assert (answer.output_text, answer.status, answer.model) == ("Paris", "completed", provider.name)
    assert [item.type for item in answer.output] == ["reasoning", "message"]
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (40, 7, 47)
    assert answer.usage.input_tokens_details.cached_tokens == 30
    assert answer.usage.output_tokens_details.reasoning_tokens == 2
    request = asked(provider)
    assert request.messages == (
        Message(role="system", content="Be short."),
        Message(role="user", content="Which?"),
    )
    sampling = request.sampling
    assert (sampling.temperature, sampling.max_tokens, sampling.top_p, sampling.extra) == (0.5, 9, 0.9, {})
    assert [c.wire for c in session.meter.calls] == ["responses"]


@pytest.mark.parametrize("streamed", [False, True])
async def test_function_calls_of_responses_pass_both_ways(gateway: Gateway, streamed: bool) -> None:
    provider = scripted(
        Output(text="let me see", reasoning="add them", tool_calls=(CALL,), usage=USED), Output(text="2", usage=USED)
    )
    items: list[Any] = [{"role": "user", "content": [{"type": "input_text", "text": "1+1"}]}]
    more: dict[str, Any] = {"model": "any", "tools": [TOOL], "tool_choice": {"type": "function", "name": "add"}}
    async with client(gateway, gateway.open(provider)) as api:

        async def ask() -> Any:
            if not streamed:
                return await api.responses.create(input=items, **more)
            async with api.responses.stream(input=items, **more) as stream:
                return await stream.get_final_response()

        answer = await ask()
        assert [item.type for item in answer.output] == ["reasoning", "message", "function_call"]
        call = answer.output[-1]
        assert (call.call_id, call.name, json.loads(call.arguments)) == ("c1", "add", {"a": 1})
        items += [item.model_dump(exclude_none=True) for item in answer.output]
        items.append({"type": "function_call_output", "call_id": call.call_id, "output": "2"})
        assert (await ask()).output_text == "2"
    request = asked(provider)
    assert request.tools == (ToolSpec(name="add", description="adds", parameters={"type": "object"}),)
    assert request.tool_choice == "add"
    assert request.messages[1:] == (
        Message(role="assistant", content="let me see", reasoning="add them", tool_calls=(CALL,)),
        Message(role="tool", content="2", tool_call_id="c1"),
    )


async def test_a_streamed_response_builds_up_what_the_whole_one_says(gateway: Gateway) -> None:
    session = gateway.open(scripted(Output(text="a b", finish_reason="length", usage=USED)))
    async with client(gateway, session) as api:
        events = [e async for e in await api.responses.create(model="any", input="?", stream=True)]
    assert [e.type for e in events] == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
        "response.output_text.delta", "response.output_text.done", "response.content_part.done",
        "response.output_item.done", "response.incomplete",
    ]  # fmt: skip
    assert [e.sequence_number for e in events] == list(range(9))
    last: Any = events[-1]
    assert last.response.incomplete_details.reason == "max_output_tokens"
    assert (last.response.output_text, last.response.usage.total_tokens) == ("a b", 47)


async def test_images_and_schemas_reach_the_model(gateway: Gateway) -> None:
    provider = scripted('{"a": 1}')
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}}
    picture = "data:image/png;base64,AAAA"
    content: list[Any] = [
        {"type": "input_text", "text": "what is it"},
        {"type": "input_image", "image_url": picture, "detail": "low"},
    ]
    async with client(gateway, gateway.open(provider)) as api:
        await api.responses.create(
            model="any",
            input=[{"role": "developer", "content": "Look."}, {"role": "user", "content": content}],
            text={"format": {"type": "json_schema", "name": "x", "schema": schema}},
            reasoning={"effort": "low"},
        )
    request = asked(provider)
    assert request.response_schema == schema
    assert request.sampling.extra == {"reasoning_effort": "low"}
    assert request.messages[0] == Message(role="system", content="Look.")
    assert request.messages[1].content == [
        {"type": "text", "text": "what is it"},
        {"type": "image_url", "image_url": {"url": picture, "detail": "low"}},
    ]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"previous_response_id": "resp_1"}, "nothing is stored here; send the whole conversation"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "'item_reference' cannot be read"),
        ({"tools": [{"type": "web_search"}]}, "'web_search' is run by OpenAI's servers"),
        ({"input": []}, "at least one item"),
        ({"background": True}, "background"),
        ({"tool_choice": {"type": "mcp", "server_label": "x"}}, "tool_choice"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
            "input[0]: a part of type",
        ),
        ({"instructions": "x", "input": [{"role": "nobody", "content": ""}]}, "input[0]"),
    ],
)
async def test_what_cannot_be_honoured_in_responses_is_refused(
    gateway: Gateway, more: dict[str, Any], says: str
) -> None:
    session = gateway.open(scripted("x"))
    async with client(gateway, session) as api:
        with pytest.raises(openai.BadRequestError, match=None) as raised:
            await api.responses.create(**{"model": "any", "input": "?", **more})
    assert says in str(raised.value)
    assert session.meter.started == 0


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_spent_budget_is_an_error_of_the_clients_that_it_does_not_retry(
    gateway: Gateway, streamed: bool
) -> None:
    session = gateway.open(scripted("x"), budget=GatewayBudget(calls=1))
    async with client(gateway, session, max_retries=5) as api:
        await api.responses.create(model="any", input="?")
        with pytest.raises(openai.RateLimitError) as raised:
            await api.responses.create(model="any", input="?", stream=streamed)
    assert raised.value.code == "limit:calls"
    assert session.meter.refused == 1


class Late(ScriptedProvider):
    """Fails when the stream has already begun."""

    async def respond(self, request: Request) -> Output:
        await super().respond(request)
        raise Failure(Error(kind="provider", code="http_500", message="broke late"))


@pytest.mark.parametrize("protocol", ["chat", "responses"])
async def test_a_failure_in_a_stream_that_has_begun_is_raised_by_the_client(
    gateway: Gateway, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weigh.execute.gateway.server.PATIENCE", 0.01)
    monkeypatch.setattr("weigh.execute.gateway.server.KEEP_ALIVE", 0.01)
    session = gateway.open(Late(["x"], ScriptedOptions(latency=0.1)), retry=ONCE)
    async with client(gateway, session) as api:
        stream: Any
        if protocol == "chat":
            stream = await api.chat.completions.create(
                model="any", messages=[{"role": "user", "content": "?"}], stream=True
            )
        else:
            stream = await api.responses.create(model="any", input="?", stream=True)
        with pytest.raises(openai.APIError, match="broke late"):
            [event async for event in stream]


@pytest.mark.parametrize("streamed", [False, True])
async def test_chats_through_the_client(gateway: Gateway, streamed: bool) -> None:
    provider: Provider = scripted(Output(text="see", tool_calls=(CALL,), finish_reason="tool_calls", usage=USED))
    tools: list[Any] = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
    messages: list[Any] = [{"role": "user", "content": "1+1"}]
    async with client(gateway, gateway.open(provider)) as api:
        if streamed:
            async with api.chat.completions.stream(model="any", messages=messages, tools=tools) as stream:
                answer = await stream.get_final_completion()
        else:
            answer = await api.chat.completions.create(model="any", messages=messages, tools=tools)  # type: ignore[assignment]
    choice = answer.choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", "see")
    assert choice.message.tool_calls is not None
    assert json.loads(choice.message.tool_calls[0].function.arguments) == {"a": 1}


async def test_completions_and_models_through_the_client(gateway: Gateway) -> None:
    session = gateway.open(scripted("Paris"))
    async with client(gateway, session) as api:
        assert [m.id async for m in api.models.list()] == [session.model]
        assert (await api.models.retrieve(session.model)).id == session.model
        answer = await api.completions.create(model="any", prompt="The capital is")
        assert answer.choices[0].text == "Paris"
        with pytest.raises(openai.NotFoundError, match="there is no POST /v1/embeddings"):
            await api.embeddings.create(model="any", input="x")
    async with openai.AsyncOpenAI(base_url=gateway.url, api_key="guessed") as stranger:
        with pytest.raises(openai.AuthenticationError, match="unknown token"):
            await stranger.responses.create(model="any", input="?")
