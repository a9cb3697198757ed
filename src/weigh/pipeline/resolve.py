"""What a user asks for, resolved and checked before anything is written or started: arms, tasks and helper models.

Everything that is wrong is said in one message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from weigh.define.harness import load_harness
from weigh.pipeline.acting import Acting, find_acting, together
from weigh.pipeline.arms import ArmPlan, Sampling, plan_arms, request_transform
from weigh.pipeline.helpers import Helpers
from weigh.pipeline.prepare import PreparedPlan, check, prepare_tasks
from weigh.pipeline.request import RunRequest, Setting
from weigh.plan.matrix import Transform
from weigh.records.errors import DefinitionError, WeighError


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """What was found.

    Attributes:
        arms: Every model in every setting, not started.
        transforms: What each arm changes of a rendered request, by the arm's id; None where it changes nothing.
        prepared: The tasks, loaded.
        helpers: The helper models, not started.
    """

    arms: list[ArmPlan]
    transforms: Mapping[str, Transform | None]
    prepared: PreparedPlan
    helpers: Helpers

    @property
    def actings(self) -> list[Acting]:
        """What the arms act with, each once."""
        return list({id(a.acting): a.acting for a in self.arms}.values())


async def resolve(request: RunRequest) -> Resolved:
    """Resolve and check everything; nothing is written and no model is started.

    Raises:
        WeighError: All that is wrong with the request.
    """
    settings = request.settings or (Setting(harness=load_harness(request.harness, request.overrides)),)
    sampling = Sampling(temperature=request.temperature, max_tokens=request.max_tokens, seed=request.seed)
    actings: list[Acting] = []
    problems: list[str] = []
    for setting in settings:
        acting, found = await find_acting(setting)
        actings.append(acting)
        problems += found
    errors: list[WeighError] = []
    arms: list[ArmPlan] = []
    prepared, helpers = PreparedPlan(columns=(), tasks=(), suites=()), Helpers()
    try:
        arms = await plan_arms(request.models, actings, sampling, request.concurrency, where=request.models_from)
    except WeighError as error:
        errors.append(error)
    try:
        prepared = await check(
            prepare_tasks(
                request.tasks,
                request.limit,
                epochs=request.task_epochs,
                allow_missing=request.skip_unavailable,
                agents=any(setting.harness.scaffold != "single_turn" for setting in settings),
                registry=request.registry,
            ),
            arms,
            skip_unavailable=request.skip_unavailable,
        )
    except WeighError as error:
        errors.append(error)
    try:
        helpers = await Helpers.plan(helper_models(settings), retries=settings[0].harness.retries)
    except WeighError as error:
        errors.append(error)
    together(problems, errors)
    transforms = {a.arm.id: request_transform(a.setting.harness, sampling, a.acting.tools.specs) for a in arms}
    return Resolved(arms=arms, transforms=transforms, prepared=prepared, helpers=helpers)


def helper_models(settings: Sequence[Setting]) -> dict[str, str]:
    """The helper models of all settings; a run has one for each role.

    Raises:
        DefinitionError: Two settings want different ones.
    """
    found: dict[str, str] = {}
    for setting in settings:
        for role, model in setting.harness.helpers.items():
            if found.setdefault(role, model) != model:
                raise DefinitionError(
                    f"the settings of one run have two models for the role '{role}': {found[role]}, {model}"
                )
    return found
