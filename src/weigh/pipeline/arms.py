"""From `-m MODEL` to arms: each model resolved, with the provider that will serve it and the digest that names it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from weigh.define.harness import Harness
from weigh.define.spec import ModelSpec, parse_model
from weigh.execute.providers.registry import open_provider
from weigh.protocols import Provider
from weigh.records.arm import Arm, Axis
from weigh.records.digest import digest
from weigh.records.errors import CapabilityError, DefinitionError, Failure
from weigh.records.request import ChatRequest, LoglikelihoodRequest, Message, Request, ToolSpec


class Sampling(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the command line changes of every task's sampling; None leaves the task's own."""

    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None

    def changes(self) -> dict[str, Any]:
        """The settings that are given."""
        return {k: v for k, v in msgspec.structs.asdict(self).items() if v is not None}


def request_transform(
    harness: Harness, sampling: Sampling, tools: tuple[ToolSpec, ...] = ()
) -> Callable[[Request], Request] | None:
    """What harness (its system prompt and tools) and command line change of a rendered request; None when nothing."""
    changes = sampling.changes()
    system = Message(role="system", content=harness.system_prompt) if harness.system_prompt else None
    if not changes and system is None and not tools:
        return None

    def change(request: Request) -> Request:
        if isinstance(request, LoglikelihoodRequest):
            return request
        if changes:
            request = msgspec.structs.replace(request, sampling=msgspec.structs.replace(request.sampling, **changes))
        if system is not None and isinstance(request, ChatRequest):
            request = msgspec.structs.replace(request, messages=(system, *request.messages))
        if tools and isinstance(request, ChatRequest):
            choice = harness.tool_choice or request.tool_choice
            request = msgspec.structs.replace(request, tools=(*request.tools, *tools), tool_choice=choice)
        return request

    return change


class ArmPlan(msgspec.Struct, frozen=True, kw_only=True):
    """An arm with what serves it. The provider is not started yet."""

    arm: Arm
    spec: ModelSpec
    provider: Provider
    identity: dict[str, Any]


async def plan_arms(
    models: Sequence[str],
    harness: Harness,
    sampling: Sampling,
    concurrency: int | None,
    code: Mapping[str, str] | None = None,
) -> list[ArmPlan]:
    """Resolve every model.

    Args:
        code: Digests of the user's own files that the harness runs, by reference: an edited tool is another harness.

    Raises:
        DefinitionError: A spec that cannot be read, no model at all, or one model twice.
        CapabilityError: All providers that cannot be used here, in one message.
    """
    if not models:
        raise DefinitionError("no model: give one with -m provider/name, e.g. -m llamacpp/smollm2-135m-instruct")
    specs = [parse_model(text) for text in models]
    plans: list[ArmPlan] = []
    problems: list[str] = []
    ids = _short_names(specs)
    for spec, arm_id in zip(specs, ids, strict=True):
        try:
            provider = open_provider(spec, concurrency=concurrency, options=harness.provider)
            identity = await provider.identity()
        except CapabilityError as error:
            problems.append(str(error))
            continue
        except Failure as failure:
            problems.append(f"model '{spec.text}': {failure.error.message}")
            continue
        plans.append(
            ArmPlan(
                arm=make_arm(arm_id, spec, identity, harness, sampling, code),
                spec=spec,
                provider=provider,
                identity=identity,
            )
        )
    if problems:
        raise CapabilityError("\n".join(problems))
    _refuse_twins(plans)
    return plans


def make_arm(
    arm_id: str,
    spec: ModelSpec,
    identity: dict[str, Any],
    harness: Harness,
    sampling: Sampling,
    code: Mapping[str, str] | None = None,
) -> Arm:
    """The arm of one model under one harness: its axes, and the digest of what it gives the model."""
    axes: dict[str, Axis] = {"model": spec.label or spec.name, "provider": spec.provider, "harness": harness.name}
    known = {"checkpoint": spec.checkpoint, "step": spec.step, "size": spec.size}
    axes.update({name: value for name, value in known.items() if value is not None})
    changed = sampling.changes()
    axes.update(changed)
    harness_digest = digest([harness.identity(), dict(code)]) if code else harness.identity_digest()
    return Arm(
        id=arm_id,
        digest=digest({"model": identity, "harness": harness_digest, "sampling": changed}),
        axes=axes,
        config={"model": identity, "harness": harness_digest, "sampling": changed},
    )


def _short_names(specs: Sequence[ModelSpec]) -> list[str]:
    """A short name for each model; where two share one, what differs is added."""

    def tail(spec: ModelSpec) -> str:
        name = spec.label or re.sub(r"\.gguf$", "", spec.name.rstrip("/").rsplit("/", 1)[-1])
        return name + (f"@{spec.checkpoint}" if spec.checkpoint else f"@{spec.step}" if spec.step is not None else "")

    names = [tail(s) for s in specs]
    for index, spec in enumerate(specs):
        if names.count(tail(spec)) > 1:
            names[index] = f"{spec.provider}/{spec.name}"
    for index, spec in enumerate(specs):
        if names.count(names[index]) > 1:
            names[index] = spec.text
    return names


def _refuse_twins(plans: Sequence[ArmPlan]) -> None:
    seen: dict[str, str] = {}
    for plan in plans:
        if plan.arm.digest in seen:
            raise DefinitionError(
                f"models '{seen[plan.arm.digest]}' and '{plan.spec.text}' are the same thing; give it once "
                "(use --epochs to ask the same questions again)"
            )
        seen[plan.arm.digest] = plan.spec.text
