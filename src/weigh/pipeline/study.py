"""`weigh study`: from a study file to an ordinary run whose arms are models x agents x revisions x tiers.

Names are checked first, all of them, then revisions are made exact, then the matrix is planned against the store; only
a run builds anything. What comes of it is a run like any other: results, comparison, resume and report know no studies.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from weigh.define.harness import PRESETS, Harness, apply_overrides, load_harness, merge_harness
from weigh.define.spec import join_options, parse_model, parse_options
from weigh.define.study import Study, StudyAgent, StudyModel, task_epochs
from weigh.execute.agents.registry import NAMES as AGENTS
from weigh.execute.scaffolds.registry import make_scaffold
from weigh.execute.stop import StopSignal
from weigh.pipeline.acting import together
from weigh.pipeline.request import OnEvent, RunRequest, Setting
from weigh.pipeline.run import Session
from weigh.pipeline.study_about import study_about
from weigh.pipeline.study_names import check_values, gathered, task_names
from weigh.records.errors import CapabilityError, DefinitionError, WeighError, placed, suggest
from weigh.records.run import Run
from weigh.records.workspace import Workspace
from weigh.store.layout import Store
from weigh.study.cache import locked
from weigh.study.holds import Hold
from weigh.study.installations import Installation, Recipe, find_installation
from weigh.study.load import users_code
from weigh.study.profile import Profile, load_profile
from weigh.study.revisions import Revision
from weigh.study.take import take_all
from weigh.study.tasks import choose_tasks


class StudyChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What one invocation asks differently from the study file.

    Attributes:
        tasks: Only these tasks (names, globs); the matrix of the study stays what it is.
        only: Only arms that match one of these filters on axes (`tier=bare,model=qwen*`).
        epochs: Instead of the study's.
        overrides: `key=value` changes of every harness (`-o`).
        sandbox: Where commands run.
        concurrency: Trials in flight.
        replay: Answer from the recordings of this run instead of asking models; empty is the study's newest run. How
            follows after `::`, as in a model's spec (`::match=sequence`).
        store: Instead of the study's.
        dry_run: Plan and stop.
        force: Run again what is done.
        allow_errors, max_seconds, max_tokens_total, max_dollars, command: As in `RunRequest`.
    """

    tasks: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    epochs: int | None = None
    overrides: tuple[str, ...] = ()
    sandbox: str | None = None
    concurrency: int | None = None
    replay: str | None = None
    store: str | None = None
    dry_run: bool = False
    force: bool = False
    allow_errors: int = 0
    max_seconds: float | None = None
    max_tokens_total: int | None = None
    max_dollars: float | None = None
    command: tuple[str, ...] = ()


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A revision with a tier that it has."""

    revision: Revision
    tier: str


class StudyPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A study, resolved.

    Attributes:
        study: As it was read.
        profile: Of the library.
        revisions: In the study's order.
        pairs: Revisions with their tiers.
        lacking: Why some revisions do not have some tiers, one a line.
        tasks: The profile's names of the tasks.
        request: The run it becomes.
    """

    study: Study
    profile: Profile
    revisions: tuple[Revision, ...]
    pairs: tuple[Pair, ...]
    lacking: tuple[str, ...]
    tasks: tuple[str, ...]
    request: RunRequest

    @property
    def recipes(self) -> list[Recipe]:
        """How each revision is installed."""
        return [self.profile.recipe(revision) for revision in self.revisions]

    @property
    def skills(self) -> list[Path]:
        """The copies of Skills that trials are shown."""
        spaces = [setting.workspace for setting in self.request.settings]
        return list(dict.fromkeys(Path(skill) for space in spaces if space is not None for skill in space.skills))

    @property
    def unbuilt(self) -> list[Recipe]:
        """Those of them that are not here."""
        return [recipe for recipe in self.recipes if find_installation(recipe.path) is None]


async def plan_study(study: Study, changes: StudyChanges | None = None) -> StudyPlan:
    """Resolve a study. Nothing is built, no model is started, nothing is written to the store.

    Raises:
        WeighError: Everything whose name is wrong, one a line, with the closest valid names.
    """
    changes = changes or StudyChanges()
    base, where = Path(study.base), study.file or f"study {study.name!r}"
    errors: list[WeighError] = []
    harnesses: list[tuple[StudyAgent, Harness]] = []
    profile = gathered(errors, lambda: load_profile(study.profile, base, f"{where}: profile"))
    for agent in study.agents:
        harness = gathered(errors, partial(agent_harness, study, agent, profile, changes, where))
        if harness is not None:
            harnesses.append((agent, harness))
    if profile is None:
        together([], errors)
    assert profile is not None
    with users_code(profile.file, f"{where}: profile"):
        names = task_names(study, profile, changes.tasks, where, errors)
        together([], errors)
        return await _resolved(study, profile, harnesses, names, changes, where)


