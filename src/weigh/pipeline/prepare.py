"""From `-t SPEC` to columns of the matrix: tasks resolved, loaded, rendered on demand, and checked before any token.

Everything that can be wrong with a plan is found here, all of it in one message: a name that is unknown, a provider
that cannot do what a task asks, a sandbox that does not work on this machine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import msgspec

from weigh.define.external import ExternalEval
from weigh.define.markers import marker_name
from weigh.define.prepared import PreparedTask
from weigh.define.registry import Registry, default
from weigh.define.task import Task
from weigh.execute.sandboxes.probe import available
from weigh.pipeline.arms import ArmPlan
from weigh.pipeline.external import problems as external_problems
from weigh.pipeline.sandbox import sandbox_spec
from weigh.plan.matrix import Column
from weigh.records.errors import CapabilityError, DefinitionError
from weigh.records.run import SuiteNode
from weigh.score.markers import BUILT_IN
from weigh.score.registry import scorer_by_name


class PreparedPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The tasks of a run, ready to be rendered.

    Attributes:
        columns: One a task, in the order to run them.
        tasks: The prepared tasks behind them.
        suites: As resolved, without the tasks that were left out.
        skipped: Lines for people about tasks that were left out.
        warnings: Lines for people (duplicate ids, questions taken for few-shot examples, ...).
    """

    columns: tuple[Column, ...]
    tasks: tuple[PreparedTask, ...]
    suites: tuple[SuiteNode, ...]
    skipped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def prepare_tasks(
    specs: Sequence[str],
    limit: str | int | float | None,
    *,
    epochs: Mapping[str, int] | None = None,
    allow_missing: bool = False,
    agents: bool = False,
    registry: Registry | None = None,
) -> PreparedPlan:
    """Resolve and load every task.

    Args:
        epochs: By spec, for tasks that are repeated more or less often than the run says.
        agents: Whether trials are an agent's, which are looked through for the built-in markers too.
        registry: Where names are looked up.

    Raises:
        DefinitionError, DataError: From the definitions; the first one met.
    """
    if not specs:
        raise DefinitionError("no task: give one with -t, e.g. -t starter (`weigh ls tasks` lists them)")
    suites, tasks = (registry or default).expand(specs, allow_missing=allow_missing)
    tasks = [with_built_in_markers(task) for task in tasks] if agents else tasks
    prepared = [task.prepare(scorer_by_name=scorer_by_name) for task in tasks]
    return PreparedPlan(
        columns=tuple(
            Column(task=p, instances=p.select(limit), total=p.total, epochs=(epochs or {}).get(p.task.spec))
            for p in prepared
        ),
        tasks=tuple(prepared),
        suites=tuple(suites),
        warnings=tuple(w for p in prepared for w in p.warnings),
    )


def with_built_in_markers(task: Task) -> Task:
    """The task with weigh's own markers beside those that it declares."""
    own = task.config.markers
    named = {marker_name(marker) for marker in own}
    markers = (*(name for name in BUILT_IN if name not in named), *own)
    return task.with_config(msgspec.structs.replace(task.config, markers=markers))


async def check(plan: PreparedPlan, arms: Sequence[ArmPlan], *, skip_unavailable: bool) -> PreparedPlan:
    """Check every task against every arm and this machine.

    What a provider only learns of its model when it starts (`learns`) is checked then, still before the first token.

    Args:
        skip_unavailable: Leave out what cannot run, by name, instead of refusing the whole.

    Raises:
        CapabilityError: All problems, one a line; or that nothing is left to run.
    """
    problems: dict[str, list[str]] = {}
    for task in plan.tasks:
        found = [line for arm in arms async for line in _problems(task, arm)]
        if found:
            problems[task.task.spec] = found
    if not problems:
        return plan
    lines = tuple(dict.fromkeys(line for group in problems.values() for line in group))
    if not skip_unavailable:
        raise CapabilityError("\n".join(lines))
    kept = [i for i, t in enumerate(plan.tasks) if t.task.spec not in problems]
    if not kept:
        raise CapabilityError("nothing is left to run:\n" + "\n".join(lines))
    return PreparedPlan(
        columns=tuple(plan.columns[i] for i in kept),
        tasks=tuple(plan.tasks[i] for i in kept),
        suites=plan.suites,
        skipped=tuple(f"left out: {line}" for line in lines),
        warnings=plan.warnings,
    )


async def _problems(task: PreparedTask, arm: ArmPlan) -> AsyncIterator[str]:
    """Why an arm cannot do a task here."""
    spec, harness = task.task.spec, arm.setting.harness
    if task.needs_sandbox:
        mode = sandbox_spec(harness).mode
        probe = await available(mode)
        if not probe.ok:
            yield (
                f"{spec} runs what a model wrote and needs a sandbox, but {mode} does not work here: "
                f"{probe.reason}. {probe.how_to_get}".rstrip()
            )
    if harness.scaffold != "single_turn" and task.capability != "chat":
        yield (
            f"{spec} is asked as {task.capability}, and the scaffold {harness.scaffold} of harness "
            f"'{harness.name}' needs a chat; use --harness default, or a variant with a chat formatter"
        )
    able = arm.provider.capabilities | getattr(arm.provider, "learns", frozenset())
    if arm.acting.tools.tools and "tools" not in able:
        yield (
            f"harness '{harness.name}' has tools, which {arm.spec.text} cannot call (it does {', '.join(sorted(able))})"
        )
    if task.capability not in able and not hasattr(arm.provider, "probe"):
        yield (
            f"{spec} needs {task.capability}, which {arm.spec.text} cannot do "
            f"(it does {', '.join(sorted(arm.provider.capabilities))})"
        )
    if isinstance(task.task, ExternalEval):
        for line in await external_problems(task.task, harness):
            yield line


def task_folders(plan: PreparedPlan) -> list[Path]:
    """The folders of the projects that define the tasks, for provenance."""
    files = [t.task.file() for t in plan.tasks]
    return sorted({f.parent for f in files if f is not None})
