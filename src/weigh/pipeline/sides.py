"""What is put on each side of the balance: from words like `latest`, `nightly:qwen` or `revision=v5.8.0` to arms.

A word is a run (its id, a prefix, its name, `latest`), a run with an arm (`RUN:ARM`), or a filter on axes
(`model=qwen*,harness=default`). A filter may match many arms (one for each model size, say): they are then compared
context by context, each with the arm of the other side that agrees on every axis on which the side varies.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from weigh.pipeline.latest import current
from weigh.records.arm import Arm, Axis
from weigh.records.errors import DefinitionError, StoreError, suggest
from weigh.records.run import Run
from weigh.store.dataset import Dataset, open_dataset
from weigh.store.layout import Store

_TELLING = ("revision", "tier", "agent", "harness", "model", "step")
"""Axes by which people tell arms apart, the first to be named in front."""

RUN_FIELDS = ("run", "arm", "group", "tag", "name", "variant")


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """An arm of a run.

    Attributes:
        run: The run, with its latest metrics.
        arm: The arm.
        variant: Only tasks of this variant (a glob); None for all.
    """

    run: Run
    arm: Arm
    variant: str | None = None

    def axis(self, name: str) -> Axis:
        """The value of an axis, `harness`, `model`, ...; None where the arm has none."""
        return self.arm.axes.get(name)


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is compared.

    Attributes:
        label: For tables.
        members: The arms, newest runs first.
    """

    label: str
    members: tuple[Member, ...]

    def values(self, axis: str) -> set[Axis]:
        """The values that an axis takes on this side."""
        return {m.axis(axis) for m in self.members}

    @property
    def varying(self) -> set[str]:
        """Axes that take more than one value on this side."""
        names = {name for m in self.members for name in m.arm.axes}
        return {name for name in names if len(self.values(name)) > 1}


def side_key(side: Side) -> tuple[Any, ...]:
    """What tells a side from another, where something about it is remembered."""
    return tuple((m.run.id, m.arm.id, m.variant) for m in side.members)


def find_sides(store: Store, words: Sequence[str]) -> list[Side]:
    """Resolve what the user wrote, at least two sides in all.

    One word that names a run of several arms stands for its arms.

    Raises:
        StoreError: There is no such run, or no arm matches a filter.
        DefinitionError: A word is ambiguous, or fewer than two things are left to compare.
    """
    sides = resolve_sides(store, words)
    if len(sides) < 2:
        have = f"{sides[0].label} is one arm" if sides else "nothing was named"
        raise DefinitionError(f"a comparison takes two things, and {have}; name another run, RUN:ARM or filter")
    return sides


def open_sides(store: Store, sides: Iterable[Side]) -> Dataset:
    """The data set of all runs that sides need."""
    return open_dataset(store, sorted({m.run.id for s in sides for m in s.members}))


def side_names(side: Side) -> tuple[str, ...]:
    """The run and arm behind a side."""
    return tuple(f"{m.run.id}:{m.arm.id}" for m in side.members)


def resolve_sides(store: Store, words: Sequence[str]) -> list[Side]:
    """The same for any number of sides. Raises as `find_sides` does."""
    runs = [current(store, run) for run in store.runs()]
    if not runs:
        raise StoreError(f"there are no runs in {store.path}; is --store right?")
    sides: list[Side] = []
    for word in words:
        if "=" in word:
            sides.append(_filtered(runs, word))
        else:
            sides += _of_run(store, runs, word, alone=len(words) == 1)
    return _distinct(sides)


def _of_run(store: Store, runs: Sequence[Run], word: str, *, alone: bool) -> list[Side]:
    ref, _, arm_name = word.partition(":")
    found = store.find(ref)
    run = next(r for r in runs if r.id == found.id)
    arms = list(run.arms)
    if arm_name:
        arms = [a for a in arms if a.id == arm_name] or [a for a in arms if fnmatch.fnmatch(a.id, arm_name)]
        if not arms:
            names = [a.id for a in run.arms]
            raise StoreError(f"run {run.id} has no arm {arm_name!r}{suggest(arm_name, names)} (it has {_list(names)})")
    if len(arms) > 1 and not alone:
        raise DefinitionError(_several(runs, run, arms, ref))
    label = (lambda arm: arm.id) if len(run.arms) > 1 else (lambda arm: run.name)
    return [Side(label=label(arm), members=(Member(run=run, arm=arm),)) for arm in arms]


def _several(runs: Sequence[Run], run: Run, arms: Sequence[Arm], ref: str) -> str:
    """That a run alone says too little, with a filter that says enough."""
    names = [arm.id for arm in arms]
    values = {
        axis: list(dict.fromkeys(str(value) for a in arms if (value := a.axes.get(axis)) is not None))
        for arm in arms
        for axis in arm.axes
    }
    # A filter cannot say a value with a comma in it, and reads * ? [ ] as a glob.
    varying = [a for a, there in values.items() if len(there) > 1 and not any(c in v for v in there for c in ",*?[]")]
    varying.sort(key=lambda axis: (*_TELLING, axis).index(axis))
    short = ref if sum(one.id.startswith(ref) for one in runs) == 1 else run.id
    alone = "or name the run alone to compare its arms with each other"
    if not varying:
        return f"run {run.id} has {len(arms)} arms ({_list(names)}): write {short}:{names[0]}, {alone}"
    differ = "; ".join(f"{axis} is {_list(values[axis])}" for axis in varying if axis in _TELLING or len(varying) == 1)
    return (
        f"run {run.id} has {len(arms)} arms{f' ({differ})' if differ else ''}: say which, e.g. "
        f"run={short},{varying[0]}={values[varying[0]][0]} or {short}:{names[0]}, {alone}"
    )