async def _resolved(
    study: Study, profile: Profile, harnesses: Sequence[tuple[StudyAgent, Harness]], names: Sequence[str],
    changes: StudyChanges, where: str,
) -> StudyPlan:  # fmt: skip
    base = Path(study.base)
    await profile.identify()
    try:
        revisions = await profile.revisions(study.revisions, base)
    except WeighError as error:
        raise placed(error, f"{where}: revisions") from None
    for index, wanted in enumerate(study.compare):
        if wanted.axis == "revision":
            check_values([revision.name for revision in revisions], wanted, index, where)
    pairs, lacking = await _pairs(study, profile, revisions)
    try:
        spaces = [await profile.workspace(pair.revision, pair.tier, study.network) for pair in pairs]
    except DefinitionError as error:
        raise error if str(error).startswith(str(profile.file)) else placed(error, str(profile.file)) from None
    given = list(zip(pairs, spaces, strict=True))
    settings = _settings(given, harnesses)
    request = _request(study, profile, settings, names, changes)
    if not changes.dry_run:  # what a run remembers; it reads every Skill's text, which who only looks has no use for
        about = study_about(study, profile, [(pair.revision.name, pair.tier, space) for pair, space in given])
        request = msgspec.structs.replace(request, study=about)
    return StudyPlan(
        study=study,
        profile=profile,
        revisions=tuple(revisions),
        pairs=tuple(pairs),
        lacking=tuple(lacking),
        tasks=tuple(names),
        request=request,
    )


async def open_session(plan: StudyPlan, on_event: OnEvent | None = None, stop: StopSignal | None = None) -> Session:
    """The run of a study, planned and checked against this machine."""
    return await Session.plan(plan.request, on_event or (lambda event: None), stop or StopSignal())


@asynccontextmanager
async def study_in_use(
    plan: StudyPlan, who: str, notice: Callable[[str], None] = lambda text: None, *, only: Collection[str] | None = None
) -> AsyncIterator[list[Installation]]:
    """Install every revision that is not installed, fetch the sources that tiers need, and see that nobody removes any
    of it until this is left.

    Args:
        who: Uses it, for people (`run tables-b8a34e4e`).
        only: Names of revisions, where not all are wanted.

    Raises:
        CapabilityError: All that cannot be built, one a line.
    """
    wanted = [revision for revision in plan.revisions if only is None or revision.name in only]
    study = str(Path(plan.study.file).resolve()) if plan.study.file else ""
    with ExitStack() as holds:
        for skill in plan.skills:
            async with locked(skill):
                if not skill.is_dir():
                    raise CapabilityError(f"{skill} was removed while the study was planned; run it again")
                holds.enter_context(Hold(skill, who, study))
        made = await take_all([plan.profile.recipe(revision) for revision in wanted], holds, who, study, notice)
        for one in made:
            await plan.profile.check(one)
        for pair in plan.pairs:
            if pair.revision in wanted:
                await plan.profile.fetch(pair.revision, pair.tier)
        yield made


async def build_study(
    plan: StudyPlan, notice: Callable[[str], None] = lambda text: None, *, only: Collection[str] | None = None
) -> list[Installation]:
    """The same, held only while it is made and checked."""
    async with study_in_use(plan, "weigh study build", notice, only=only) as made:
        return made


