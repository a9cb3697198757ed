"""llama.cpp with real weights: answers, exact scoring, and a process that is always gone in the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from importlib.util import find_spec

import pytest

from weigh.execute import models
from weigh.execute.models_catalogue import catalogue
from weigh.execute.providers.llamacpp import LlamaCppOptions, LlamaCppProvider, create, default_threads
from weigh.records.errors import CapabilityError, DefinitionError, Failure
from weigh.records.request import (
    ChatRequest,
    CompletionRequest,
    LoglikelihoodRequest,
    Message,
    Request,
    SamplingParams,
    ToolSpec,
)

MODEL = "smollm2-135m-instruct"
QUESTION = LoglikelihoodRequest(
    context="Question: What is the capital of France?\nAnswer:",
    continuations=(" Paris", " Berlin, in Germany", " 42"),
    unconditional_context="Answer:",
)


def weights(name: str) -> models.ModelFile:
    """A known model's file, or a skip that says why there is none."""
    try:
        return models.fetch(name)
    except CapabilityError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"needs the weights of {name}: {error}")


@pytest.fixture(scope="module")
def smol() -> models.ModelFile:
    if find_spec("xllamacpp") is None:
        pytest.skip("needs xllamacpp: pip install 'weigh[llamacpp]'")
    return weights(MODEL)


@pytest.fixture
async def provider(smol: models.ModelFile) -> AsyncIterator[LlamaCppProvider]:
    async with create(MODEL, {"slots": 2, "context": 1024, "threads": 1}, concurrency=None) as provider:
        yield provider


def test_an_unknown_option_gets_the_closest() -> None:
    with pytest.raises(DefinitionError, match="slots"):
        create(MODEL, {"slot": 2}, concurrency=None)


def test_slots_follow_what_the_harness_asks_for() -> None:
    assert LlamaCppProvider(MODEL, concurrency=3).slots == 3
    assert LlamaCppProvider(MODEL, concurrency=300).slots == 8
    assert LlamaCppProvider(MODEL, LlamaCppOptions(slots=20), concurrency=3).slots == 20
    assert 1 <= default_threads() <= 16


async def test_identity_needs_no_download_and_nothing_operational(tmp_path: object) -> None:
    one = await LlamaCppProvider(MODEL, LlamaCppOptions(cache=str(tmp_path), slots=1)).identity()
    assert one == {"provider": "llamacpp", "sha256": catalogue()[MODEL].sha256}
    assert one == await LlamaCppProvider(MODEL, LlamaCppOptions(cache=str(tmp_path), threads=3)).identity()


async def test_the_template_is_part_of_what_the_model_is() -> None:
    name = "qwen2.5-coder-0.5b-instruct"
    ours = await LlamaCppProvider(name).identity()
    own = await LlamaCppProvider(name, LlamaCppOptions(template="own")).identity()
    assert ours["sha256"] == own["sha256"] and ours["template"] and "template" not in own


@pytest.mark.model
async def test_it_chats_completes_and_scores(provider: LlamaCppProvider) -> None:
    assert {"chat", "completion", "loglikelihood", "logprobs"} <= provider.capabilities
    chat = ChatRequest(messages=(Message(role="user", content="Say hello."),), sampling=SamplingParams(max_tokens=8))
    completion = CompletionRequest(prompt="1 2 3 4 5 6 7 8", sampling=SamplingParams(max_tokens=8, stop=("11",)))
    said, counted, scored = await asyncio.gather(*map(provider.respond, (chat, completion, QUESTION)))
    assert said.text and said.usage.generated == 8 and said.finish_reason == "length"
    assert counted.text.startswith(" 9 10") and "11" not in counted.text and counted.finish_reason == "stop"
    assert "/" not in (said.model or "")
    best = max(scored.continuations, key=lambda c: c.logprob)
    assert best == scored.continuations[0] and best.num_tokens == 1
    assert all(c.unconditional_logprob is not None for c in scored.continuations)


@pytest.mark.model
async def test_scoring_agrees_with_forcing_one_token_at_a_time(provider: LlamaCppProvider) -> None:
    direct = await provider.respond(QUESTION)
    provider.use_direct_scoring = False
    forced = await provider.respond(QUESTION)
    for one, other in zip(direct.continuations, forced.continuations, strict=True):
        assert one.num_tokens == other.num_tokens
        assert one.logprob == pytest.approx(other.logprob, abs=0.1 * one.num_tokens)


@pytest.mark.model
async def test_what_else_is_scored_at_the_same_time_does_not_matter(provider: LlamaCppProvider) -> None:
    alone = (await provider.respond(QUESTION)).continuations
    others = [
        LoglikelihoodRequest(context=f"Question {i}: What is {i} + {i}?\nAnswer:", continuations=(f" {2 * i}", " none"))
        for i in range(6)
    ]
    together = await asyncio.gather(*map(provider.respond, [*others, QUESTION]))
    for one, other in zip(alone, together[-1].continuations, strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=0.05 * one.num_tokens)


@pytest.mark.model
async def test_too_long_is_a_limit_and_the_others_go_on(provider: LlamaCppProvider) -> None:
    long = LoglikelihoodRequest(context="word " * 3000, continuations=(" a",))
    completion = CompletionRequest(prompt="word " * 3000)
    results = await asyncio.gather(*map(provider.respond, (long, QUESTION, completion)), return_exceptions=True)
    for failed in (results[0], results[2]):
        assert isinstance(failed, Failure)
        assert (failed.error.kind, failed.error.code, failed.error.transient) == ("limit", "context_length", False)
    assert not isinstance(results[1], BaseException)


