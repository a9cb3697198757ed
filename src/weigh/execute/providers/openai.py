"""Any server that speaks the OpenAI API: chat, completions, tools, log-probabilities, and loglikelihood where it can.

Log-probabilities of a given text need a server that returns those of the prompt (`echo` with `logprobs`): vLLM and
SGLang do, most hosted APIs do not. That is probed with one small request when a task needs it, and refused if it fails.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from weigh.define.decode import decode
from weigh.execute.prices import parse_price, price_of
from weigh.execute.providers.echo import scored_continuation
from weigh.execute.providers.transport import Transport, garbage
from weigh.execute.providers.wire import (
    Response,
    chat_body,
    completion_body,
    decode_response,
    to_output,
    to_usage,
    without,
)
from weigh.protocols import Capability
from weigh.records.bounds import Positive
from weigh.records.errors import CapabilityError, Failure
from weigh.records.request import (
    ChatRequest,
    CompletionRequest,
    Continuation,
    LoglikelihoodRequest,
    Output,
    Request,
)
from weigh.records.usage import Usage, add_usage

DEFAULT_URL = "https://api.openai.com/v1"
_encode = msgspec.json.Encoder().encode


class OpenAIOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of `openai/MODEL::key=value,...`.

    Attributes:
        base_url: Where the API lives, with its `/v1`; else OPENAI_BASE_URL, else OpenAI's own.
        api_key_env: The environment variable that holds the key.
        timeout: Seconds one request may take.
        headers: Sent with every request.
        max_tokens_field: `max_tokens` or `max_completion_tokens`; by default what the host wants.
        omit: Fields never sent, for models that refuse them (`["temperature"]`).
        extra_body: Fields sent with every request; part of what the model is given.
        revision: Names the weights behind the name, where the server serves changing ones under one name.
        price: `INPUT/OUTPUT` in dollars per million tokens.
        loglikelihood: `probe` finds out with one small request, `yes` and `no` decide.
    """

    base_url: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    timeout: Positive = 600.0
    headers: dict[str, str] = {}
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = None
    omit: list[str] = []
    extra_body: dict[str, Any] = {}
    revision: str | None = None
    price: str | None = None
    loglikelihood: Literal["probe", "yes", "no"] = "probe"


