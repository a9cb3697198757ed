"""Answering many requests at once with a transformers model; synchronous, used from one thread.

Generation is batched by length, padded on the left. For loglikelihood the beginning that the continuations of a
question share is computed once, and what it shares with the question before (few-shot examples) is taken over from
there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from weigh.execute.providers.llama_scorer import Line, common, encode
from weigh.records.errors import Error, Failure
from weigh.records.request import (
    ChatRequest,
    CompletionRequest,
    Continuation,
    LoglikelihoodRequest,
    Output,
    Request,
    SamplingParams,
)
from weigh.records.usage import Usage

Answer = Output | Failure


class Engine:
    """A model and its tokenizer.

    Args:
        model, tokenizer: As transformers loads them.
        batch_size: Prompts generated for at once.
    """

    def __init__(self, model: Any, tokenizer: Any, *, batch_size: int = 8) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        config = model.config.get_text_config()
        self.max_length: int = getattr(config, "max_position_embeddings", None) or 1 << 20
        bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
        self.first_token: int = bos if bos is not None else eos
        self._kept: tuple[tuple[int, ...], Any] = ((), None)

    def answer(self, requests: Sequence[Request], deliver: Callable[[int, Answer], None]) -> None:
        """Answer all; `deliver` is called with each index once."""
        generate: list[tuple[int, list[int], SamplingParams]] = []
        for i, request in enumerate(requests):
            try:
                if isinstance(request, LoglikelihoodRequest):
                    deliver(i, self.score(request))
                else:
                    tokens = self._prompt(request)
                    self._check(len(tokens) + request.sampling.max_tokens)
                    generate.append((i, tokens, request.sampling))
            except Failure as failure:
                deliver(i, failure)
        for batch in _batches(generate, self.batch_size):
            outputs = self._generate([tokens for _, tokens, _ in batch], batch[0][2])
            for (i, _, _), output in zip(batch, outputs, strict=True):
                deliver(i, output)

    def _check(self, length: int) -> None:
        if length > self.max_length:
            message = f"{length} tokens, answer included, exceed the model's context of {self.max_length}"
            raise Failure(Error(kind="limit", code="context_length", message=message))

    def _prompt(self, request: ChatRequest | CompletionRequest) -> list[int]:
        if isinstance(request, CompletionRequest):
            tokens: list[int] = self.tokenizer(request.prompt).input_ids
            return tokens or [self.first_token]
        messages = [{"role": m.role, "content": m.content} for m in request.messages]
        text = self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        chat: list[int] = self.tokenizer(text, add_special_tokens=False).input_ids
        return chat

    def _generate(self, prompts: list[list[int]], sampling: SamplingParams) -> list[Output]:
        import torch

        width = max(len(p) for p in prompts)
        pad = self.tokenizer.pad_token_id
        device = self.model.device
        ids = torch.tensor([[pad] * (width - len(p)) + p for p in prompts], device=device)
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=device)
        if sampling.seed is not None:
            torch.manual_seed(sampling.seed)
        with torch.inference_mode():
            out = self.model.generate(
                input_ids=ids, attention_mask=mask, pad_token_id=pad, **_settings(sampling, self.tokenizer)
            )
        return [self._output(row[width:].tolist(), len(p), sampling) for row, p in zip(out, prompts, strict=True)]

    def _output(self, tokens: list[int], prompt: int, sampling: SamplingParams) -> Output:
        ends = self.model.generation_config.eos_token_id
        ends = set(ends if isinstance(ends, list) else [ends]) | {self.tokenizer.eos_token_id}
        end = next((i for i, token in enumerate(tokens) if token in ends), None)
        kept = tokens if end is None else tokens[:end]
        text: str = self.tokenizer.decode(kept, skip_special_tokens=True)
        reason = "length" if end is None else "stop"
        cut = min((at for stop in sampling.stop if (at := text.find(stop)) >= 0), default=None)
        if cut is not None:
            text, reason = text[:cut], "stop"
        generated = len(tokens) if end is None else end + 1
        return Output(text=text, finish_reason=reason, usage=Usage(new=prompt, generated=generated, calls=1))

    def score(self, request: LoglikelihoodRequest) -> Output:
        """Log-probabilities of a request's continuations. Raises `Failure` when one does not fit the context."""
        lines = [self._line(request.context, text) for text in request.continuations]
        values, computed, reused = self._score(lines)
        unconditional: list[float] | None = None
        if request.unconditional_context is not None:
            alone = [self._line(request.unconditional_context, text) for text in request.continuations]
            unconditional, more, _ = self._score(alone)
            computed += more
        continuations = tuple(
            Continuation(
                logprob=values[i],
                num_tokens=line.size,
                unconditional_logprob=None if unconditional is None else unconditional[i],
            )
            for i, line in enumerate(lines)
        )
        return Output(continuations=continuations, usage=Usage(new=computed, cached=reused, generated=0, calls=1))

    def _line(self, context: str, continuation: str) -> Line:
        line = encode(lambda text: list(self.tokenizer(text).input_ids), self.first_token, context, continuation)
        self._check(len(line.tokens))
        return line

    def _score(self, lines: Sequence[Line]) -> tuple[list[float], int, int]:
        """Log-probability of each line, tokens computed, tokens taken over."""
        import torch

        contexts = [line.tokens[: line.start - 1] for line in lines]
        low, high = min(contexts), max(contexts)
        prefix = low[: common(low, high)]
        with torch.inference_mode():
            cache, reused = self._beginning(prefix) if prefix else (None, 0)
            tails = [line.tokens[len(prefix) : -1] for line in lines]
            width = max(len(t) for t in tails)
            device = self.model.device
            ids = torch.tensor([[*t, *[0] * (width - len(t))] for t in tails], device=device)
            mask = torch.tensor([[1] * (len(prefix) + len(t)) + [0] * (width - len(t)) for t in tails], device=device)
            if cache is not None:
                cache.batch_repeat_interleave(len(lines))
            logits = self.model(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True).logits
            values = []
            for row, line in zip(logits, lines, strict=True):
                first = line.start - 1 - len(prefix)
                wanted = torch.tensor(line.tokens[line.start :], device=device)
                chosen = torch.log_softmax(row[first : first + line.size].float(), dim=-1)
                values.append(float(chosen.gather(1, wanted[:, None]).sum(dtype=torch.float64)))
        return values, len(prefix) - reused + sum(map(len, tails)), reused

    def _beginning(self, prefix: tuple[int, ...]) -> tuple[Any, int]:
        """A cache that holds the prefix, and how many tokens of it came from the one before."""
        import torch
        from transformers import DynamicCache

        known, kept = self._kept
        shared = common(known, prefix)
        if kept is None or not shared:
            cache, shared = DynamicCache(), 0
        else:
            cache = copy.deepcopy(kept)
            if shared < len(known):
                cache.crop(shared - len(known))  # negative: this many off the end
        if shared < len(prefix):
            rest = torch.tensor([prefix[shared:]], device=self.model.device)
            # Only the cache is wanted; one position is enough of the logits.
            self.model(input_ids=rest, past_key_values=cache, use_cache=True, logits_to_keep=1)
        self._kept = (prefix, copy.deepcopy(cache))
        return cache, shared


def _settings(sampling: SamplingParams, tokenizer: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {"max_new_tokens": sampling.max_tokens, "do_sample": sampling.temperature > 0}
    if sampling.temperature > 0:
        settings["temperature"] = sampling.temperature
        settings["top_p"] = 1.0 if sampling.top_p is None else sampling.top_p
        settings["top_k"] = 0 if sampling.top_k is None else sampling.top_k
    else:
        settings |= {"temperature": None, "top_p": None, "top_k": None}
    if sampling.stop:
        settings |= {"stop_strings": list(sampling.stop), "tokenizer": tokenizer}
    return settings | sampling.extra


def _batches(
    items: list[tuple[int, list[int], SamplingParams]], size: int
) -> Iterator[list[tuple[int, list[int], SamplingParams]]]:
    """Items of like length and the same sampling together; drawn ones alone, so that a seed means what it says."""
    batch: list[tuple[int, list[int], SamplingParams]] = []
    for item in sorted(items, key=lambda item: (repr(item[2]), len(item[1]))):
        if batch and (len(batch) >= size or item[2] != batch[0][2] or item[2].temperature > 0):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