def _filtered(runs: Sequence[Run], word: str) -> Side:
    conditions: dict[str, str] = {}
    for part in word.split(","):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise DefinitionError(f"{word!r}: {part!r} is not key=value")
        conditions[key.strip()] = value.strip()
    axes = sorted({name for run in runs for arm in run.arms for name in arm.axes})
    for key in conditions:
        if key not in axes and key not in RUN_FIELDS:
            known = [*axes, *RUN_FIELDS]
            raise DefinitionError(f"{word!r}: no run has an axis {key!r}{suggest(key, known)} (known: {_list(known)})")
    newest: dict[tuple[str, str], Member] = {}
    for run in runs:
        for arm in run.arms:
            if not _matches(run, arm, conditions):
                continue
            member = Member(run=run, arm=arm, variant=conditions.get("variant"))
            # The same arm in several runs counts once for each set of tasks: the newest run that has them.
            newest.setdefault((arm.digest, _tasks(run)), member)
    if not newest:
        raise StoreError(f"no arm matches {word!r}{_closest(runs, conditions)}; `weigh ls runs` shows what there is")
    return Side(label=word, members=tuple(newest.values()))


def _matches(run: Run, arm: Arm, conditions: dict[str, str]) -> bool:
    return all(
        any(fnmatch.fnmatchcase(own, wanted) for own in _own(run, arm, key))
        or (key == "run" and run.id.startswith(wanted))
        for key, wanted in conditions.items()
    )


def _own(run: Run, arm: Arm, key: str) -> list[str]:
    """What an arm of a run has of an axis or field."""
    if key == "variant":
        return [task.variant for task in run.tasks]
    if key == "tag":
        return list(run.tags)
    own = {"run": run.id, "arm": arm.id, "group": run.group, "name": run.name}.get(key, arm.axes.get(key))
    return [] if own is None else [str(own)]


def _closest(runs: Sequence[Run], conditions: dict[str, str]) -> str:
    """The closest values of what no arm has; where each condition alone has arms, that none has them together."""
    said = []
    for key, wanted in conditions.items():
        if not any(_matches(run, arm, {key: wanted}) for run in runs for arm in run.arms):
            known = sorted({value for run in runs for arm in run.arms for value in _own(run, arm, key)})
            said.append(suggest(wanted, known) or f" ({key} is {_list(known) or 'in none'})")
    return "".join(said) or (": none has all of it" if len(conditions) > 1 else "")


def _tasks(run: Run) -> str:
    return " ".join(sorted(f"{t.name}:{t.variant}:{t.digest}" for t in run.tasks))


def _distinct(sides: list[Side]) -> list[Side]:
    """Labels that tell sides apart, and a refusal of a thing held against itself."""
    seen: dict[frozenset[tuple[str, str, str]], str] = {}
    for side in sides:
        identity = frozenset((m.run.id, m.arm.id, m.variant or "") for m in side.members)
        if identity in seen:
            raise DefinitionError(f"'{seen[identity]}' and '{side.label}' are the same arm of the same run")
        seen[identity] = side.label
    labels = [s.label for s in sides]
    out = []
    for side in sides:
        member = side.members[0]
        label = side.label if labels.count(side.label) == 1 else f"{member.run.id}:{member.arm.id}"
        out.append(Side(label=label, members=side.members))
    return out


def contexts(sides: Sequence[Side]) -> list[str]:
    """The axes on which arms within a side differ; sides are held against each other where these agree.

    An axis on which no value is on all sides is no such axis: it follows from what is compared (a checkpoint's path,
    say, where steps are compared).

    Raises:
        DefinitionError: A side has two arms that agree on all of them, so that neither can be preferred.
    """
    varying = sorted(set().union(*(s.varying for s in sides)))
    rest = [name for name in varying if set.intersection(*(s.values(name) for s in sides))]
    for side in sides:
        seen: dict[tuple[Axis, ...], Member] = {}
        for member in side.members:
            context = tuple(member.axis(name) for name in rest)
            other = seen.setdefault(context, member)
            # The same arm in two runs is no choice to make: the newest run that has a task serves it.
            if other.arm.digest != member.arm.digest and _overlap(other, member):
                raise DefinitionError(
                    f"'{side.label}' matches {other.arm.id} of run {other.run.id} and {member.arm.id} of run "
                    f"{member.run.id}; narrow it, e.g. with run={other.run.id}"
                )
    return rest


def _overlap(one: Member, other: Member) -> bool:
    tasks = {(t.name, t.variant) for t in one.run.tasks}
    return any((t.name, t.variant) in tasks for t in other.run.tasks)


def _list(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")