COUNT = CompletionRequest(prompt="1 2 3 4 5 6 7 8", sampling=SamplingParams(max_tokens=2))


@pytest.mark.model
@pytest.mark.parametrize("warm", [True, False], ids=["while it answers", "while it loads"])
@pytest.mark.parametrize("request_", [COUNT, QUESTION], ids=["completion", "choices"])
async def test_a_crash_is_a_passing_failure_and_the_next_request_starts_it_again(
    provider: LlamaCppProvider, request_: Request, warm: bool
) -> None:
    if warm:
        await provider.respond(request_)
        assert provider.pid is not None
        os.kill(provider.pid, signal.SIGSTOP)  # so that it cannot have answered before it is killed
    asked = [asyncio.create_task(provider.respond(request_)) for _ in range(3)]
    while (pid := provider.pid) is None:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    for failed in await asyncio.gather(*asked, return_exceptions=True):
        assert isinstance(failed, Failure)
        assert (failed.error.kind, failed.error.code, failed.error.transient) == ("provider", "connection", True)
    again = await asyncio.gather(*[provider.respond(request_) for _ in range(3)])
    assert all(output.text or output.continuations for output in again)
    assert provider.pid != pid


@pytest.mark.model
async def test_a_crash_between_two_requests_costs_one_failure_at_most(provider: LlamaCppProvider) -> None:
    await asyncio.gather(provider.respond(COUNT), provider.respond(QUESTION))
    assert provider.pid is not None
    os.kill(provider.pid, signal.SIGKILL)
    with contextlib.suppress(Failure):  # it may still be accepted, or the death be known already
        await provider.respond(COUNT)
    assert (await provider.respond(QUESTION)).continuations


@pytest.mark.model
async def test_leaving_stops_the_process_also_after_an_error(smol: models.ModelFile) -> None:
    pid = None
    with pytest.raises(RuntimeError, match="ours"):
        async with create(MODEL, {"threads": 1, "slots": 1}, concurrency=None) as provider:
            await provider.respond(QUESTION)
            pid = provider.pid
            raise RuntimeError("ours")
    assert pid is not None and not _runs(pid)


@pytest.mark.model
@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's parent-death signal")
def test_the_process_dies_with_a_killed_parent(smol: models.ModelFile) -> None:
    program = f"""
import asyncio
from weigh.execute.providers.llamacpp import create
from weigh.records.request import LoglikelihoodRequest
async def main():
    async with create({MODEL!r}, {{"threads": 1, "slots": 1}}, concurrency=None) as provider:
        await provider.respond(LoglikelihoodRequest(context="a", continuations=(" b",)))
        print(provider.pid, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert _runs(pid)
        parent.kill()
    deadline = time.monotonic() + 30
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(pid)


@pytest.mark.model
async def test_a_base_model_refuses_to_chat() -> None:
    weights("gemma3-270m")
    async with create("gemma3-270m", {"threads": 1}, concurrency=None) as provider:
        assert "chat" not in provider.capabilities
        with pytest.raises(Failure, match="template"):
            await provider.respond(ChatRequest(messages=(Message(role="user", content="Hi"),)))
        assert provider.pid is None  # it was not even started


@pytest.mark.model
async def test_a_broken_file_is_told(tmp_path: object) -> None:
    if find_spec("xllamacpp") is None:
        pytest.skip("needs xllamacpp")
    from pathlib import Path

    path = Path(str(tmp_path)) / "broken.gguf"
    path.write_bytes(weights(MODEL).path.read_bytes()[:3_000_000])
    async with create(str(path), {"cache": str(tmp_path)}, concurrency=None) as provider:
        for request in (QUESTION, CompletionRequest(prompt="a")):
            with pytest.raises(Failure):
                await provider.respond(request)


WEATHER = ToolSpec(
    name="get_weather",
    description="The weather of a city today.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)


@pytest.mark.model
@pytest.mark.slow
async def test_qwen_calls_a_tool_and_is_given_its_result() -> None:
    name = "qwen2.5-coder-0.5b-instruct"
    if not models.present(catalogue()[name]):
        pytest.skip(f"needs the weights of {name}: weigh models get {name}")
    async with create(name, {"slots": 1, "context": 2048, "threads": 1}, concurrency=None) as provider:
        assert "tools" in provider.capabilities
        user = Message(role="user", content="What is the weather in Oslo today?")
        sampling = SamplingParams(max_tokens=80)
        first = await provider.respond(ChatRequest(messages=(user,), tools=(WEATHER,), sampling=sampling))
        assert [c.name for c in first.tool_calls] == ["get_weather"]
        assert first.tool_calls[0].arguments == {"city": "Oslo"} and first.finish_reason == "tool_calls"
        called = Message(role="assistant", content=first.text, tool_calls=first.tool_calls)
        result = Message(role="tool", content="Rain, 7 degrees.", tool_call_id=first.tool_calls[0].id)
        last = await provider.respond(ChatRequest(messages=(user, called, result), tools=(WEATHER,), sampling=sampling))
        # A model this small often calls once more instead of answering.
        assert last.usage.generated and (last.tool_calls or "7" in last.text)


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
