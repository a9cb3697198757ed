"""The names in a study that only its profile can tell: tasks, tiers, and what is to be held against what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from weigh.define.study import Study, StudyCompare
from weigh.records.errors import DefinitionError, WeighError, suggest
from weigh.study.profile import Profile
from weigh.study.tasks import choose_tasks
from weigh.study.tiers import check_tiers


def task_names(study: Study, profile: Profile, only: Sequence[str], where: str, errors: list[WeighError]) -> list[str]:
    """The tasks that a study wants; errors of them, of tiers and of what is to be compared are gathered.

    Args:
        only: Those of them that this invocation wants; checked, no more.
    """
    entries = gathered(errors, profile.entries)
    gathered(errors, lambda: check_tiers(profile.tiers(), study.tiers, where))
    names: list[str] = []
    if entries is not None:
        names = gathered(errors, lambda: choose_tasks(entries, [t.task for t in study.tasks], where)) or []
    if names:
        gathered(errors, lambda: choose_tasks([e for e in entries if e.name in names], only, "-t"))
    gathered(errors, lambda: _check_compare(study, where))
    return names


def _check_compare(study: Study, where: str) -> None:
    """See that what is to be compared is on an axis of the study; values of revisions are known only later."""
    axes = ("agent", "revision", "tier")
    for index, wanted in enumerate(study.compare):
        if wanted.axis not in axes:
            hint = suggest(wanted.axis, axes) or f" is none of {', '.join(axes)}"
            raise DefinitionError(f"{where}: compare[{index}]: axis {wanted.axis!r}{hint}")
        if wanted.a == wanted.b:
            raise DefinitionError(f"{where}: compare[{index}]: a and b are both {wanted.a!r}; say two of {wanted.axis}")
        if wanted.axis == "agent":
            check_values([a.label for a in study.agents], wanted, index, where)
        if wanted.axis == "tier":
            check_tiers(study.tiers, (wanted.a, wanted.b), f"{where}: compare[{index}]")


def check_values(names: Sequence[str], wanted: StudyCompare, index: int, where: str) -> None:
    """Refuse what the compared axis does not have, with the closest it has."""
    for value in (wanted.a, wanted.b):
        if value not in names:
            hint = suggest(value, names) or f" (there are {', '.join(names)})"
            raise DefinitionError(f"{where}: compare[{index}]: the study has no {wanted.axis} {value!r}{hint}")


def gathered(errors: list[WeighError], make: Callable[[], Any]) -> Any:
    """What a step gives; None where it raised, which is gathered."""
    try:
        return make()
    except WeighError as error:
        errors.append(error)
        return None
