"""Log-probabilities of a continuation out of what a completions endpoint echoes.

The echo holds one entry per prompt token. The continuation's tokens are found from the end: the last prompt tokens
whose texts join to the continuation, so that markers a tokenizer puts in front cannot shift them. A token that
straddles the boundary belongs to the continuation.
"""

from __future__ import annotations

import math
from typing import Any

from weigh.records.errors import Error, Failure


def scored_continuation(logprobs: Any, continuation: str, prompt_tokens: int | None) -> tuple[float, int]:
    """The summed log-probability (nats) of a continuation and its number of tokens.

    Args:
        logprobs: `choices[0].logprobs` of the answer: `tokens` and `token_logprobs`.
        continuation: The end of the prompt.
        prompt_tokens: How many of the tokens are the prompt's, as the usage says; the rest was generated.

    Raises:
        Failure: The server did not echo the prompt, or its tokens do not join to it (code `prompt_logprobs`).
    """
    if not isinstance(logprobs, dict):
        raise _missing("it sent no logprobs")
    tokens, values = logprobs.get("tokens"), logprobs.get("token_logprobs")
    if not isinstance(tokens, list) or not isinstance(values, list) or len(tokens) != len(values):
        raise _missing("it sent no token_logprobs")
    end = len(tokens) - 1 if prompt_tokens is None else prompt_tokens
    if end < 2 or end > len(tokens):
        raise _missing(f"it sent {len(tokens)} tokens for a prompt of {end}")
    tail, start = "", end
    while start > 0 and len(tail) < len(continuation):
        start -= 1
        tail = str(tokens[start]) + tail
    if not tail.endswith(continuation):
        raise _missing(f"its last tokens join to {tail[-40:]!r}, not to {continuation[-40:]!r}")
    chosen = values[start:end]
    if any(not isinstance(v, int | float) or not math.isfinite(v) for v in chosen):
        raise _missing("a token of the continuation has no log-probability")
    return float(sum(chosen)), end - start


def _missing(why: str) -> Failure:
    return Failure(Error(kind="provider", code="prompt_logprobs", message=f"no log-probabilities of the prompt: {why}"))
