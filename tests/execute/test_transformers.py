"""The transformers provider, and the proof that llama.cpp's scores are those of the same weights computed plainly."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
import pytest_asyncio

from weigh.execute import models
from weigh.records.errors import CapabilityError, Failure
from weigh.records.request import ChatRequest, CompletionRequest, LoglikelihoodRequest, Message, Output, SamplingParams

if find_spec("torch") is None or find_spec("transformers") is None:
    pytest.skip("needs torch and transformers: pip install 'weigh[transformers]'", allow_module_level=True)

from weigh.execute.providers import llamacpp
from weigh.execute.providers.transformers import TransformersProvider, create

# One loop for all: the weights are loaded once.
pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]
MODEL = "smollm2-135m-instruct"
QUESTIONS = [
    LoglikelihoodRequest(
        context=context,
        continuations=(
            " it evaporates and rises into the air.",
            " carbon dioxide, which they turn into sugar",
            " The capital of France is Paris, on the Seine",
        ),
        unconditional_context="Answer:",
    )
    for context in (
        "The water cycle begins when the sun heats the ocean, and then",
        "Question: Which gas do plants take in?\nAnswer:",
        "Question: What is the capital of France?\nAnswer:",
    )
]


@pytest.fixture(scope="module")
def weights() -> models.ModelFile:
    try:
        return models.fetch(MODEL)
    except CapabilityError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"needs the weights of {MODEL}: {error}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider(weights: models.ModelFile) -> AsyncIterator[TransformersProvider]:
    import torch

    # Threads wait for one another by spinning, and other tests have the other cores.
    torch.set_num_threads(1)
    async with create(MODEL, {"device": "cpu"}, concurrency=None) as provider:
        yield provider


async def test_it_chats_completes_and_stops(provider: TransformersProvider) -> None:
    sampling = SamplingParams(max_tokens=8, stop=("11",))
    requests = [
        CompletionRequest(prompt="1 2 3 4 5 6 7 8", sampling=sampling),
        CompletionRequest(prompt="Here is a list: 1 2 3 4 5 6 7 8", sampling=sampling),  # padded beside the first
        ChatRequest(messages=(Message(role="user", content="Say hello."),), sampling=SamplingParams(max_tokens=6)),
        CompletionRequest(prompt="word " * 9000, sampling=sampling),
    ]
    first, second, chat, long = await asyncio.gather(*map(provider.respond, requests), return_exceptions=True)
    assert not isinstance(first, BaseException) and not isinstance(second, BaseException)
    assert first.text.startswith(" 9 10") and "11" not in first.text and first.finish_reason == "stop"
    assert second.text.startswith(" 9 10")
    assert not isinstance(chat, BaseException) and chat.text and chat.usage.generated == 6
    assert isinstance(long, Failure) and long.error.code == "context_length"


async def test_a_seed_means_what_it_says(provider: TransformersProvider) -> None:
    def asked(seed: int) -> CompletionRequest:
        return CompletionRequest(prompt="Once", sampling=SamplingParams(temperature=1.5, max_tokens=4, seed=seed))

    one, other, again = await asyncio.gather(*map(provider.respond, (asked(1), asked(2), asked(1))))
    assert one.text == again.text != other.text


async def test_identity_names_weights_and_dtype(provider: TransformersProvider, weights: models.ModelFile) -> None:
    assert await provider.identity() == {"provider": "transformers", "dtype": "float32", "sha256": weights.sha256}


async def test_shared_beginnings_change_no_score(provider: TransformersProvider) -> None:
    few = "Question: Which gas do we breathe?\nAnswer: oxygen\n\n"
    question = QUESTIONS[1]
    first = LoglikelihoodRequest(context=few + question.context, continuations=question.continuations)
    second = LoglikelihoodRequest(context=few + QUESTIONS[2].context, continuations=question.continuations)
    fresh = await provider.respond(second)
    await provider.respond(first)
    reused = await provider.respond(second)
    assert (reused.usage.cached or 0) > (await provider.respond(QUESTIONS[0])).continuations[0].num_tokens
    for one, other in zip(fresh.continuations, reused.continuations, strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=1e-3)


def nats_a_token(plain: Sequence[Output], fast: Sequence[Output]) -> list[float]:
    """Differences of two providers' log-probabilities, by continuation."""
    found = []
    for one, other in zip(plain, fast, strict=True):
        for a, b in zip(one.continuations, other.continuations, strict=True):
            assert a.num_tokens == b.num_tokens
            assert a.unconditional_logprob is not None and b.unconditional_logprob is not None
            for x, y in ((a.logprob, b.logprob), (a.unconditional_logprob, b.unconditional_logprob)):
                found.append(abs(x - y) / a.num_tokens)
    return found


def as_float32(source: Path, target: Path) -> None:
    """Write a GGUF file's weights, dequantised, into another."""
    gguf = pytest.importorskip("gguf")
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.get_field("general.architecture").contents())
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name != "general.architecture":
            inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=inner)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype("float32"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.slow
async def test_llamacpp_scores_what_transformers_scores(
    provider: TransformersProvider, weights: models.ModelFile, tmp_path: Path
) -> None:
    """The very weights that transformers computes with give the same to 0.001 nats a token; with the quantised file,
    for which llama.cpp rounds activations to 8 bits, it is within 0.05 on average."""
    if find_spec("xllamacpp") is None:
        pytest.skip("needs xllamacpp: pip install 'weigh[llamacpp]'")
    plain = await asyncio.gather(*map(provider.respond, QUESTIONS))
    exact = tmp_path / "float32.gguf"
    as_float32(weights.path, exact)
    try:
        async with llamacpp.create(str(exact), {"threads": 1}, concurrency=None) as embedded:
            same = nats_a_token(plain, await asyncio.gather(*map(embedded.respond, QUESTIONS)))
    finally:
        exact.unlink()  # half a gigabyte
    assert max(same) < 0.001
    async with llamacpp.create(MODEL, {"threads": 1}, concurrency=None) as embedded:
        rounded = nats_a_token(plain, await asyncio.gather(*map(embedded.respond, QUESTIONS)))
    assert sum(rounded) / len(rounded) < 0.05
    assert max(rounded) < 0.15
