"""A model that answers from a script: for tests, for trying out a task without a model, and for measuring weigh itself.

    scripted/echo                   returns the last user message (or the prompt)
    scripted/constant::answer=42    always the same answer
    scripted/answers.json           a list (answers in order, then again) or an object (answers by the question, or a
                                    list of turns by it: text, tool calls, failures, delays); YAML too
    scripted/answers.py:answer      a Python function of the request that returns text, a `Turn` or an `Output`

Latency, failures, rate limits, silence and emptiness come on request. Log-probabilities follow a fixed rule: a
continuation costs between 0.5 and 1.5 nats a byte, drawn from a hash of context and continuation.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import random
import time
from collections.abc import Callable
from typing import Any

import msgspec

from weigh.define.decode import decode
from weigh.execute.providers.script import Answer, Script, Tries, Turn, answerer, load_script, question, turn_output
from weigh.protocols import Capability
from weigh.records.digest import digest, digest_bytes
from weigh.records.errors import Error, Failure
from weigh.records.request import Continuation, LoglikelihoodRequest, Output, Request
from weigh.records.usage import Usage

__all__ = ["Answer", "Script", "ScriptedOptions", "ScriptedProvider", "Turn", "echo"]

_ALL: frozenset[Capability] = frozenset({"chat", "completion", "loglikelihood", "tools"})


class ScriptedOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the scripted model behaves.

    Attributes:
        answer: What `scripted/constant` says.
        latency: Seconds an answer takes.
        jitter: Up to so many seconds more, from `seed`.
        fail_every: Every n-th request fails with HTTP 500, which can pass.
        refuse_every: Every n-th request fails with HTTP 400, which cannot.
        empty_every: Every n-th answer is empty.
        hang_every: Every n-th request is never answered.
        rate_limit: Requests a second; more are turned away with a 429.
        retry_after: What such a 429 asks for, in seconds.
        capabilities: What it can be asked for; by default all.
        seed: Of the jitter.
    """

    answer: str | int | float = ""
    latency: float = 0.0
    jitter: float = 0.0
    fail_every: int = 0
    refuse_every: int = 0
    empty_every: int = 0
    hang_every: int = 0
    rate_limit: float | None = None
    retry_after: float | None = None
    capabilities: frozenset[Capability] = _ALL
    seed: int = 0


