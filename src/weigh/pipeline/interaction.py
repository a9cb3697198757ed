"""`weigh compare A B --interaction AXIS`: does the effect of B against A differ along another axis?

A gain for large models and a loss for small ones can add up to nothing, and "shown here, not shown there" is no
evidence of a difference. Where all levels of the axis answered the same questions, each question gives one contrast.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from weigh.analyze.correct import adjust
from weigh.analyze.interaction import Interaction, compare_interaction
from weigh.pipeline.align import Aligned, align
from weigh.pipeline.aligned_sets import ALL, pool
from weigh.pipeline.axis import UNORDERED, order_axis
from weigh.pipeline.compare_options import Options
from weigh.pipeline.conditions import host_difference
from weigh.pipeline.metrics import COSTS, common_metric
from weigh.pipeline.results import suite_members
from weigh.pipeline.sides import Side
from weigh.pipeline.task_pairs import refuse_versions, task_pairs
from weigh.records.arm import Axis
from weigh.records.errors import DefinitionError, suggest
from weigh.records.run import MetricInfo
from weigh.store.dataset import Dataset

_SIZE = re.compile(r"^(\d+(?:\.\d+)?)\s*([kKmMbBtT]?)$")
_SCALE = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}


class InteractionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One task's difference of differences.

    Attributes:
        task: The task's spec, or `all questions` for those of all tasks together.
        metric: Which.
        made: The test and the effect at each level.
        p_adjusted: Corrected for the number of tasks; None for `all questions`.
        dropped: Questions left out because not every level has them.
        withheld: Why no verdict is given.
        ordered: Whether the levels are sizes.
    """

    task: str
    metric: MetricInfo
    made: Interaction
    p_adjusted: float | None = None
    dropped: int = 0
    withheld: str | None = None
    ordered: bool = True

    @property
    def verdict(self) -> str:
        """`grows`, `falls` (`differs` where the levels are names), `unresolved` or `withheld`."""
        if self.withheld is not None:
            return "withheld"
        p = self.made.p if self.p_adjusted is None else self.p_adjusted
        if p is None or p > self.made.effects[0].alpha or not self.made.contrast:
            return "unresolved"
        if not self.ordered:
            return "differs"
        return "grows" if self.made.contrast > 0 else "falls"


class InteractionReport(msgspec.Struct, frozen=True, kw_only=True):
    """How the effect of B against A changes along an axis.

    Attributes:
        a, b: Labels.
        axis: Its name.
        levels: Its values, in order.
        ordered: Whether the values are sizes (their order means something) or just names.
        rows: Tasks, then all questions together when there are several.
        options: How it was compared.
        left_out: Values at which no question is paired.
    """

    a: str
    b: str
    axis: str
    levels: tuple[str, ...]
    ordered: bool
    rows: tuple[InteractionRow, ...]
    options: Options = Options()
    left_out: tuple[str, ...] = ()


def compare_along(data: Dataset, a: Side, b: Side, axis: str, options: Options) -> InteractionReport:
    """Test whether the effect of b against a differs along an axis.

    Raises:
        DefinitionError: The axis does not exist, or fewer than two of its values are on both sides.
    """
    levels, ordered = _levels(a, b, axis)
    every = [str(level) for level in levels]
    wanted = options.tasks
    if options.suite is not None:
        suites = {s.name: s for side in (a, b) for m in side.members for s in m.run.suites}
        if options.suite not in suites:
            raise DefinitionError(
                f"neither run has the suite {options.suite!r} (they have {', '.join(suites) or 'none'})"
            )
        wanted = tuple(suite_members(suites[options.suite]))
    sides = [(_at(a, axis, level), _at(b, axis, level)) for level in levels]
    by_task: dict[str, list[Aligned]] = {}
    for x, y in sides:
        for name, ours, theirs in task_pairs(x, y, wanted):
            refuse_versions(name, ours, theirs)
            metric = common_metric(ours, theirs, options.metric)
            pairs = align(data, x, y, name, ours, theirs, metric, errors=options.errors, cluster=options.cluster)
            by_task.setdefault(name, []).append(pairs)
    # A level at which nothing was paired yet (a model that has not run) is left out, not the question.
    held = [i for i in range(len(levels)) if any(found[i].n for found in by_task.values() if len(found) == len(levels))]
    by_task = {name: [found[i] for i in held] for name, found in by_task.items() if len(found) == len(levels)}
    levels, sides = [levels[i] for i in held], [sides[i] for i in held]
    shown = [str(level) for level in levels]
    if len(levels) < 2:
        raise DefinitionError(
            f"paired questions are there at {', '.join(shown) or 'no'} {axis} only, of {', '.join(every)}"
        )
    whole = {name: found for name, found in by_task.items() if len(found) == len(levels) and all(p.n for p in found)}
    if not whole:
        raise DefinitionError(f"no task has paired questions at every {axis} ({', '.join(shown)})")
    reason = next(
        (r for x, y in sides if (r := host_difference(data, x, y, next(iter(whole.values()))[0].metric))), None
    )
    rows = [_row(name, found, shown, options, reason) for name, found in whole.items()]
    fixed = adjust([row.made.p for row in rows], options.correction)
    rows = [msgspec.structs.replace(row, p_adjusted=p) for row, p in zip(rows, fixed, strict=True)]
    if len(rows) > 1 and len({row.metric.lower_is_better for row in rows}) == 1:
        pooled = [_pooled([found[i] for found in whole.values()]) for i in range(len(levels))]
        rows.append(_row(ALL, pooled, shown, options, reason))
    rows = [msgspec.structs.replace(row, ordered=ordered) for row in rows]
    return InteractionReport(
        a=a.label, b=b.label, axis=axis, levels=tuple(shown), ordered=ordered, rows=tuple(rows), options=options,
        left_out=tuple(level for level in every if level not in shown),
    )  # fmt: skip


