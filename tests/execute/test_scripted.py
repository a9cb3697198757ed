"""The scripted provider that users test with, and finding providers by name."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.execute.helpers import chat, run_all
from weigh.define.spec import parse_model
from weigh.execute.providers import scripted
from weigh.execute.providers.registry import list_providers, open_provider, provider_names, require_capabilities
from weigh.execute.providers.scripted import ScriptedOptions, ScriptedProvider, echo
from weigh.records.errors import CapabilityError, DefinitionError
from weigh.records.request import CompletionRequest, LoglikelihoodRequest, Output


async def answer(spec: str, text: str = "hello there") -> str:
    async with open_provider(parse_model(spec)) as provider:
        return (await provider.respond(chat(text))).text


async def test_by_name() -> None:
    assert await answer("scripted/echo") == "hello there"
    assert await answer("scripted/constant::answer=42") == "42"
    async with open_provider(parse_model("scripted/echo")) as provider:
        assert (await provider.respond(CompletionRequest(prompt="p"))).text == "p"


async def test_from_files(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text('["a", "b"]')
    (tmp_path / "table.json").write_text('{"hello": "hi", "hello there": "general", "*": "?"}')
    (tmp_path / "f.py").write_text("def shout(request):\n    return request.messages[-1].content.upper()\n")
    assert await answer(f"scripted/{tmp_path}/table.json") == "general"
    assert await answer(f"scripted/{tmp_path}/table.json", "bye") == "?"
    assert await answer(f"scripted/{tmp_path}/f.py:shout") == "HELLO THERE"
    async with open_provider(parse_model(f"scripted/{tmp_path}/list.json")) as provider:
        assert [(await provider.respond(chat("x"))).text for _ in range(3)] == ["a", "b", "a"]


@pytest.mark.parametrize("name", ["nothing.json", "nothing.py:f"])
def test_a_script_that_is_not_there(name: str) -> None:
    with pytest.raises(DefinitionError, match=r"no file nothing"):
        scripted.create(name, {}, concurrency=None)


async def test_loglikelihoods_are_finite_and_repeatable() -> None:
    request = LoglikelihoodRequest(context="a", continuations=(" b", " cc"), unconditional_context="Answer:")
    outputs = [await ScriptedProvider(echo).respond(request) for _ in range(2)]
    assert outputs[0] == outputs[1]
    for continuation, text in zip(outputs[0].continuations, request.continuations, strict=True):
        assert -1.5 * len(text) <= continuation.logprob <= -0.5 * len(text)
        assert continuation.unconditional_logprob is not None


async def test_misbehaviour_on_request() -> None:
    options = ScriptedOptions(fail_every=5, refuse_every=7, empty_every=11, jitter=0.001)
    trials, result = await run_all(ScriptedProvider(echo, options), 100)
    assert result.done == 100 and result.statuses["ok"] > 60
    assert set(result.failures) == {"provider", "empty"}
    assert any(len(t.attempts) > 1 for t in trials if t.status == "ok")


async def test_a_rate_limit_slows_down_and_fails_nothing() -> None:
    limited = ScriptedProvider(echo, ScriptedOptions(rate_limit=200, retry_after=0.02))
    _, result = await run_all(limited, 260, concurrency=32)
    assert result.statuses == {"ok": 260}


async def test_hanging_can_be_cancelled() -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ScriptedProvider(echo, ScriptedOptions(hang_every=1)).respond(chat("x")), 0.02)


async def test_identity_follows_the_script_and_not_its_speed() -> None:
    def other(request: object) -> Output:
        return Output(text="x")

    async def of(provider: ScriptedProvider) -> object:
        return await provider.identity()

    assert await of(ScriptedProvider(["a"])) == await of(ScriptedProvider(["a"], ScriptedOptions(latency=1)))
    assert await of(ScriptedProvider(["a"])) != await of(ScriptedProvider(["b"]))
    assert await of(ScriptedProvider(echo)) != await of(ScriptedProvider(other))


async def test_a_capability_it_was_denied() -> None:
    async with open_provider(parse_model('scripted/echo::capabilities=["chat"]')) as provider:
        await require_capabilities(provider, {"chat"}, "t")
        with pytest.raises(CapabilityError, match="t:rc needs loglikelihood, which scripted/echo cannot do"):
            await require_capabilities(provider, {"loglikelihood"}, "t:rc")


def test_an_unknown_provider_gets_the_closest() -> None:
    with pytest.raises(DefinitionError, match="did you mean 'scripted'"):
        open_provider(parse_model("scriptd/echo"))
    with pytest.raises(DefinitionError, match="latency"):
        open_provider(parse_model("scripted/echo::latncy=1"))


def test_listing_imports_nothing_heavy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    before = set(sys.modules)
    found = {p.name: p for p in list_providers()}
    assert list(found) == provider_names()[: len(found)] and found["scripted"].available
    assert not found["openai"].available and "OPENAI_API_KEY" in (found["openai"].missing or "")
    assert not {m for m in set(sys.modules) - before if m.split(".")[0] in ("torch", "transformers", "litellm")}


def test_options_of_the_harness_give_way_to_the_models() -> None:
    made = open_provider(parse_model("scripted/constant::answer=1"), options={"answer": "2", "latency": 0.5})
    assert isinstance(made, ScriptedProvider) and made.options.answer == 1 and made.options.latency == 0.5
