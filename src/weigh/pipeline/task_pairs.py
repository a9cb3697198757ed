"""Which tasks two sides share, and whether they mean the same by them."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from weigh.pipeline.sides import Member, Side
from weigh.pipeline.task_names import choose_named
from weigh.plan.explain import Difference, differences, flatten
from weigh.records.errors import DefinitionError
from weigh.records.run import TaskInfo
from weigh.records.trial import join_spec


def task_pairs(a: Side, b: Side, wanted: Sequence[str] = ()) -> list[tuple[str, list[TaskInfo], list[TaskInfo]]]:
    """Tasks that both sides have: (name for tables, A's definitions, B's definitions).

    Where both sides restrict the variant, tasks pair by base name, for then the variant is what is compared.

    Args:
        wanted: Tasks to keep, as `weigh.pipeline.task_names` reads them; empty for all.

    Raises:
        DefinitionError: A wanted task is not there or not clear, or no task is shared.
    """
    by_base = any(m.variant is not None for s in (a, b) for m in s.members)

    def name_of(task: TaskInfo) -> str:
        return task.name if by_base else join_spec(task.name, task.variant)

    def tasks_of(side: Side) -> dict[str, list[TaskInfo]]:
        found: dict[str, list[TaskInfo]] = {}
        for member in side.members:
            seen: dict[str, TaskInfo] = {}
            for task in member.run.tasks:
                if not has_variant(member, task):
                    continue
                name = name_of(task)
                other = seen.setdefault(name, task)
                if other is not task:
                    specs = f"{join_spec(name, other.variant)} and {join_spec(name, task.variant)}"
                    raise DefinitionError(
                        f"'{side.label}' has {specs}, and it is not clear which one is meant; add variant=NAME to it "
                        "(variant= for the plain task)"
                    )
                found.setdefault(name, []).append(task)
        return found

    ours, theirs = tasks_of(a), tasks_of(b)
    shared = [name for name in ours if name in theirs]
    chosen = set(choose_named([*ours, *theirs], wanted))
    shared = [name for name in shared if name in chosen]
    if not shared:
        raise DefinitionError(
            f"{a.label} and {b.label} share no task: {', '.join(list(ours)[:6])} against {', '.join(list(theirs)[:6])}"
        )
    return [(name, ours[name], theirs[name]) for name in shared]


def has_variant(member: Member, task: TaskInfo) -> bool:
    """Whether a task has the variant that the side asks for."""
    return member.variant is None or fnmatch.fnmatchcase(task.variant, member.variant)


def refuse_versions(name: str, ours: Sequence[TaskInfo], theirs: Sequence[TaskInfo]) -> None:
    """Refuse two versions of a task: a difference of prompts would pass for one of models.

    Rows that changed or came are no other version; they simply do not pair. The wording of a prompt can be compared
    by registering it as a variant.

    Raises:
        DefinitionError: With the fields of the definitions that differ.
    """
    first, second = ours[0], theirs[0]
    if first.variant != second.variant:
        return
    found = version_differences(first, second)
    if found:
        shown = "; ".join(f"{d.field}: {_short(d.before)} against {_short(d.after)}" for d in found[:4])
        raise DefinitionError(
            f"task {name} was not the same in the two runs ({shown}); run it again on both, or register the new "
            "wording as a variant and compare variant=OLD with variant=NEW"
        )


def version_differences(first: TaskInfo, second: TaskInfo) -> list[Difference]:
    """The fields in which two definitions of a task differ, data left out."""
    data = ("data", "data_source")
    if first is second:
        return []  # two arms of one run: asked for every pair and lens
    before, after = ({k: v for k, v in t.definition.items() if k not in data} for t in (first, second))
    return differences(flatten(before, "task"), flatten(after, "task"))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:60] + "..." + text[-17:]
