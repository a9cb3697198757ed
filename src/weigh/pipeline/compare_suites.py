"""Suites compared: which ones two sides have, and the difference of their aggregates."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from weigh.analyze.scope import compare_given
from weigh.analyze.suite import compare_suite
from weigh.pipeline.align import Aligned
from weigh.pipeline.aligned_sets import pool
from weigh.pipeline.compare_options import Options
from weigh.pipeline.compare_report import SuiteRow, TaskRow
from weigh.pipeline.metrics import COSTS
from weigh.pipeline.results import suite_members, suite_tree
from weigh.pipeline.sides import Side
from weigh.records.errors import DefinitionError
from weigh.records.run import SuiteNode


def suites_of(side: Side) -> list[SuiteNode]:
    """Suites that the runs of a side were started with."""
    return list({s.name: s for m in side.members for s in m.run.suites}.values())


def suites_to_compare(a: Side, b: Side, wanted: str | None) -> list[SuiteNode]:
    """Suites of side A (of B, where A has none), or the wanted one."""
    if wanted is None:
        return suites_of(a) or suites_of(b)
    found = {s.name: s for s in (*suites_of(b), *suites_of(a))}
    if wanted not in found:
        raise DefinitionError(
            f"neither run was started with a suite {wanted!r} (they have {', '.join(found) or 'none'})"
        )
    return [found[wanted]]


def shared_suite(suite: SuiteNode, aligned: dict[str, Aligned]) -> SuiteNode | None:
    """A suite without the tasks that are not paired; None where none is. One with weights stays as it is."""
    if suite.weights:
        return suite
    members: list[str | SuiteNode] = []
    for member in suite.members:
        if isinstance(member, str):
            members += [member] if member in aligned and aligned[member].n else []
        elif (inner := shared_suite(member, aligned)) is not None:
            members.append(inner)
    return msgspec.structs.replace(suite, members=tuple(members)) if members else None


def compare_suite_row(
    suite: SuiteNode, aligned: dict[str, Aligned], rows: Sequence[TaskRow], options: Options
) -> SuiteRow:
    """The aggregates of a suite compared; the row says why there is no number, or no verdict."""
    base = SuiteRow(suite=suite.name, aggregation=suite.aggregation)
    members = suite_members(suite)
    lacking = [m for m in members if m not in aligned or aligned[m].n == 0]
    if suite.aggregation == "none":
        return msgspec.structs.replace(base, missing="this suite has no aggregation")
    if lacking:
        return msgspec.structs.replace(base, missing=f"no paired questions for {', '.join(lacking)}")
    if len({aligned[m].metric.lower_is_better for m in members}) > 1 or options.metric in COSTS:
        return msgspec.structs.replace(base, missing="its tasks' numbers cannot be added up")
    made = compare_suite(
        suite_tree(suite),
        {m: (aligned[m].a, aligned[m].b) for m in members},
        clusters={m: c.tolist() for m in members if (c := aligned[m].clusters) is not None} or None,
        alpha=options.alpha,
        margin=options.margin,
        lower_is_better=aligned[members[0]].metric.lower_is_better,
        seed=options.seed,
    )
    withheld = next((r.withheld for r in rows if r.task in members and r.withheld), None)
    whole = pool([aligned[m] for m in members])
    given = None
    if suite.aggregation == "pooled" and whole.epochs_a:
        given = compare_given(
            whole.epochs_a, whole.epochs_b, alpha=options.alpha, margin=options.margin,
            lower_is_better=whole.metric.lower_is_better, seed=options.seed,
        )  # fmt: skip
    return msgspec.structs.replace(base, comparison=made, given=given, withheld=withheld, metric=whole.metric)
