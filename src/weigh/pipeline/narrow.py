"""A part of a plan: the tasks and arms that one invocation executes, of a run that has more of them."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

import msgspec

from weigh.pipeline.arms import ArmPlan
from weigh.pipeline.prepare import PreparedPlan
from weigh.pipeline.request import RunRequest
from weigh.records.arm import Arm
from weigh.records.errors import DefinitionError, suggest


def narrow(arms: list[ArmPlan], prepared: PreparedPlan, request: RunRequest) -> tuple[list[ArmPlan], PreparedPlan]:
    """The arms and tasks that a request wants of a plan; all of them where it says nothing.

    Raises:
        DefinitionError: Nothing is left, or a filter names an axis that no arm has.
    """
    if request.only_arms:
        every = arms
        arms = [plan for plan in every if any(_matches(plan.arm, word, every) for word in request.only_arms)]
        if not arms:
            raise DefinitionError(
                f"no arm of the plan matches {' or '.join(request.only_arms)}{_there(every, request)}"
            )
    if request.only_tasks:
        kept = [i for i, task in enumerate(prepared.tasks) if task.name in request.only_tasks]
        if not kept:
            raise DefinitionError(f"the plan has none of the tasks {', '.join(request.only_tasks)}")
        prepared = msgspec.structs.replace(
            prepared,
            columns=tuple(prepared.columns[i] for i in kept),
            tasks=tuple(prepared.tasks[i] for i in kept),
        )
    return arms, prepared


def _there(arms: Sequence[ArmPlan], request: RunRequest) -> str:
    """The values of the axes that the filters name, the closest first where one was mistyped."""
    said = []
    for key, _, wanted in (part.partition("=") for word in request.only_arms for part in word.split(",")):
        known = [p.arm.id if key.strip() == "arm" else str(p.arm.axes.get(key.strip())) for p in arms]
        if not any(fnmatch.fnmatchcase(value, wanted.strip()) for value in known):
            values = list(dict.fromkeys(known))
            said.append(f"{suggest(wanted.strip(), values)} ({key.strip()} is {', '.join(values)})")
    return "".join(dict.fromkeys(said))


def _matches(arm: Arm, word: str, arms: Sequence[ArmPlan]) -> bool:
    for part in word.split(","):
        key, equals, wanted = (text.strip() for text in part.partition("="))
        known = ["arm", *dict.fromkeys(axis for plan in arms for axis in plan.arm.axes)]
        if not equals or key not in known:
            what = f"{part!r} is not AXIS=VALUE" if not equals else f"no arm has an axis {key!r}"
            raise DefinitionError(f"{word!r}: {what}{suggest(key, known) or f' (there are {chr(44).join(known)})'}")
        value = arm.id if key == "arm" else arm.axes.get(key)
        if value is None or not fnmatch.fnmatchcase(str(value), wanted):
            return False
    return True
