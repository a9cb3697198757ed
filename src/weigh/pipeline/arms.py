"""From `-m MODEL` to arms: each model resolved, with the provider that will serve it and the digest that names it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from weigh.define.harness import Harness
from weigh.define.spec import ModelSpec, parse_model
from weigh.execute.providers.registry import open_provider
from weigh.pipeline.acting import Acting, own_code
from weigh.pipeline.request import Setting
from weigh.protocols import Provider
from weigh.records.arm import Arm, Axis
from weigh.records.digest import digest
from weigh.records.errors import CapabilityError, DefinitionError, Failure, WeighError, placed
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
    """An arm with what serves it. Neither provider nor scaffold is started yet; arms of one model share a provider."""

    arm: Arm
    spec: ModelSpec
    provider: Provider
    identity: dict[str, Any]
    acting: Acting

    @property
    def setting(self) -> Setting:
        return self.acting.setting


async def plan_arms(
    models: Sequence[str], actings: Sequence[Acting], sampling: Sampling, concurrency: int | None, *, where: str = ""
) -> list[ArmPlan]:
    """Resolve every model in every setting, the settings of one model next to each other.

    Args:
        where: Where the models were written, for errors.

    Raises:
        DefinitionError: A spec that cannot be read, no model at all, or one model twice.
        CapabilityError: All providers that cannot be used here, in one message.
    """
    if not models:
        raise DefinitionError("no model: give one with -m provider/name, e.g. -m llamacpp/smollm2-135m-instruct")
    specs = [parse_model(text) for text in models]
    plans: list[ArmPlan] = []
    problems: list[str] = []
    for index, (spec, model) in enumerate(zip(specs, _short_names(specs), strict=True)):
        place = f"{where}[{index}]" if where and len(specs) > 1 else where
        opened: dict[str, tuple[Provider, dict[str, Any]]] = {}
        for acting in actings:
            harness, label = acting.setting.harness, acting.setting.label
            wanted = digest(harness.provider)
            try:
                if wanted not in opened:
                    provider = open_provider(
                        spec, concurrency=concurrency or harness.concurrency, options=harness.provider
                    )
                    opened[wanted] = provider, await provider.identity()
            except CapabilityError as error:
                problems.append(str(placed(error, place) if place else error))
                continue
            except WeighError as error:
                raise (placed(error, place) if place else error) from None
            except Failure as failure:
                problems.append(f"{place + ': ' if place else ''}model '{spec.text}': {failure.error.message}")
                continue
            provider, identity = opened[wanted]
            plans.append(
                ArmPlan(
                    arm=make_arm(f"{model}/{label}" if label else model, spec, identity, acting, sampling),
                    spec=spec,
                    provider=provider,
                    identity=identity,
                    acting=acting,
                )
            )
    if problems:
        raise CapabilityError("\n".join(dict.fromkeys(problems)))
    _refuse_twins(plans, where)
    return plans


def make_arm(
    arm_id: str,
    spec: ModelSpec,
    identity: dict[str, Any],
    acting: Acting,
    sampling: Sampling,
) -> Arm:
    """The arm of one model in one setting: its axes, and the digest of what it gives the model."""
    setting, harness = acting.setting, acting.setting.harness
    axes: dict[str, Axis] = {"model": spec.label or spec.name, "provider": spec.provider, "harness": harness.name}
    known = {"checkpoint": spec.checkpoint, "step": spec.step, "size": spec.size}
    axes.update({name: value for name, value in known.items() if value is not None})
    axes.update(setting.axes)
    changed = sampling.changes()
    axes.update(changed)
    code = own_code(harness)
    harness_digest = digest([harness.identity(), code]) if code else harness.identity_digest()
    given: dict[str, Any] = {"model": identity, "harness": harness_digest, "sampling": changed}
    if acting.scaffold:
        given["scaffold"] = acting.scaffold
    if setting.workspace is not None:
        given["workspace"] = setting.workspace.digest
    if acting.told:
        given["told"] = acting.told
    return Arm(id=arm_id, digest=digest(given), axes=axes, config=given)


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


def _refuse_twins(plans: Sequence[ArmPlan], where: str) -> None:
    """Refuse two arms that give a model the same.

    Args:
        where: Where the models were written; what else a study crosses stands beside them.
    """
    seen: dict[str, ArmPlan] = {}
    for plan in plans:
        other = seen.setdefault(plan.arm.digest, plan)
        if other is plan:
            continue
        ours, theirs = other.arm.axes, plan.arm.axes
        axes = [axis for axis in plan.acting.setting.axes or ("harness",) if ours.get(axis) != theirs[axis]]
        if other.spec.text != plan.spec.text or not axes:
            error = DefinitionError(
                f"models '{other.spec.text}' and '{plan.spec.text}' are the same thing; give it once "
                "(use --epochs to ask the same questions again)"
            )
            raise placed(error, where) if where else error
        twins = " and ".join(f"{axis} {str(ours.get(axis))!r} and {str(theirs[axis])!r}" for axis in axes)
        error = DefinitionError(
            f"{twins} are the same thing in {other.arm.id} and {plan.arm.id}: nothing that the model is given differs; "
            "leave one out" + (", there at least (`revisions:` of the tier)" if axes == ["tier"] else "")
        )
        raise placed(error, f"{where.removesuffix('models')}{axes[0]}s") if where else error
