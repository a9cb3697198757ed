"""The OpenAI wire format, both ways, and log-probabilities where a server can give them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from aiohttp import web

from tests.execute import helpers
from tests.execute.helpers import BadServer, chat, first, run_all, serving
from weigh.execute.prices import Price, parse_price, price_list, price_of
from weigh.execute.providers import openai
from weigh.execute.providers.echo import scored_continuation
from weigh.execute.providers.openai import OpenAIOptions, OpenAIProvider
from weigh.execute.providers.registry import require_capabilities
from weigh.execute.providers.transport import classify, retry_after
from weigh.records.errors import CapabilityError, DefinitionError, Failure
from weigh.records.request import (
    ChatRequest,
    CompletionRequest,
    LoglikelihoodRequest,
    Message,
    SamplingParams,
    ToolCall,
    ToolSpec,
)
from weigh.records.usage import Usage


def answering(payload: dict[str, Any]) -> helpers.Answer:
    return helpers.body_text(msgspec.json.encode(payload).decode())


async def ask(payload: dict[str, Any], request: Any, **options: Any) -> tuple[Any, dict[str, Any]]:
    async with serving(first(then=answering(payload))) as server:
        async with OpenAIProvider("m", OpenAIOptions(base_url=server.url, **options), key="k") as model:
            output = await model.respond(request)
        return output, server.bodies[0]


async def test_a_chat_with_everything() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    broken = {"id": "c2", "type": "function", "function": {"name": "add", "arguments": '{"a": '}}
    message = {"content": None, "reasoning_content": "hm", "tool_calls": [call, broken]}
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 60},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }
    payload = {"model": "m-1", "choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": usage}
    request = ChatRequest(
        messages=(
            Message(role="system", content="s"),
            Message(role="user", content="u"),
            Message(role="assistant", content="", tool_calls=(ToolCall(id="c0", name="add", arguments={"a": 2}),)),
            Message(role="tool", content="2", tool_call_id="c0", name="add"),
        ),
        tools=(ToolSpec(name="add", description="adds", parameters={"type": "object"}),),
        tool_choice="required",
        response_schema={"type": "object"},
        sampling=SamplingParams(max_tokens=5, temperature=0.5, stop=("\n",), seed=3, top_p=0.9, extra={"min_p": 0.1}),
    )
    output, body = await ask(payload, request)
    assert output.text == "" and output.reasoning == "hm" and output.finish_reason == "tool_calls"
    assert output.tool_calls[0] == ToolCall(id="c1", name="add", arguments={"a": 1})
    assert output.tool_calls[1].raw == '{"a": ' and output.tool_calls[1].arguments == {}
    assert output.usage == Usage(new=40, cached=60, generated=9, reasoning=4, calls=1)
    assert output.model == "m-1" and not output.is_empty
    assert body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "u"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "c0", "type": "function", "function": {"name": "add", "arguments": '{"a":2}'}}],
            },
            {"role": "tool", "content": "2", "tool_call_id": "c0"},
        ],
        "max_tokens": 5,
        "temperature": 0.5,
        "stop": ["\n"],
        "top_p": 0.9,
        "seed": 3,
        "min_p": 0.1,
        "tools": [
            {"type": "function", "function": {"name": "add", "description": "adds", "parameters": {"type": "object"}}}
        ],
        "tool_choice": "required",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
        },
    }


async def test_a_completion_and_fields_left_out_or_added() -> None:
    payload = {"choices": [{"text": " Paris", "finish_reason": "length"}]}
    output, body = await ask(
        payload, CompletionRequest(prompt="The capital"), omit=["temperature"], extra_body={"top_k": 3}
    )
    assert output.text == " Paris" and output.finish_reason == "length" and output.usage == Usage(calls=1)
    assert body == {"model": "m", "prompt": "The capital", "max_tokens": 512, "top_k": 3}


async def test_token_logprobs_are_handed_on() -> None:
    content = [{"token": "a", "logprob": -0.1}]
    payload = {"choices": [{"message": {"content": "a"}, "logprobs": {"content": content}}]}
    output, body = await ask(payload, chat("q", logprobs=2))
    assert output.logprobs == content and body["logprobs"] is True and body["top_logprobs"] == 2


async def test_the_key_goes_into_the_header_and_nowhere_else() -> None:
    async with serving() as server, OpenAIProvider("m", OpenAIOptions(base_url=server.url), key="sk-x") as model:
        await model.respond(chat("q"))
        assert server.headers[0]["Authorization"] == "Bearer sk-x"
        assert "sk-x" not in str(await model.identity())


def test_making_one_from_options_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(CapabilityError, match="OPENAI_API_KEY"):
        openai.create("gpt-4o", {}, concurrency=None)
    with pytest.raises(DefinitionError, match="base_url"):
        openai.create("gpt-4o", {"bse_url": "x"}, concurrency=None)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1/")
    assert openai.create("m", {}, concurrency=None).transport.base_url == "http://127.0.0.1:9/v1"
    monkeypatch.setenv("MY_KEY", "k")
    made = openai.create("m", {"base_url": "http://localhost:1/v1", "api_key_env": "MY_KEY"}, concurrency=None)
    assert made.transport._headers["Authorization"] == "Bearer k"


def echoing(server_has_bos: bool = True) -> helpers.Answer:
    """A server like vLLM: one token per word, whose log-probability is minus the length of its text."""

    async def answer(server: BadServer, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if not body.get("echo"):
            return web.json_response({"choices": [{"text": "x"}]})
        words = body["prompt"].split(" ")
        tokens = [words[0], *(" " + w for w in words[1:])]
        values: list[float | None] = [None, *(-float(len(t)) for t in tokens[1:])]
        if server_has_bos:
            tokens, values = ["<s>", *tokens], [None, -1.0, *values[1:]]
        logprobs = {"tokens": [*tokens, " next"], "token_logprobs": [*values, -0.5]}
        usage = {"prompt_tokens": len(tokens), "completion_tokens": 1}
        return web.json_response({"choices": [{"text": "", "logprobs": logprobs}], "usage": usage})

    return answer


@pytest.mark.parametrize("bos", [True, False])
async def test_loglikelihoods_from_an_echo(bos: bool) -> None:
    request = LoglikelihoodRequest(
        context="The sky is", continuations=(" blue", " very green"), unconditional_context="Answer:"
    )
    async with serving(echoing(bos)) as server, OpenAIProvider("m", OpenAIOptions(base_url=server.url)) as model:
        assert "loglikelihood" not in model.capabilities
        await require_capabilities(model, {"loglikelihood"}, "sciq:rc")
        assert "loglikelihood" in model.capabilities
        trials, _ = await run_all(model, 1, request=request)
    assert trials[0].trajectory is not None
    blue, green = trials[0].trajectory.output.continuations
    assert (blue.logprob, blue.num_tokens) == (-5.0, 1) and (green.logprob, green.num_tokens) == (-11.0, 2)
    assert blue.unconditional_logprob == -5.0
    assert trials[0].usage.calls == 4


async def test_a_server_without_prompt_logprobs_is_refused_before_the_first_request() -> None:
    missing = helpers.status(404, "no such route")
    async with serving(missing) as server, OpenAIProvider("m", OpenAIOptions(base_url=server.url)) as model:
        with pytest.raises(CapabilityError, match=r"sciq:rc needs loglikelihood.*openai/m.*HTTP 404"):
            await require_capabilities(model, {"loglikelihood"}, "sciq:rc")
    generated_only = {"choices": [{"text": "x", "logprobs": {"tokens": ["x"], "token_logprobs": [-1.0]}}]}
    answer = answering(generated_only)
    async with serving(answer) as server, OpenAIProvider("m", OpenAIOptions(base_url=server.url)) as model:
        with pytest.raises(CapabilityError, match="no log-probabilities of a prompt"):
            await require_capabilities(model, {"loglikelihood"}, "sciq:rc")


def test_a_straddling_token_belongs_to_the_continuation() -> None:
    logprobs = {"tokens": ["A", " B", "C"], "token_logprobs": [None, -2.0, -9.0]}
    assert scored_continuation(logprobs, "B", 2) == (-2.0, 1)
    for bad in (None, {"tokens": ["A"]}, {"tokens": ["A", "x", "C"], "token_logprobs": [None, -1.0, -1.0]}):
        with pytest.raises(Failure):
            scored_continuation(bad, "B", 2)
    with pytest.raises(Failure):
        scored_continuation({"tokens": ["A", "B", "C"], "token_logprobs": [None, None, -1.0]}, "B", 2)


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "transient"),
    [
        (400, "This model's maximum context length is 8192 tokens", "limit", "context_length", False),
        (400, "the request exceeds the available context size", "limit", "context_length", False),
        (400, '{"error":{"message":"prompt is too long: 9 > 8"}}', "limit", "context_length", False),
        (400, '{"error":{"message":"bad temperature"}}', "provider", "http_400", False),
        (429, "slow down", "provider", "http_429", True),
        (429, '{"error":{"type":"insufficient_quota"}}', "limit", "quota", False),
        (401, "", "provider", "http_401", False),
        (503, "", "provider", "http_503", True),
        (529, "overloaded", "provider", "http_529", True),
    ],
)
def test_what_an_http_error_means(status: int, body: str, kind: str, code: str, transient: bool) -> None:
    error = classify(status, {}, body.encode())
    assert (error.kind, error.code, error.transient) == (kind, code, transient)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after-ms": "250", "Retry-After": "9"}, 0.25),
        ({"x-ratelimit-reset-requests": "1m2.5s", "x-ratelimit-remaining-requests": "0"}, 62.5),
        ({"x-ratelimit-reset-requests": "20ms", "x-ratelimit-reset-tokens": "6s"}, 6.0),
        ({"x-ratelimit-reset-requests": "9s", "x-ratelimit-remaining-requests": "3"}, None),
        ({"Retry-After": "soon"}, None),
    ],
)
def test_how_long_a_server_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_prices_are_dated_and_unknown_ones_are_none() -> None:
    assert price_list().date == "2025-11-01"
    listed = price_of("api.openai.com", "gpt-4o-mini")
    assert listed is not None and listed.of(1_000_000, 0, 1_000_000) == pytest.approx(0.75)
    assert price_of("127.0.0.1", "gpt-4o-mini") is None and price_of("api.openai.com", "gpt-x") is None
    assert listed.of(None, 1, 1) is None
    assert parse_price("1/2") == Price(input=1, cached=1, output=2)
    with pytest.raises(DefinitionError, match="INPUT/OUTPUT"):
        parse_price("cheap")


async def test_cost_is_known_only_with_a_price() -> None:
    for options, cost in (({}, None), ({"price": "1/2"}, pytest.approx((7 * 1 + 2 * 2) / 1e6))):
        async with serving() as server, OpenAIProvider("m", OpenAIOptions(base_url=server.url, **options)) as model:
            assert (await model.respond(chat("q"))).usage.cost == cost
