"""Log-probabilities through llama.cpp's server alone, one token at a time: slow, but all it needs is the HTTP API.

For each token of a continuation the server is asked for exactly one token with a bias so large that it must be the
wanted one; it then reports that token's log-probability over the whole vocabulary, before the bias. The prefix stays
in the slot's cache. This is used when `llama_api` does not understand the installed build, and by the tests to check
it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from weigh.execute.providers.llama_scorer import encode
from weigh.execute.providers.transport import Transport
from weigh.records.errors import Error, Failure
from weigh.records.request import Continuation, LoglikelihoodRequest, Output
from weigh.records.usage import Usage

_FORCE = 10_000.0


class ForcedScorer:
    """Scores on a running server.

    Args:
        transport: To the server's root.
        first_token: What stands before a text that has nothing before it.
    """

    def __init__(self, transport: Transport, first_token: int) -> None:
        self._transport = transport
        self._first_token = first_token

    async def score(self, request: LoglikelihoodRequest) -> Output:
        """Answer one request. Raises `Failure`."""
        continuations = []
        tokens = 0
        for text in request.continuations:
            logprob, count, used = await self._one(request.context, text)
            tokens += used
            unconditional = None
            if request.unconditional_context is not None:
                unconditional, _, used = await self._one(request.unconditional_context, text)
                tokens += used
            continuations.append(Continuation(logprob=logprob, num_tokens=count, unconditional_logprob=unconditional))
        return Output(continuations=tuple(continuations), usage=Usage(new=tokens, generated=0, calls=1))

    async def _one(self, context: str, continuation: str) -> tuple[float, int, int]:
        text = context.rstrip()
        whole = await self._tokens(text + context[len(text) :] + continuation)
        before = await self._tokens(text)
        known = {text: before, context + continuation: whole}
        line = encode(known.__getitem__, self._first_token, text, context[len(text) :] + continuation)
        total = 0.0
        for i in range(line.start, len(line.tokens)):
            total += await self._token(list(line.tokens[:i]), line.tokens[i])
        return total, line.size, len(line.tokens)

    async def _tokens(self, text: str) -> list[int]:
        body = {"content": text, "add_special": True, "parse_special": True}
        tokens: list[int] = (await self._post("/tokenize", body))["tokens"]
        return tokens

    async def _token(self, prompt: list[int], token: int) -> float:
        body = {
            "prompt": prompt,
            "n_predict": 1,
            "n_probs": 1,
            "temperature": 0,
            "logit_bias": [[token, _FORCE]],
            "cache_prompt": True,
        }
        answer = await self._post("/completion", body)
        entry = answer["completion_probabilities"][0]
        if entry["id"] != token:
            raise Failure(Error(kind="provider", code="forced", message="llama.cpp did not give the token it had to"))
        return float(entry["logprob"])

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        return msgspec.json.decode(await self._transport.post(path, msgspec.json.encode(body)))
