"""A server that goes wrong in every way it can: attempts are kept and classified, and no failure is ever a score."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest
from aiohttp import web

from tests.execute import helpers
from tests.execute.helpers import BadServer, body_text, first, run_all, serving, status
from weigh.execute.providers.openai import OpenAIOptions, OpenAIProvider
from weigh.execute.retry import RetryPolicy
from weigh.records.trial import Trial


def provider(server: BadServer, **options: Any) -> OpenAIProvider:
    return OpenAIProvider("m", OpenAIOptions(base_url=server.url, **{"timeout": 5.0, **options}), key="sk-secret-123")


def codes(trial: Trial) -> list[str | None]:
    return [a.error.code if a.error else None for a in trial.attempts]


async def one(answer: helpers.Answer, *, options: dict[str, Any] | None = None, **settings: Any) -> Trial:
    async with serving(answer) as server, provider(server, **(options or {})) as model:
        trials, _ = await run_all(model, 1, **settings)
    assert len(trials) == 1
    return trials[0]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (status(500, "boom"), "http_500"),
        (status(503, "busy"), "http_503"),
        (status(429, "slow down"), "http_429"),
        (body_text("<html>oops"), "garbage"),
        (body_text('{"choices": 7}'), "garbage"),
        (body_text("{}"), "garbage"),
        (body_text('{"error": {"code": 502, "message": "upstream"}}'), "http_502"),
        (helpers.half, "half_answer"),
        (helpers.hang_up, "connection"),
    ],
)
async def test_what_can_pass_is_tried_again_and_kept(bad: helpers.Answer, code: str) -> None:
    trial = await one(first(bad, bad))
    assert trial.status == "ok"
    assert codes(trial) == [code, code, None]
    assert trial.scores["exact_match"].value == 1.0
    assert all(a.error is None or (a.error.transient and a.error.kind == "provider") for a in trial.attempts)
    assert trial.usage.calls == 1


@pytest.mark.parametrize("bad", [status(500, "boom"), body_text("garbage"), helpers.half])
async def test_what_never_passes_fails_without_a_score(bad: helpers.Answer) -> None:
    trial = await one(first(then=bad))
    assert trial.status == "error" and trial.failed
    assert trial.error is not None and trial.error.kind == "provider"
    assert trial.scores == {} and trial.trajectory is None
    assert len(trial.attempts) == 4


async def test_retry_after_pauses_everybody_and_is_honoured() -> None:
    times: list[float] = []

    async def limited(server: BadServer, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        times.append(time.monotonic())
        if len(times) == 1:
            return web.Response(status=429, headers={"retry-after-ms": "300"})
        return await helpers.good(server, request, body)

    async with serving(limited) as server, provider(server) as model:
        began = time.monotonic()
        trials, _ = await run_all(model, 20, concurrency=1)
    assert all(t.status == "ok" for t in trials)
    assert times[1] - times[0] >= 0.29
    until_next = times[2] - began  # the next trial's request comes when the first is done
    assert trials[0].timing.total <= until_next - 0.29, "waiting for the server's pause is not the trial's time"


async def test_concurrency_adapts_to_what_the_server_takes() -> None:
    async def at_most_four(server: BadServer, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if server.in_flight > 4:
            return web.Response(status=429)
        await asyncio.sleep(0.01)
        return await helpers.good(server, request, body)

    async with serving(at_most_four) as server, provider(server) as model:
        trials, result = await run_all(model, 200, concurrency=64)
    assert result.statuses == {"ok": 200}, "a rate limit is never a failure of the trial"
    assert sum(len(t.attempts) - 1 for t in trials) < 600


async def test_context_length_fails_that_trial_only() -> None:
    async def picky(server: BadServer, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if body["messages"][0]["content"] == "q3":
            error = {"message": "This model's maximum context length is 4096 tokens", "code": "context_length_exceeded"}
            return web.json_response({"error": error}, status=400)
        return await helpers.good(server, request, body)

    async with serving(picky) as server, provider(server) as model:
        trials, result = await run_all(model, 6)
    failed = [t for t in trials if t.failed]
    assert result.statuses == {"ok": 5, "error": 1} and result.failures == {"limit": 1}
    assert failed[0].instance.id == "3" and failed[0].error and failed[0].error.code == "context_length"
    assert "maximum context length" in failed[0].error.message
    assert len(failed[0].attempts) == 1 and not failed[0].scores


async def test_a_wrong_key_ends_the_run_after_a_few() -> None:
    denied = first(then=status(401, '{"error": {"message": "Incorrect API key: sk-secret-123"}}'))
    async with serving(denied) as server, provider(server) as model:
        trials, result = await run_all(model, 500, concurrency=2)
        asked = len(server.bodies)
    assert asked <= 6 and result.done == len(trials) <= 6
    assert result.stopped is not None and "refuses every request" in result.stopped
    assert all(t.error and t.error.code == "http_401" for t in trials)
    assert "sk-secret" not in str(trials), "a key never reaches a record"


async def test_content_filter_is_the_outcome_refused() -> None:
    filtered = status(400, '{"error": {"code": "content_filter", "message": "filtered"}}')
    for answer in (
        filtered,
        body_text('{"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]}'),
    ):
        trial = await one(first(then=answer))
        assert trial.status == "refused" and not trial.failed
        assert trial.scores["exact_match"].value == 0.0 and trial.scores["exact_match"].explanation == "refused"


async def test_an_answer_of_nothing_is_a_failure() -> None:
    nothing = body_text(
        '{"choices": [{"message": {"content": ""}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 5}}'
    )
    trial = await one(first(then=nothing))
    assert trial.status == "empty" and trial.failed and not trial.scores
    assert trial.error is not None and trial.error.kind == "empty"


async def test_an_endless_generation_is_the_outcome_timeout() -> None:
    async with serving(first(then=helpers.hang)) as server, provider(server) as model:
        began = time.monotonic()
        trials, result = await run_all(model, 4, seconds=0.2)
        assert time.monotonic() - began < 30
        await asyncio.sleep(0.1)
        assert server.in_flight == 0, "the request is given up at the server too"
    assert result.statuses == {"timeout": 4} and not result.failures
    trial = trials[0]
    assert trial.scores["exact_match"].value == 0.0 and trial.trajectory and trial.trajectory.stop_reason == "timeout"
    assert len(trial.attempts) == 1 and 0.15 < trial.attempts[0].seconds < 30


async def test_a_deadline_at_a_dead_server_is_a_failure() -> None:
    async with serving(first(then=helpers.hang)) as server, provider(server) as model:
        server.models_hang = True
        model.alive_timeout = 0.2
        trials, _ = await run_all(model, 3, seconds=0.2)
    assert [t.status for t in trials] == ["error"] * 3
    assert all(t.error and t.error.code == "unresponsive" and not t.scores for t in trials)


async def test_silence_without_a_deadline_ends_by_the_transports_own() -> None:
    trial = await one(first(helpers.hang), options={"timeout": 0.5})
    assert codes(trial)[0] == "timeout" and trial.status == "ok"


async def test_a_deadline_does_not_run_while_waiting() -> None:
    """Two failures and their back-offs take longer than the deadline; the answer itself does not."""
    for scale in (1, 10):  # the longer one for a machine that is too busy to answer within the deadline
        retry = RetryPolicy(retries=3, base=0.9 * scale, cap=0.9 * scale)
        trial = await one(first(status(500), status(500)), seconds=0.8 * scale, retry=retry)
        if trial.status == "ok":
            break
    assert trial.status == "ok" and trial.timing.total < 0.8 * scale
    assert trial.timing.started > trial.attempts[1].started


async def test_a_server_that_dies_and_comes_back() -> None:
    server = BadServer()
    await server.start()
    port = server.port

    async def outage() -> None:
        await asyncio.sleep(0.05)
        await server.stop()
        await asyncio.sleep(0.4)
        await back.start()

    async def slow(s: BadServer, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(0.02)
        return await helpers.good(s, request, body)

    server.answer = slow
    back = BadServer(slow, port)
    task = asyncio.ensure_future(outage())
    try:
        async with provider(server) as model:
            trials, result = await run_all(model, 60, concurrency=4, circuit=None)
        await task
    finally:
        await server.stop()
        await back.stop()
    assert result.statuses == {"ok": 60} and result.stopped is None
    seen = {code for t in trials for code in codes(t)}
    assert "unreachable" in seen


async def test_a_server_that_stays_dead_ends_the_run_early() -> None:
    with socket.socket() as taken:  # bound, so that nobody else gets the port, and not listening
        taken.bind(("127.0.0.1", 0))
        async with provider(BadServer(port=taken.getsockname()[1])) as model:
            began = time.monotonic()
            trials, result = await run_all(model, 100_000, concurrency=4)
    assert time.monotonic() - began < 60
    assert result.stopped is not None and "has not answered" in result.stopped
    assert 1 <= len(trials) <= 4 and all(t.error and t.error.code == "unreachable" for t in trials)


async def test_a_spent_quota_is_not_tried_again() -> None:
    spent = status(429, '{"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}}')
    trial = await one(first(then=spent))
    assert codes(trial) == ["quota"] and trial.error and trial.error.kind == "limit"
