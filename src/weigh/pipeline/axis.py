"""Which arms lie where along an axis: its order, and what else differs at one point of it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import msgspec

from weigh.pipeline.sides import Member, resolve_sides
from weigh.records.arm import Axis
from weigh.records.errors import DefinitionError, suggest
from weigh.store.layout import Store

USUAL = ("step", "checkpoint", "revision")
"""Axes that have an order of their own, tried in turn when none is named."""
RUN = "run"
UNORDERED = "by when their runs began"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A value of the axis and the arms that have it, newest runs first."""

    label: str
    value: Axis
    members: tuple[Member, ...]


class Ordered(msgspec.Struct, frozen=True, kw_only=True):
    """Places in order; `by` says what gave the order."""

    axis: str
    places: tuple[Place, ...]
    by: str
    notes: tuple[str, ...] = ()


def trend_members(store: Store, words: Sequence[str]) -> list[Member]:
    """The arms that words name (all of the store without words), newest runs first, none twice.

    A run stands for all its arms. Raises as `resolve_sides` does.
    """
    found: dict[tuple[str, str, str], Member] = {}
    for word in words or [run.id for run in store.runs()] or ["latest"]:
        for side in resolve_sides(store, [word]):
            for member in side.members:
                found.setdefault((member.run.id, member.arm.id, member.variant or ""), member)
    return sorted(found.values(), key=lambda m: -m.run.created)


def pick_axis(members: Sequence[Member], wanted: str | None) -> str:
    """The axis to go along. Raises `DefinitionError` when no arm has it (or, unnamed, any of `USUAL`)."""
    names = sorted({name for m in members for name in m.arm.axes})
    if wanted is not None:
        if wanted not in (*names, RUN):
            raise DefinitionError(
                f"no arm has an axis {wanted!r}{suggest(wanted, names)} (they have {', '.join(names)}, run)"
            )
        return wanted
    there = [name for name in USUAL if name in names]
    varying = [name for name in there if len({m.axis(name) for m in members} - {None}) > 1]
    if not there:
        raise DefinitionError(
            f"no arm has a step, checkpoint or revision; name the axis with --axis ({', '.join(names)}, or run), "
            "or give models a step when running them: -m provider/name::step=1000"
        )
    return (varying or there)[0]


def order_axis(members: Sequence[Member], axis: str, order: Sequence[str] = ()) -> Ordered:
    """Arms by value of the axis, in order: as named; by number; by the numbers within names that are otherwise alike
    (`step900`, `step1000`; `v5.8`, `v5.10`); else by when the first run of each began.

    Raises:
        DefinitionError: A value in `order` that no arm has, or none left.
    """
    groups: dict[Axis, list[Member]] = {}
    skipped: dict[str, None] = {}
    for member in members:
        value = member.run.id if axis == RUN else member.axis(axis)
        if value is None:
            skipped[f"{member.run.id}:{member.arm.id}"] = None
        else:
            groups.setdefault(value, []).append(member)
    notes = []
    if skipped:
        notes.append(f"{len(skipped)} arms have no {axis} and are left out: {_few(list(skipped))}")
    values, by = _order(groups, axis, order)
    if len(values) < len(groups):
        notes.append(f"left out, since --order does not name them: {_few([str(v) for v in groups if v not in values])}")
    places = tuple(Place(label=_label(v, axis, groups), value=v, members=tuple(groups[v])) for v in values)
    if not places:
        raise DefinitionError(f"no arm has a value on the axis {axis!r}")
    ordered = Ordered(axis=axis, places=places, by=by)
    return msgspec.structs.replace(ordered, notes=(*notes, *_along(ordered)))


def _order(groups: dict[Axis, list[Member]], axis: str, order: Sequence[str]) -> tuple[list[Axis], str]:
    values = list(groups)
    if order:
        by_text = {str(v): v for v in values}
        for text in order:
            if text not in by_text:
                raise DefinitionError(
                    f"--order: no arm has {axis}={text!r}{suggest(text, by_text)} (there are {', '.join(by_text)})"
                )
        return [by_text[text] for text in order], "as given"
    if all(isinstance(v, int | float) for v in values):
        return sorted(values, key=lambda v: float(v or 0)), "by number"
    shapes = {re.sub(r"\d+", "#", str(v)) for v in values}
    if axis != RUN and len(shapes) == 1 and "#" in next(iter(shapes)):
        return sorted(values, key=lambda v: [int(n) for n in re.findall(r"\d+", str(v))]), "by the numbers in its names"
    if axis != RUN and all(re.fullmatch(r"v?\d+(\.\d+)*", str(v)) for v in values):
        return sorted(values, key=lambda v: [int(n) for n in re.findall(r"\d+", str(v))]), "by version"
    return sorted(values, key=lambda v: min(m.run.created for m in groups[v])), UNORDERED


def _label(value: Axis, axis: str, groups: dict[Axis, list[Member]]) -> str:
    if axis != RUN:
        return f"{value:g}" if isinstance(value, float) else str(value)
    names = [own[0].run.name for own in groups.values()]
    name = groups[value][0].run.name
    return name if names.count(name) == 1 else str(value)


def line_axes(ordered: Ordered) -> list[str]:
    """Axes that take several values at one point of the axis: each of their values is a line of its own.

    Of axes that say the same (a model and its provider) one is kept.
    """
    names = sorted({name for p in ordered.places for m in p.members for name in m.arm.axes} - {ordered.axis})
    several = [n for n in names if any(len({m.axis(n) for m in p.members}) > 1 for p in ordered.places)]
    several.sort(key=lambda n: (n != "model", n))
    members = [m for p in ordered.places for m in p.members]
    kept: list[str] = []
    for name in several:
        groups = {tuple(m.axis(k) for k in kept) for m in members}
        if len({tuple(m.axis(k) for k in (*kept, name)) for m in members}) > len(groups):
            kept.append(name)
    return kept


def _along(ordered: Ordered) -> list[str]:
    """Axes that change along with this one, so that a step may be theirs."""
    lines = line_axes(ordered)
    names = sorted({name for p in ordered.places for m in p.members for name in m.arm.axes})
    same = {ordered.axis, *lines, *USUAL}
    changing = []
    for name in names:
        if name in same:
            continue
        values = [{m.axis(name) for m in p.members} for p in ordered.places]
        if any(one != other for one, other in itertools.pairwise(values)):
            changing.append(name)
    return [f"what also changes along {ordered.axis}: {', '.join(changing)}"] if changing else []


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