class OpenAIProvider:
    """One model on one server.

    Attributes:
        alive_timeout: Seconds that `alive` waits for an answer.
    """

    alive_timeout = 5.0

    def __init__(
        self, model: str, options: OpenAIOptions, *, concurrency: int | None = None, key: str | None = None
    ) -> None:
        self.name = f"openai/{model}"
        self.model = model
        self.options = options
        self.concurrency: int | None = None
        self.capabilities: frozenset[Capability] = frozenset({"chat", "completion", "tools", "logprobs"})
        if options.loglikelihood == "yes":
            self.capabilities |= {"loglikelihood"}
        base_url = options.base_url or DEFAULT_URL
        host = urlsplit(base_url).hostname or ""
        self.price = parse_price(options.price) if options.price else price_of(host, model)
        field = "max_completion_tokens" if host == "api.openai.com" else "max_tokens"
        self._max_tokens_field = options.max_tokens_field or field
        headers = dict(options.headers)
        if key:
            headers.setdefault("Authorization", f"Bearer {key}")
        self.transport = Transport(
            base_url, headers=headers, concurrency=concurrency, timeout=options.timeout, secret=key
        )

    async def __aenter__(self) -> OpenAIProvider:
        await self.transport.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.transport.close()

    async def identity(self) -> dict[str, Any]:
        """The model's name, its revision if one was given, and what is sent with every request."""
        identity: dict[str, Any] = {"provider": "openai", "model": self.model}
        if self.options.revision:
            identity["revision"] = self.options.revision
        if self.options.extra_body:
            identity["extra_body"] = self.options.extra_body
        if self.options.omit:
            identity["omit"] = sorted(self.options.omit)
        return identity

    async def alive(self) -> bool:
        """Whether the server answers anything at all within `alive_timeout` seconds."""
        return await self.transport.answers("/models", timeout=self.alive_timeout) is not None

    async def probe(self, capability: Capability) -> str | None:
        """Find out whether the server has an ability; None if it does, else why not."""
        if capability != "loglikelihood":
            return "this provider never does"
        if self.options.loglikelihood == "no":
            return "it was switched off by loglikelihood=no"
        try:
            await self._score("The sky is", " blue today")
        except Failure as failure:
            return f"its server returns no log-probabilities of a prompt ({failure.error.message})"
        self.capabilities |= {"loglikelihood"}
        return None

    async def respond(self, request: Request) -> Output:
        """Answer one request. Raises `Failure`."""
        options = self.options
        if isinstance(request, ChatRequest):
            body = chat_body(request, self.model, max_tokens_field=self._max_tokens_field, extra=options.extra_body)
            path = "/chat/completions"
        elif isinstance(request, CompletionRequest):
            body = completion_body(request, self.model, extra=options.extra_body)
            path = "/completions"
        else:
            return await self._loglikelihood(request)
        try:
            return to_output(await self._send(path, without(body, options.omit)), price=self.price)
        except Failure as failure:
            if failure.error.code != "content_filter":
                raise
            # The provider withheld an answer because of what was asked: an outcome, not a breakdown.
            return Output(text="", finish_reason="content_filter", usage=Usage(calls=1))

    async def _send(self, path: str, body: dict[str, Any]) -> Response:
        data = await self.transport.post(path, _encode(body))
        try:
            return decode_response(data)
        except msgspec.DecodeError as cause:  # ValidationError is one too
            raise Failure(garbage(data, cause)) from None

    async def _loglikelihood(self, request: LoglikelihoodRequest) -> Output:
        contexts = [request.context] * len(request.continuations)
        if request.unconditional_context is not None:
            contexts += [request.unconditional_context] * len(request.continuations)
        pairs = zip(contexts, request.continuations * 2, strict=False)
        scored = await _all([self._score(context, continuation) for context, continuation in pairs])
        count = len(request.continuations)
        continuations = tuple(
            Continuation(
                logprob=scored[i][0],
                num_tokens=scored[i][1],
                unconditional_logprob=scored[count + i][0] if len(scored) > count else None,
            )
            for i in range(count)
        )
        return Output(continuations=continuations, usage=add_usage(s[2] for s in scored))

    async def _score(self, context: str, continuation: str) -> tuple[float, int, Usage]:
        body = {
            "model": self.model,
            "prompt": context + continuation,
            "max_tokens": 1,
            "temperature": 0.0,
            "echo": True,
            "logprobs": 1,
            **self.options.extra_body,
        }
        response = await self._send("/completions", body)
        to_output(response)  # raises when there is an error inside
        usage = to_usage(response.usage, self.price)
        prompt_tokens = response.usage.prompt_tokens if response.usage else None
        logprob, count = scored_continuation(response.choices[0].logprobs, continuation, prompt_tokens)
        return logprob, count, usage


async def _all(coroutines: list[Coroutine[Any, Any, tuple[float, int, Usage]]]) -> list[tuple[float, int, Usage]]:
    """Run all; the first failure cancels the rest."""
    tasks = [asyncio.ensure_future(c) for c in coroutines]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def create(model: str, options: dict[str, Any], *, concurrency: int | None) -> OpenAIProvider:
    """Make the provider from options and environment. Raises `CapabilityError` without a key for OpenAI's own API."""
    chosen = decode(options, OpenAIOptions, f"openai/{model}")
    if chosen.base_url is None and (url := os.environ.get("OPENAI_BASE_URL")):
        chosen = msgspec.structs.replace(chosen, base_url=url)
    key = os.environ.get(chosen.api_key_env)
    if key is None and chosen.base_url is None:
        raise CapabilityError(
            f"openai/{model} needs a key in {chosen.api_key_env}, or base_url=http://... (OPENAI_BASE_URL) of a server "
            "that needs none"
        )
    return OpenAIProvider(model, chosen, concurrency=concurrency, key=key)