def agent_harness(
    study: Study, agent: StudyAgent, profile: Profile | None, changes: StudyChanges, where: str
) -> Harness:
    """The harness of an agent: its preset, changed by profile, study and command line, in this order.

    Raises:
        DefinitionError: There is no such agent, or a change is wrong.
    """
    ref = agent.agent
    if Path(ref).suffix in (".toml", ".yaml", ".yml", ".json"):
        ref = str(Path(study.base) / Path(ref).expanduser())
    elif ref not in PRESETS:
        hint = suggest(ref, PRESETS) or f"; there are {', '.join(PRESETS)}"
        raise DefinitionError(f"{where}: agents: there is no agent {ref!r}{hint} (or name the file of a harness)")
    harness = load_harness(ref)
    own: dict[str, Any] = {"name": agent.label}
    options = {**agent.options, **({"version": agent.version} if agent.version else {})}
    if study.max_tokens is not None and harness.scaffold in AGENTS and "max_tokens" not in harness.scaffold_options:
        options = {"max_tokens": study.max_tokens, **options}
    if options:
        own["scaffold_options"] = options
    if profile is not None and profile.declared.sandbox:
        own["sandbox_options"] = profile.declared.sandbox
    harness = merge_harness(harness, own, f"{where}: agents: {agent.label}")
    values = dict(study.harness)
    limits = msgspec.to_builtins(study.limits)
    if limits:
        values["limits"] = {**values.get("limits", {}), **limits}
    if values:
        harness = merge_harness(harness, values, f"{where}: harness")
    try:
        make_scaffold(harness.scaffold, harness.scaffold_options)
    except DefinitionError as error:
        raise placed(error, f"{where}: agents: {agent.label}") from None
    except CapabilityError:
        pass  # said by the plan with all else that this machine lacks
    if changes.sandbox is not None:
        harness = merge_harness(harness, {"sandbox": changes.sandbox}, "--sandbox")
    return apply_overrides(harness, changes.overrides)


async def _pairs(study: Study, profile: Profile, revisions: Sequence[Revision]) -> tuple[list[Pair], list[str]]:
    """Revisions with the study's tiers that they have, and why some have not."""
    pairs: list[Pair] = []
    lacking: list[str] = []
    for revision in revisions:
        for tier in study.tiers:
            why = await profile.why_not(tier, revision)
            if why is None:
                pairs.append(Pair(revision=revision, tier=tier))
            else:
                lacking.append(f"{revision.name} has no tier {tier!r}: {why}")
    if not pairs:
        raise DefinitionError("no revision has any of the tiers:\n" + "\n".join(lacking))
    return pairs, lacking


def _settings(
    given: Sequence[tuple[Pair, Workspace]], harnesses: Sequence[tuple[StudyAgent, Harness]]
) -> list[Setting]:
    """A setting for each agent, revision and tier."""
    return [
        Setting(
            harness=harness,
            axes={"agent": agent.label, "revision": pair.revision.name, "tier": pair.tier},
            workspace=space,
        )
        for agent, harness in harnesses
        for pair, space in given
    ]


def _request(
    study: Study, profile: Profile, settings: Sequence[Setting], names: Sequence[str], changes: StudyChanges
) -> RunRequest:
    entries = profile.entries()
    own = task_epochs(study.tasks, [entry.name for entry in entries], study.file or f"study {study.name!r}")
    only = tuple(
        profile.task_name(n) for n in choose_tasks([e for e in entries if e.name in names], changes.tasks, "-t")
    )
    store = changes.store or study.store
    recorded, _, how = (changes.replay or "").partition("::")
    replayed = None if changes.replay is None else Store(store).find(recorded or study.name)
    models = [model.spec if replayed is None else _replayed(model, store, replayed, how) for model in study.models]
    return RunRequest(
        models=tuple(models),
        models_from=f"{study.file}: models" if study.file else "",
        tasks=(study.name,),
        registry=profile.registry(names, study.name),
        settings=tuple(settings),
        # What was replayed is no new evidence: beside the recorded trials it would count twice in every comparison.
        store=store if replayed is None else f"{store}-replay",
        epochs=changes.epochs or study.epochs,
        task_epochs={} if changes.epochs else {profile.task_name(n): epochs for n, epochs in own.items()},
        seed=study.seed,
        temperature=study.temperature,
        max_tokens=study.max_tokens,
        concurrency=changes.concurrency,
        name=study.name,
        group=study.group or study.name,
        tags=("study",),
        only_tasks=only if changes.tasks else (),
        only_arms=changes.only,
        again=changes.force,
        dry_run=changes.dry_run,
        allow_errors=changes.allow_errors,
        max_seconds=changes.max_seconds,
        max_tokens_total=changes.max_tokens_total,
        max_dollars=changes.max_dollars,
        command=changes.command,
    )


def _replayed(model: StudyModel, store: str, run: Run, how: str) -> str:
    """The spec of what answers in a model's place: its recordings in a run of the study."""
    asked = parse_options(how, f"--replay ::{how}") if how else {}
    spec = parse_model(model.spec)
    known = {"label": spec.label or spec.name, "model": spec.label or spec.name, "size": spec.size}
    options = join_options({**asked, **{key: value for key, value in known.items() if value is not None}})
    return f"replay/{Path(store) / 'runs' / run.id}::{options}"
