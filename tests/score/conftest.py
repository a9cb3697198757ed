"""A context for scorers: what the pipeline would hand in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from weigh.protocols import Sandbox
from weigh.records.errors import CapabilityError
from weigh.records.instance import Instance
from weigh.records.request import CompletionRequest, Continuation, LoglikelihoodRequest, Output, Request
from weigh.records.trajectory import Trajectory


@dataclass
class Context:
    instance: Instance
    trajectory: Trajectory
    sandbox: Sandbox | None = None

    def members(self, role: str) -> Mapping[str, str]:
        raise CapabilityError(f"no helper model for {role!r}")

    async def ask(self, role: str, request: Request, *, usable: Callable[[Output], bool] | None = None) -> Output:
        raise CapabilityError(f"no helper model for {role!r}")

    async def open_sandbox(self) -> Sandbox:
        raise CapabilityError("no sandbox here")


@pytest.fixture
def said() -> Callable[..., Context]:
    """`said(text, gold, choices=..., inputs=...)`: the context of a model that replied this text."""

    def make(text: str, gold: Any = None, *, sandbox: Sandbox | None = None, **fields: Any) -> Context:
        instance = Instance(question="q", gold_answer=gold, id="1", **fields)
        trajectory = Trajectory(request=CompletionRequest(prompt="q"), output=Output(text=text))
        return Context(instance, trajectory, sandbox)

    return make


@pytest.fixture
def weighed() -> Callable[..., Context]:
    """`weighed({text: (logprob, tokens[, unconditional])}, gold)`: the context of a ranked multiple choice."""

    def make(found: dict[str, tuple[Any, ...]], gold: Any, choices: tuple[str, ...] | None = None) -> Context:
        texts = tuple(found)
        continuations = tuple(
            Continuation(logprob=v[0], num_tokens=v[1], unconditional_logprob=v[2] if len(v) > 2 else None)
            for v in found.values()
        )
        instance = Instance(question="q", gold_answer=gold, choices=choices or tuple(t.strip() for t in texts), id="1")
        request = LoglikelihoodRequest(context="q", continuations=texts)
        return Context(instance, Trajectory(request=request, output=Output(continuations=continuations)))

    return make
