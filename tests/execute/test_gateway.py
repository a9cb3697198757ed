"""The gateway: OpenAI's routes in front of the scripted provider, tokens, metering, budgets, streams."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.execute.helpers import free_port
from weigh.execute.gateway import relay
from weigh.execute.gateway.server import Gateway
from weigh.execute.gateway.session import GatewayBudget, Session
from weigh.execute.providers.scripted import ScriptedOptions, ScriptedProvider
from weigh.execute.retry import RetryPolicy
from weigh.records.request import ChatRequest, Output, Request, ToolCall
from weigh.records.usage import Usage

FAST = RetryPolicy(retries=2, base=0.001)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with Gateway() as opened:
        yield opened


async def post(gateway: Gateway, token: str, body: dict[str, Any], route: str = "/v1/chat/completions") -> Any:
    """Status and body of one request."""
    url = f"http://127.0.0.1:{gateway.port}{route}"
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as client, client.post(url, json=body, headers=headers) as answer:
        return answer.status, await answer.json()


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "any", "messages": [{"role": "user", "content": text}], **more}


def echo() -> ScriptedProvider:
    return ScriptedProvider(lambda request: request.messages[-1].content, keep_requests=True)  # type: ignore[union-attr,return-value]


async def test_chat_goes_through_and_is_metered(gateway: Gateway) -> None:
    provider = echo()
    session = gateway.open(provider, record=True)
    status, body = await post(
        gateway, session.token, chat("two words", temperature=0.5, max_tokens=9, stop="x", min_p=0.1)
    )
    assert status == 200
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "two words"}
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"] == {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4}
    assert session.meter.usage == Usage(new=2, generated=2, calls=1)
    request = provider.requests[0]  # type: ignore[index]
    assert isinstance(request, ChatRequest)
    sampling = request.sampling
    assert (sampling.temperature, sampling.max_tokens, sampling.stop) == (0.5, 9, ("x",))
    assert sampling.extra == {"min_p": 0.1}
    assert session.calls is not None
    assert session.calls[0].output == Output(
        text="two words", finish_reason="stop", usage=Usage(new=2, generated=2, calls=1), model=provider.name
    )


@pytest.mark.parametrize("token", ["", "weigh-wrong", "ключ"])
async def test_an_unknown_token_is_refused_everywhere(gateway: Gateway, token: str) -> None:
    provider = echo()
    gateway.open(provider)
    headers = {"Authorization": f"Bearer {token}".encode().decode("latin-1")}
    async with aiohttp.ClientSession(headers=headers) as client:
        async with client.get(f"{gateway.url}/models") as answer:
            assert answer.status == 401
        for route in ("/v1/chat/completions", "/v1/completions", "/weigh/loglikelihood"):
            async with client.post(f"http://127.0.0.1:{gateway.port}{route}", json=chat("x")) as answer:
                assert answer.status == 401
    assert provider.calls == 0


async def test_a_token_reaches_its_own_provider_and_dies_with_its_session(gateway: Gateway) -> None:
    one = gateway.open(ScriptedProvider(["1"], name="scripted/one"))
    two = gateway.open(ScriptedProvider(["2"], name="scripted/two"))
    for session, text in ((one, "1"), (two, "2")):
        _, body = await post(gateway, session.token, chat("?"))
        assert (body["choices"][0]["message"]["content"], body["model"]) == (text, session.model)
    gateway.close(one)
    assert (await post(gateway, one.token, chat("?")))[0] == 401


async def test_an_address_takes_no_token_but_its_own(gateway: Gateway) -> None:
    first, second = ScriptedProvider(["1"]), ScriptedProvider(["2"])
    one, two = gateway.open(first), gateway.open(second)
    assert one.path != two.path and gateway.url_of(one) == f"{gateway.root}{one.path}/v1"
    routes = {
        "/v1/chat/completions": chat("?"),
        "/v1/completions": {"prompt": "?"},
        "/v1/responses": {"input": "?"},
        "/v1/messages": chat("?", max_tokens=5),
        "/weigh/loglikelihood": {"context": "?", "continuations": ["a"]},
    }
    for route, body in routes.items():
        for path in (two.path, "/t/nobody", f"/t/{one.token}"):
            status, said = await post(gateway, one.token, body, path + route)
            assert status == 401 and "unknown token at this address" in said["error"]["message"], (path, route)
    assert (first.calls, second.calls) == (0, 0)
    for route, body in routes.items():
        assert (await post(gateway, one.token, body, one.path + route))[0] == 200, route
    assert (first.calls, second.calls) == (len(routes), 0)
    async with aiohttp.ClientSession(headers={"x-api-key": two.token}) as client:
        for path, status in ((one.path, 401), (two.path, 200), ("", 200)):
            async with client.get(f"{gateway.root}{path}/v1/models") as answer:
                assert answer.status == status
    status, said = await post(gateway, one.token, {}, one.path + "/v1/chat/completion")
    assert status == 404 and "did you mean '/v1/chat/completions'" in said["error"]["message"]
    gateway.close(one)
    assert (await post(gateway, one.token, chat("?"), one.path + "/v1/chat/completions"))[0] == 401


async def test_tools_and_their_results_pass_both_ways(gateway: Gateway) -> None:
    call = ToolCall(id="c1", name="add", arguments={"a": 1})
    provider = ScriptedProvider(
        [Output(tool_calls=(call,), usage=Usage(new=1, generated=1, calls=1))], keep_requests=True
    )
    session = gateway.open(provider)
    tools = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
    messages = [
        {"role": "user", "content": "1+1"},
        {"role": "assistant", "content": None,
         "tool_calls": [{"id": "c0", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}]},
        {"role": "tool", "tool_call_id": "c0", "content": "2"},
    ]  # fmt: skip
    body = {"messages": messages, "tools": tools, "tool_choice": "required"}
    _, answer = await post(gateway, session.token, body)
    message = answer["choices"][0]["message"]
    assert message["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
    ]
    assert (message["content"], answer["choices"][0]["finish_reason"]) == (None, "tool_calls")
    request = provider.requests[0]  # type: ignore[index]
    assert isinstance(request, ChatRequest)
    assert (request.tools[0].name, request.tool_choice) == ("add", "required")
    assert request.messages[1].tool_calls == (ToolCall(id="c0", name="add", arguments={"a": 1}),)
    assert (request.messages[2].role, request.messages[2].tool_call_id) == ("tool", "c0")


async def test_a_stream_says_the_same_in_events(gateway: Gateway) -> None:
    session = gateway.open(echo())
    body = chat("hello there", stream=True, stream_options={"include_usage": True})
    headers = {"Authorization": f"Bearer {session.token}"}
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{gateway.url}/chat/completions", json=body, headers=headers) as answer,
    ):
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        lines = [line[6:] for line in (await answer.text()).split("\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    chunks = [json.loads(line) for line in lines[:-1]]
    said = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"])
    assert said == "hello there"
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["total_tokens"] == 4


async def test_completions_answer_several_prompts_and_refuse_echo(gateway: Gateway) -> None:
    session = gateway.open(ScriptedProvider({"a": "A", "b": "B"}))
    _, body = await post(gateway, session.token, {"prompt": ["a", "b"]}, "/v1/completions")
    assert [(c["index"], c["text"]) for c in body["choices"]] == [(0, "A"), (1, "B")]
    status, body = await post(gateway, session.token, {"prompt": "a", "echo": True, "logprobs": 1}, "/v1/completions")
    assert status == 400 and "/weigh/loglikelihood" in body["error"]["message"]
    status, body = await post(gateway, session.token, {"prompt": [1, 2]}, "/v1/completions")
    assert status == 400 and "token ids" in body["error"]["message"]


async def test_loglikelihoods_have_a_route_of_their_own(gateway: Gateway) -> None:
    session = gateway.open(ScriptedProvider(["x"]))
    asked = {"context": "2+2=", "continuations": [" 4", " 5"]}
    status, body = await post(gateway, session.token, asked, "/weigh/loglikelihood")
    assert status == 200
    assert [c["num_tokens"] for c in body["continuations"]] == [1, 1]
    assert all(c["logprob"] < 0 for c in body["continuations"])
    only_chat = ScriptedProvider(["x"], ScriptedOptions(capabilities=frozenset({"chat"})))
    status, body = await post(gateway, gateway.open(only_chat).token, asked, "/weigh/loglikelihood")
    assert status == 400 and "cannot do loglikelihood (it does chat)" in body["error"]["message"]


@pytest.mark.parametrize(
    ("budget", "which", "answered"),
    [
        (GatewayBudget(calls=2), "limit:calls", 2),
        (GatewayBudget(tokens=5), "limit:tokens", 2),
        (GatewayBudget(seconds=1e-9), "limit:seconds", 0),
        (GatewayBudget(dollars=1.0), "limit:dollars", 1),
    ],
)
async def test_a_spent_budget_refuses_and_says_so(
    gateway: Gateway, budget: GatewayBudget, which: str, answered: int
) -> None:
    provider = echo()
    session = gateway.open(provider, budget=budget)
    replies = [await post(gateway, session.token, chat("two words")) for _ in range(4)]
    assert [status for status, _ in replies] == [200] * answered + [429] * (4 - answered)
    assert replies[-1][1]["error"]["code"] == which
    assert "budget" in replies[-1][1]["error"]["message"]
    assert (session.spent, provider.calls, session.meter.refused) == (which, answered, 4 - answered)


async def test_calls_in_flight_do_not_slip_past_a_budget_of_calls(gateway: Gateway) -> None:
    provider = ScriptedProvider(["x"], ScriptedOptions(latency=0.05))
    session = gateway.open(provider, budget=GatewayBudget(calls=3))
    replies = await asyncio.gather(*(post(gateway, session.token, chat("?")) for _ in range(8)))
    assert sorted(status for status, _ in replies) == [200] * 3 + [429] * 5
    assert provider.calls == 3


async def test_failures_that_can_pass_are_tried_again_behind_the_program(gateway: Gateway) -> None:
    provider = ScriptedProvider(["x"], ScriptedOptions(fail_every=2))
    session = gateway.open(provider, retry=FAST)
    assert [(await post(gateway, session.token, chat("?")))[0] for _ in range(3)] == [200] * 3
    assert (session.meter.retries, session.meter.errors) == (2, 0)


async def test_failures_that_cannot_pass_reach_the_program_and_the_meter(gateway: Gateway) -> None:
    session = gateway.open(ScriptedProvider(["x"], ScriptedOptions(refuse_every=1)), retry=FAST, record=True)
    status, body = await post(gateway, session.token, chat("?"))
    assert (status, body["error"]["code"]) == (400, "http_400")
    assert session.meter.errors == 1
    assert session.calls is not None and session.calls[0].error is not None
    status, body = await post(gateway, session.token, chat("?", stream=True))
    assert (status, body["error"]["code"]) == (400, "http_400")


@pytest.mark.parametrize(
    "body", [{}, {"messages": []}, {"messages": [{"role": "nobody"}]}, chat("?", n=3), chat("?", temperature="hot")]
)
async def test_a_body_that_cannot_be_honoured_is_a_400(gateway: Gateway, body: dict[str, Any]) -> None:
    session = gateway.open(echo())
    status, answer = await post(gateway, session.token, body)
    assert (status, answer["error"]["code"]) == (400, "bad_request")
    assert session.meter.started == 0


async def test_a_client_that_leaves_frees_the_model(gateway: Gateway) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    class Slow(ScriptedProvider):
        async def respond(self, request: Request) -> Output:
            begun.set()
            try:
                await asyncio.sleep(600)
            finally:
                ended.set()
            return Output()

    session = gateway.open(Slow(["x"]))
    for stream in (False, True):
        begun.clear()
        ended.clear()
        client = asyncio.create_task(post(gateway, session.token, chat("?", stream=stream)))
        await asyncio.wait_for(begun.wait(), 60)
        client.cancel()
        await asyncio.wait_for(ended.wait(), 60)
        with contextlib.suppress(asyncio.CancelledError):
            await client


async def test_the_socket_serves_the_same_through_the_relay(gateway: Gateway, tmp_path: Path) -> None:
    session = gateway.open(echo())
    program = tmp_path / "program.py"
    program.write_text(
        "import json, sys, urllib.request\n"
        "body = json.dumps({'messages': [{'role': 'user', 'content': 'through'}]}).encode()\n"
        "head = {'Authorization': 'Bearer ' + sys.argv[2], 'Content-Type': 'application/json'}\n"
        "url = f'http://127.0.0.1:{sys.argv[1]}/v1/chat/completions'\n"
        "answer = json.load(urllib.request.urlopen(urllib.request.Request(url, body, head)))\n"
        "print(answer['choices'][0]['message']['content'])\n"
        "sys.exit(7)\n"
    )
    port = str(free_port())
    process = await asyncio.create_subprocess_exec(
        sys.executable, relay.__file__, port, gateway.socket, sys.executable, str(program), port, session.token,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert (out.decode().strip(), process.returncode) == ("through", 7)


async def test_a_long_path_of_temporary_files_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    async with Gateway() as gateway:
        gateway.open(echo())
        connector = aiohttp.UnixConnector(gateway.socket)
        async with aiohttp.ClientSession(connector=connector) as client, client.get("http://weigh/v1/models") as answer:
            assert answer.status == 401
        folder = Path(gateway.socket).parent
    assert not folder.exists()


async def test_nothing_is_left_when_it_closes() -> None:
    async with Gateway() as gateway:
        folder = Path(gateway.socket).parent
        assert folder.stat().st_mode & 0o777 == 0o700
        url = gateway.url
    assert not folder.exists()
    with pytest.raises(aiohttp.ClientConnectorError):
        async with aiohttp.ClientSession() as client:
            await client.get(f"{url}/models")


def test_tokens_are_long_and_differ() -> None:
    tokens = {Session(ScriptedProvider(["x"])).token for _ in range(20)}
    assert len(tokens) == 20
    assert all(len(t) > 40 for t in tokens)


async def test_every_call_is_metered_by_itself(gateway: Gateway) -> None:
    provider = ScriptedProvider(["one two"], ScriptedOptions(fail_every=2, latency=0.02))
    session = gateway.open(provider, retry=FAST, budget=GatewayBudget(calls=3))
    waited: list[float] = []
    for _ in range(3):
        began = time.perf_counter()
        await post(gateway, session.token, chat("a b c"))
        waited.append(time.perf_counter() - began)
    await post(gateway, session.token, chat("a b c"), "/v1/messages")
    kept = session.meter.calls
    assert [(c.wire, c.retries, c.code) for c in kept] == [
        ("chat", 0, None), ("chat", 1, None), ("chat", 1, None), ("messages", 0, "limit:calls"),
    ]  # fmt: skip
    assert [c.usage for c in kept] == [*[Usage(new=3, generated=2, calls=1)] * 3, None]
    # An earlier try, which took 0.02 s as well, is not the model's time.
    assert all(0.02 <= c.seconds <= s - 0.02 * c.retries for c, s in zip(kept, waited, strict=False))
    summary = session.meter.summary()
    assert summary.pop("seconds") == pytest.approx(sum(c.seconds for c in list(kept)[:3]), abs=1e-5)
    assert summary == {
        "new": 9, "generated": 6, "calls": 3, "started": 3, "errors": 0, "retries": 2, "refused": 1,
    }  # fmt: skip


async def test_a_budget_of_seconds_cuts_off_the_call_that_is_out(gateway: Gateway) -> None:
    provider = ScriptedProvider(["x"], ScriptedOptions(hang_every=1))
    session = gateway.open(provider, budget=GatewayBudget(seconds=0.2))
    status, body = await post(gateway, session.token, chat("?"))
    assert (status, body["error"]["code"], session.spent) == (429, "limit:seconds", "limit:seconds")
    assert session.over.is_set()


async def test_a_budget_of_tokens_ends_where_nobody_counts_them(gateway: Gateway) -> None:
    session = gateway.open(ScriptedProvider([Output(text="x", usage=Usage(calls=1))]), budget=GatewayBudget(tokens=99))
    assert [(await post(gateway, session.token, chat("?")))[0] for _ in range(2)] == [200, 429]
    assert session.spent == "limit:tokens"


async def test_dollars_are_watched_where_prices_are_known(gateway: Gateway) -> None:
    paid = Output(text="x", usage=Usage(new=1, generated=1, cost=0.4, calls=1))
    session = gateway.open(ScriptedProvider([paid]), budget=GatewayBudget(dollars=1.0))
    assert [(await post(gateway, session.token, chat("?")))[0] for _ in range(4)] == [200, 200, 200, 429]
    assert session.spent == "limit:dollars"
    assert session.meter.usage.cost == pytest.approx(1.2)
