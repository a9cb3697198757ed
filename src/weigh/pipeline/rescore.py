"""`weigh rescore`: today's scorers over stored outputs. No model is asked."""

from __future__ import annotations

import secrets
import time
from contextlib import AsyncExitStack

import msgspec

from weigh.define.harness import Harness, is_judging
from weigh.define.markers import resolve_markers, scorers_of
from weigh.define.registry import resolve
from weigh.execute.sandboxes.planner import SandboxPlanner
from weigh.pipeline.finishing import finish_run
from weigh.pipeline.helpers import Helpers
from weigh.pipeline.prepare import with_built_in_markers
from weigh.pipeline.reuse import rescore_trials
from weigh.pipeline.sandbox import sandbox_spec
from weigh.pipeline.scoring import Scoring, TaskKey
from weigh.protocols import Scorer
from weigh.records.errors import WeighError
from weigh.records.marker import MarkerSpec
from weigh.records.run import Invocation, MetricInfo, Run, TaskInfo
from weigh.records.trial import join_spec
from weigh.score.markers import BUILT_IN
from weigh.score.registry import scorer_by_name
from weigh.store.journal import JournalWriter
from weigh.store.layout import RunFolder, Store


class Rescored(msgspec.Struct, frozen=True, kw_only=True):
    """How rescoring ended.

    Attributes:
        run: Which run.
        trials: How many trials got new scores.
        failed: How many of them have a scorer that failed now.
        skipped: Lines for people about tasks whose definition cannot be had any more.
    """

    run: Run
    trials: int
    failed: int
    skipped: tuple[str, ...] = ()


async def rescore(store: Store, run: Run, *, everything: bool = False, harness: Harness | None = None) -> Rescored:
    """Score a run's trials with the scorers its tasks have today.

    Args:
        everything: Also replace scores whose scorer has not changed.
        harness: For the sandbox and the judges that scoring may need; judges it does not name are those of the
            run's last invocation.

    Raises:
        StoreError: The run cannot be read or written.
    """
    scorers: dict[TaskKey, tuple[Scorer, ...]] = {}
    infos: dict[str, tuple[MetricInfo, ...]] = {}
    markers: dict[str, tuple[MarkerSpec, ...]] = {}
    skipped: list[str] = []
    for task in run.tasks:
        spec = join_spec(task.name, task.variant)
        try:
            defined = resolve(spec)
            config = (with_built_in_markers(defined) if _is_agents(run, task) else defined).config
            metrics = [m.resolve(scorer_by_name) for m in config.metrics]
            marking = resolve_markers(config.markers, config.base, scorer_by_name)
        except WeighError as error:
            why = "it is a study's own; `weigh study run` on its file scores it anew" if "study" in run.tags else error
            skipped.append(f"{spec} keeps its scores: {why}")
            continue
        infos[spec] = tuple(m.info() for m in metrics)
        markers[spec] = tuple(m.spec for m in marking if hasattr(m, "spec"))
        scorers[task.name, task.variant] = scorers_of(metrics, marking)
    folder = store.open(run.id)
    roles = _judges(folder, harness or Harness())
    scoring = Scoring(scorers, helpers=await Helpers.plan(roles))
    for key, role in scoring.lacking():
        if scoring.scorers.pop(key, {}):
            skipped.append(
                f"{join_spec(*key)} keeps its scores: no helper model has the role '{role}' (add one with -o)"
            )
    writer = f"{int(time.time())}-{secrets.token_hex(4)}"
    invocation = Invocation(
        id=writer,
        started=time.time(),
        command="weigh rescore",
        metrics=infos,
        markers={spec: found for spec, found in markers.items() if found},
        plan={"helpers": roles},
    )
    folder.begin(invocation)
    async with AsyncExitStack() as stack:
        if any(s.needs_sandbox for group in scoring.scorers.values() for s in group.values()):
            how = harness or Harness()
            scoring.sandbox = sandbox_spec(how)
            scoring.sandboxes = await stack.enter_async_context(SandboxPlanner(how.executors or 4))
        await stack.enter_async_context(scoring.helpers)
        journal = await stack.enter_async_context(JournalWriter(folder, writer))
        changed = list(await rescore_trials(folder, None, scoring, journal, everything=everything))
        await journal.flush()
    summary = {"rescored": len(changed)}
    folder.end(msgspec.structs.replace(invocation, ended=time.time(), summary=summary))
    await finish_run(folder)
    return Rescored(run=run, trials=len(changed), failed=sum(t.failed for t in changed), skipped=tuple(skipped))


def _is_agents(run: Run, task: TaskInfo) -> bool:
    """Whether the run's trials of a task are an agent's, which have the built-in markers."""
    return run.acts or any(marker.name in BUILT_IN for marker in task.markers)


def _judges(folder: RunFolder, harness: Harness) -> dict[str, str]:
    """The helpers that judge: those asked for now, over those of the run's last invocation."""
    last = max(folder.invocations(), key=lambda i: i.started, default=None)
    known: dict[str, str] = dict(last.plan.get("helpers") or {}) if last is not None else {}
    return {role: model for role, model in {**known, **harness.helpers}.items() if is_judging(role)}