class ScriptedProvider:
    """Answers from a script.

    Attributes:
        requests: Everything it was asked, in order, when `keep_requests` was set.
        calls: How many requests came.
    """

    def __init__(
        self,
        script: Script,
        options: ScriptedOptions | None = None,
        *,
        name: str = "scripted/script",
        keep_requests: bool = False,
    ) -> None:
        """
        Args:
            script: A sequence (in order, then from the start), a mapping (the longest key that the question contains;
                `*` for everything else; a list under a key is a conversation, turn by turn), or a function of the
                request.
            options: How it behaves.
            name: What it is called.
            keep_requests: Whether to remember what it was asked.
        """
        self.name = name
        self.options = options or ScriptedOptions()
        self.capabilities: frozenset[Capability] = self.options.capabilities
        self.concurrency: int | None = None
        self.requests: list[Request] | None = [] if keep_requests else None
        self.calls = 0
        self._script = script
        self._answer = answerer(script)
        self._tries = Tries()
        self._random = random.Random(self.options.seed)
        self._allowance = 1.0
        self._refilled = time.monotonic()

    async def __aenter__(self) -> ScriptedProvider:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    async def identity(self) -> dict[str, Any]:
        """The name and a digest of the script; how fast or how badly it answers is no part of it."""
        identity: dict[str, Any] = {"provider": "scripted", "model": self.name.removeprefix("scripted/")}
        if callable(self._script):
            identity["script"] = _function_digest(self._script)
        else:
            identity["script"] = digest(self._script)
        return identity

    async def respond(self, request: Request) -> Output:
        """Answer as the script says. Raises `Failure` when script or options say so."""
        self.calls += 1
        number, options = self.calls, self.options
        if self.requests is not None:
            self.requests.append(request)
        if options.rate_limit is not None:
            self._take_allowance(options.rate_limit)
        if _hits(number, options.hang_every):
            await asyncio.get_running_loop().create_future()
        delay = options.latency + (self._random.random() * options.jitter if options.jitter else 0.0)
        if delay:
            await asyncio.sleep(delay)
        if _hits(number, options.fail_every):
            raise _failure("http_500", "scripted failure", transient=True)
        if _hits(number, options.refuse_every):
            raise _failure("http_400", "scripted refusal", transient=False)
        if _hits(number, options.empty_every):
            return Output(usage=Usage(new=len(question(request).split()), generated=0, calls=1))
        if isinstance(request, LoglikelihoodRequest):
            return _ranked(request)
        said = self._answer(request)
        answer = said.answer
        if isinstance(answer, Turn):
            if answer.delay:
                await asyncio.sleep(answer.delay)
            self._tries.check(answer, request)
            return turn_output(answer, said.turn, request, self.name)
        if isinstance(answer, Output):
            return answer
        words = len(answer.split())
        usage = Usage(new=len(question(request).split()), generated=words, calls=1)
        return Output(text=answer, finish_reason="stop", usage=usage, model=self.name)

    def _take_allowance(self, rate: float) -> None:
        """A token bucket that holds one second's worth."""
        now = time.monotonic()
        self._allowance = min(max(1.0, rate), self._allowance + (now - self._refilled) * rate)
        self._refilled = now
        if self._allowance < 1.0:
            raise _failure("http_429", "scripted rate limit", transient=True, retry_after=self.options.retry_after)
        self._allowance -= 1.0


def echo(request: Request) -> str:
    """The last user message of a chat, the prompt of a completion."""
    return question(request)


def _ranked(request: LoglikelihoodRequest) -> Output:
    """Log-probabilities by the fixed rule in the module's docstring."""
    prior = request.unconditional_context
    return Output(
        continuations=tuple(
            Continuation(
                logprob=_logprob(request.context, text),
                num_tokens=max(1, len(text.split())),
                unconditional_logprob=None if prior is None else _logprob(prior, text),
            )
            for text in request.continuations
        ),
        usage=Usage(new=len(request.context.split()), generated=0, calls=1),
    )


def _logprob(context: str, continuation: str) -> float:
    drawn = hashlib.sha256(f"{context}\x00{continuation}".encode()).digest()
    per_byte = 0.5 + int.from_bytes(drawn[:4], "big") / 2**32
    return -round(per_byte * max(1, len(continuation.encode())), 6)


def _hits(number: int, every: int) -> bool:
    return every > 0 and number % every == 0


def _failure(code: str, message: str, *, transient: bool, retry_after: float | None = None) -> Failure:
    return Failure(Error(kind="provider", code=code, message=message, transient=transient, retry_after=retry_after))


def _function_digest(function: Callable[..., Any]) -> str:
    """Of the source where there is one, else of the name: a changed script is another model."""
    try:
        return digest_bytes(inspect.getsource(function).encode())
    except (OSError, TypeError):
        return digest(getattr(function, "__qualname__", type(function).__qualname__))


def create(model: str, options: dict[str, Any], *, concurrency: int | None) -> ScriptedProvider:
    """Make the provider of `scripted/MODEL`. Raises `DefinitionError` when its script cannot be read."""
    chosen = decode(options, ScriptedOptions, f"scripted/{model}")
    name = f"scripted/{model}"
    if model == "echo":
        return ScriptedProvider(echo, chosen, name=name)
    if model == "constant":
        return ScriptedProvider([str(chosen.answer)], chosen, name=name)
    return ScriptedProvider(load_script(model), chosen, name=name)
