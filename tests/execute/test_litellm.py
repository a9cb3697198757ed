"""litellm against our own misbehaving server; skipped where litellm is not installed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.execute import helpers
from tests.execute.helpers import BadServer, chat, first, run_all, serving, status

pytest.importorskip("litellm", reason="the extra `litellm` is not installed")

from weigh.execute.providers.litellm import create
from weigh.records.request import CompletionRequest, LoglikelihoodRequest
from weigh.records.usage import Usage


def provider(server: BadServer, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Any:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    return create("openai/m", {"api_base": server.url, **options}, concurrency=None)


async def test_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as server, provider(server, monkeypatch, price="1/2") as model:
        trials, _ = await run_all(model, 3)
        assert (await model.identity())["model"] == "openai/m"
    assert [t.status for t in trials] == ["ok"] * 3
    assert trials[0].usage == Usage(new=7, generated=2, cost=pytest.approx(11e-6), calls=1)  # type: ignore[arg-type]
    assert sorted(b["messages"][0]["content"] for b in server.bodies) == ["q0", "q1", "q2"]


async def test_failures_keep_their_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    too_long = status(400, '{"error": {"message": "maximum context length", "code": "context_length_exceeded"}}')
    for answer, kind, code, attempts in (
        (too_long, "limit", "context_length", 1),
        (status(500, "boom"), "provider", "http_500", 4),
        (status(401, '{"error": {"message": "bad key"}}'), "provider", "http_401", 1),
    ):
        async with serving(first(then=answer)) as server, provider(server, monkeypatch) as model:
            (trial,), _ = await run_all(model, 1)
        assert trial.error and (trial.error.kind, trial.error.code) == (kind, code)
        assert len(trial.attempts) == attempts == len(server.bodies), "litellm must not retry behind our back"


async def test_completions_and_what_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = helpers.body_text('{"choices": [{"text": " x", "index": 0, "finish_reason": "stop"}]}')
    async with serving(first(then=answer)) as server, provider(server, monkeypatch) as model:
        assert "loglikelihood" not in model.capabilities
        (trial,), _ = await run_all(model, 1, request=LoglikelihoodRequest(context="a", continuations=("b",)))
        assert trial.error and trial.error.code == "unsupported"
        (good,), _ = await run_all(model, 1, request=CompletionRequest(prompt="p"))
        assert good.trajectory and good.trajectory.output.text == " x"
        assert chat("q")
