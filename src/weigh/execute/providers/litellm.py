"""Whatever litellm knows: `litellm/anthropic/claude-sonnet-4-5`, with keys in the environment as litellm wants them.

litellm costs several times what the `openai` provider costs per request; use that one where the API is compatible.
"""

from __future__ import annotations

import importlib
import os
from functools import cache
from typing import Any

import msgspec

from weigh.define.decode import decode
from weigh.execute.prices import parse_price
from weigh.execute.providers.transport import says_context_length
from weigh.execute.providers.wire import Response, chat_body, completion_body, to_output, without
from weigh.protocols import Capability
from weigh.records.bounds import Positive
from weigh.records.errors import Error, ErrorKind, Failure
from weigh.records.request import ChatRequest, CompletionRequest, Output, Request
from weigh.records.usage import Usage


class LiteLLMOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of `litellm/MODEL`.

    Attributes:
        api_base: Passed on.
        timeout: Seconds one request may take.
        omit: Fields never sent.
        extra_body: Arguments of litellm sent with every request; part of what the model is given.
        price: `INPUT/OUTPUT` in dollars per million tokens; else what litellm's own table says, if anything.
    """

    api_base: str | None = None
    timeout: Positive = 600.0
    omit: list[str] = []
    extra_body: dict[str, Any] = {}
    price: str | None = None


@cache
def _litellm() -> Any:
    """The library, told not to fetch its price table from the network when it is imported, nor to report anything."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    library: Any = importlib.import_module("litellm")
    library.suppress_debug_info = True
    library.telemetry = False
    return library


class LiteLLMProvider:
    """One model through litellm. It never retries by itself: attempts are ours to count."""

    def __init__(self, model: str, options: LiteLLMOptions) -> None:
        self.name = f"litellm/{model}"
        self.model = model
        self.options = options
        self.capabilities: frozenset[Capability] = frozenset({"chat", "completion", "tools", "logprobs"})
        self.concurrency: int | None = None
        self.price = parse_price(options.price) if options.price else None

    async def __aenter__(self) -> LiteLLMProvider:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    async def identity(self) -> dict[str, Any]:
        """The model's name and what is sent with every request."""
        extra = {"extra_body": self.options.extra_body} if self.options.extra_body else {}
        return {"provider": "litellm", "model": self.model, **extra}

    async def respond(self, request: Request) -> Output:
        """Answer one request. Raises `Failure`."""
        options, litellm = self.options, _litellm()
        if isinstance(request, ChatRequest):
            call, body = litellm.acompletion, chat_body(request, self.model, extra=options.extra_body)
        elif isinstance(request, CompletionRequest):
            call, body = litellm.atext_completion, completion_body(request, self.model, extra=options.extra_body)
        else:
            raise Failure(
                Error(kind="provider", code="unsupported", message="litellm returns no log-probabilities of a prompt")
            )
        arguments = {k: list(v) if isinstance(v, tuple) else v for k, v in without(body, options.omit).items()}
        try:
            answer = await call(**arguments, api_base=options.api_base, timeout=options.timeout, num_retries=0)
        except litellm.exceptions.ContentPolicyViolationError:
            return Output(text="", finish_reason="content_filter", usage=Usage(calls=1))
        except Exception as cause:  # litellm's exceptions have many roots; what carries no status is a bug of its own
            raise Failure(_classified(cause)) from cause
        response = msgspec.convert(answer.model_dump(), Response)
        output = to_output(response, price=self.price)
        if output.usage.cost is None and (cost := _listed_cost(answer)) is not None:
            output = msgspec.structs.replace(output, usage=msgspec.structs.replace(output.usage, cost=cost))
        return output


def _classified(cause: Exception) -> Error:
    """One of litellm's exceptions as an error with a kind."""
    names = _litellm().exceptions
    status = getattr(cause, "status_code", None)
    kind: ErrorKind = "provider"
    code = f"http_{status}" if status else type(cause).__name__
    transient = isinstance(status, int) and (status in (408, 409, 429) or status >= 500)
    if isinstance(cause, names.ContextWindowExceededError) or (status == 400 and says_context_length(str(cause))):
        kind, code, transient = "limit", "context_length", False
    elif isinstance(cause, names.APIConnectionError):
        code, transient = "connection", True
    elif isinstance(cause, names.Timeout):
        code, transient = "timeout", True
    return Error(kind=kind, code=code, message=str(cause).split("\n", 1)[0][:400], transient=transient)


def _listed_cost(answer: Any) -> float | None:
    """Dollars by litellm's own price table; None where it does not list the model."""
    cost = getattr(answer, "_hidden_params", {}).get("response_cost")
    return float(cost) if cost else None


def create(model: str, options: dict[str, Any], *, concurrency: int | None) -> LiteLLMProvider:
    """Make the provider of `litellm/MODEL`."""
    return LiteLLMProvider(model, decode(options, LiteLLMOptions, f"litellm/{model}"))
