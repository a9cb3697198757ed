"""The trial's context as an agent's gateway session sees it: what weigh decides is put into each request, calls are
counted and timed, and what fails is remembered for the trial."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from weigh.execute.limits import LimitReached
from weigh.execute.stop import Abandoned
from weigh.protocols import Capability, ScaffoldContext
from weigh.records.errors import Error, Failure
from weigh.records.request import ChatRequest, LoglikelihoodRequest, Output, Request, SamplingParams
from weigh.records.trajectory import Step
from weigh.records.usage import Usage, add_usage

HIDDEN = "[the trial's token]"
AGENTS_OWN = frozenset({"context_length", "bad_request", "http_400", "http_413", "http_422"})
"""Failures that a request can be to blame for: the agent is told and may do better; the trial fails if it does not."""


class Answered(NamedTuple):
    """One answer of the model.

    Attributes:
        output: It.
        began: Seconds since the trial began.
        seconds: Until it was there.
    """

    output: Output
    began: float
    seconds: float


class AgentCalls:
    """A provider. See above.

    Attributes:
        failure: What ended the trial from the provider's side; `failed` is set with it.
        bug: What the provider raised that is no failure, for the trial to raise again; `failed` is set with it.
        answers: In order.
        tools: Names of the tools that the agent offered the model, in any of its requests.
        first: The request that began its work: its first one with tools, else its first. (Some agents have the model
            name the session before.)
        secret: Left out of requests: the trial's token.
        withheld: Whether the model cannot call tools, so that the agent's were left out of its requests.
    """

    def __init__(self, context: ScaffoldContext, request: Request) -> None:
        self._context, self._provider = context, context.provider
        self.name, self.concurrency = self._provider.name, self._provider.concurrency
        self.withheld = "tools" not in self._provider.capabilities
        self.capabilities: frozenset[Capability] = self._provider.capabilities | {"tools"}
        self._sampling = None if isinstance(request, LoglikelihoodRequest) else request.sampling
        self.answers: list[Answered] = []
        self.secret = ""
        self.tools: set[str] = set()
        self.first: ChatRequest | None = None
        self.failure: Error | None = None
        self.bug: Exception | None = None
        self.failed = asyncio.Event()

    async def __aenter__(self) -> AgentCalls:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    async def identity(self) -> dict[str, Any]:
        return await self._provider.identity()

    @property
    def usage(self) -> Usage:
        """Of all answers, by the provider's own count."""
        return add_usage(a.output.usage for a in self.answers)

    @property
    def last(self) -> Output | None:
        """The last answer."""
        return self.answers[-1].output if self.answers else None

    async def respond(self, request: Request) -> Output:
        """Pass a call on. Raises what the context raises; also `LimitReached` for calls of tools."""
        began = self._context.seconds
        if isinstance(request, ChatRequest):
            self.tools.update(tool.name for tool in request.tools)
            if self.first is None or (request.tools and not self.first.tools):
                self.first = request
        try:
            output = await self._provider.respond(self._shaped(request))
        except Failure as failure:
            if failure.error.code not in AGENTS_OWN:
                self.failure = self.failure or failure.error
                self.failed.set()
            raise
        except (LimitReached, Abandoned):
            raise
        except Exception as bug:  # raised again by the trial, which it would not reach through the agent
            self.bug = self.bug or bug
            self.failed.set()
            raise Failure(Error(kind="internal", code="exception", message=type(bug).__name__)) from bug
        self.answers.append(Answered(output, began, max(0.0, self._context.seconds - began)))
        self._context.count_calls(len(output.tool_calls))
        return output

    def timed(self, steps: Sequence[Step]) -> list[Step]:
        """Steps with time and usage as measured here; an answer that the agent never told of is put at the end."""
        left, timed = list(self.answers), []
        for step in steps:
            found = next((a for a in left if step.source == "model" and _same(step, a.output)), None)
            if found is not None:
                del left[: left.index(found) + 1]
                step = msgspec.structs.replace(
                    step, usage=found.output.usage, seconds=round(found.seconds, 6), at=round(found.began, 6)
                )
            timed.append(step)
        timed += [
            Step(
                source="model",
                message=a.output.text,
                reasoning=a.output.reasoning,
                tool_calls=a.output.tool_calls,
                usage=a.output.usage,
                seconds=round(a.seconds, 6),
                at=round(a.began, 6),
            )
            for a in left
        ]
        return timed

    def _shaped(self, request: Request) -> Request:
        """The request as weigh wants it: the task's way of drawing tokens, and no tools for a model that has none."""
        if not isinstance(request, ChatRequest):
            return request
        if self.secret and self.secret in (text := msgspec.json.encode(request).decode()):
            # An agent that has read its own key would tell it to the model, and to what is recorded of the call.
            request = msgspec.json.decode(text.replace(self.secret, HIDDEN), type=ChatRequest)
        own = self._sampling or SamplingParams()
        sampling = msgspec.structs.replace(
            request.sampling, temperature=own.temperature, top_p=own.top_p, top_k=own.top_k, seed=own.seed
        )
        request = msgspec.structs.replace(request, sampling=sampling)
        return msgspec.structs.replace(request, tools=(), tool_choice=None) if self.withheld else request


def _same(step: Step, output: Output) -> bool:
    """Whether a step is what the model answered."""
    told, said = sorted(c.name for c in step.tool_calls), sorted(c.name for c in output.tool_calls)
    return step.message.strip() == output.text.strip() and told == said