def _levels(a: Side, b: Side, axis: str) -> tuple[list[Axis], bool]:
    """Values of the axis that both sides have: sizes and versions in order, other values as the runs have them."""
    known = sorted({name for side in (a, b) for m in side.members for name in m.arm.axes})
    if axis not in known:
        raise DefinitionError(f"--interaction {axis}: no arm has this axis{suggest(axis, known)} ({', '.join(known)})")
    theirs = b.values(axis)
    both: list[Axis] = [
        v
        for v in dict.fromkeys(m.axis(axis) for m in sorted(a.members, key=lambda m: m.run.created))
        if v is not None and v in theirs
    ]
    if len(both) < 2:
        ours = ", ".join(sorted(map(str, a.values(axis)))) or "none"
        other = ", ".join(sorted(map(str, theirs))) or "none"
        raise DefinitionError(
            f"--interaction {axis} takes two values or more that both sides have; {a.label} has {ours}, "
            f"{b.label} has {other} (name sides by a filter that matches several arms, e.g. tier=bare)"
        )
    # 3.9 comes before 3.38 where they are versions: texts are sizes only where the axis says so or a unit does.
    texts = [v for v in both if isinstance(v, str)]
    if texts and axis != "size" and not any(v.strip()[-1:].isalpha() for v in texts):
        known_order = order_axis([*a.members, *b.members], axis)
        return [p.value for p in known_order.places if p.value in both], known_order.by != UNORDERED
    sizes = [_size(v) for v in both]
    if all(s is not None for s in sizes):
        return [v for _, v in sorted(zip(sizes, both, strict=True), key=lambda pair: pair[0] or 0.0)], True
    return both, False


def _size(value: Axis) -> float | None:
    """A number, or a text such as `135M` or `0.5B`."""
    if isinstance(value, (int, float)):
        return float(value)
    match = _SIZE.match(str(value).strip())
    return float(match[1]) * _SCALE[match[2].lower()] if match else None


def _at(side: Side, axis: str, level: Axis) -> Side:
    members = tuple(m for m in side.members if m.axis(axis) == level)
    return Side(label=f"{side.label} ({axis}={level})", members=members)


def _row(
    name: str, found: Sequence[Aligned], levels: Sequence[str], options: Options, withheld: str | None
) -> InteractionRow:
    keys = found[0].keys.astype(str)
    for pairs in found[1:]:
        keys = np.intersect1d(keys, pairs.keys.astype(str))
    keys = np.unique(keys)
    paired = keys.size > 0
    places = [_places(pairs, keys) if paired else np.arange(pairs.n) for pairs in found]
    metric = found[0].metric
    made = compare_interaction(
        levels,
        [(pairs.a[at], pairs.b[at]) for pairs, at in zip(found, places, strict=True)],
        paired=paired,
        clusters=[_clusters(pairs, at) for pairs, at in zip(found, places, strict=True)],
        alpha=options.alpha,
        lower_is_better=metric.lower_is_better,
        seed=options.seed,
    )
    dropped = sum(pairs.n - at.size for pairs, at in zip(found, places, strict=True))
    return InteractionRow(task=name, metric=metric, made=made, dropped=dropped, withheld=withheld)


def _places(pairs: Aligned, keys: Any) -> Any:
    own = pairs.keys.astype(str)
    order = np.argsort(own)
    return order[np.searchsorted(own, keys, sorter=order)]


def _clusters(pairs: Aligned, at: Any) -> list[Any] | None:
    return None if pairs.clusters is None else pairs.clusters[at].tolist()


def _pooled(found: Sequence[Aligned]) -> Aligned:
    """The questions of several tasks as one, named so that those of two tasks stay apart."""
    keys = np.concatenate([np.array([f"{p.task} {k}" for k in p.keys], dtype=object) for p in found])
    return msgspec.structs.replace(pool(found), keys=keys)


def is_cost(metric: MetricInfo) -> bool:
    """Whether a metric is a cost."""
    return metric.name in COSTS
