"""Tasks compared: the row of one, of a cost over all of them, and verdicts corrected for their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from weigh.analyze.correct import Correction
from weigh.analyze.cost import compare_costs
from weigh.analyze.family import correct_comparisons
from weigh.analyze.paired import compare_pairs
from weigh.analyze.scope import compare_given
from weigh.analyze.unequal import failed_unequally
from weigh.pipeline.align import Aligned
from weigh.pipeline.aligned_sets import pool
from weigh.pipeline.compare_options import Options
from weigh.pipeline.compare_report import Pairing, TaskRow
from weigh.pipeline.metrics import COSTS
from weigh.records.errors import DefinitionError
from weigh.store.dataset import Dataset


def compare_task(pairs: Aligned, options: Options, *, group: str | None = None, withheld: str | None = None) -> TaskRow:
    """Compare one task's aligned questions. Raises `DefinitionError` for a method that does not fit."""
    failures = failed_unequally(pairs.failed_a, pairs.failed_b, alpha=options.alpha)
    pairing = Pairing(
        paired=pairs.n,
        only_a=pairs.only_a,
        only_b=pairs.only_b,
        changed=pairs.changed,
        lost=pairs.lost,
        failures=failures,
    )
    if failures.unequal and options.errors == "exclude":
        withheld = failures.reason
    base = TaskRow(
        task=pairs.task,
        metric=pairs.metric,
        pairing=pairing,
        group=group,
        withheld=withheld,
        cluster_from=pairs.cluster_from,
    )
    if pairs.metric.name in COSTS:
        late_a, late_b = (pairs.timeouts_a > 0).tolist(), (pairs.timeouts_b > 0).tolist()
        cost = compare_costs(
            pairs.a, pairs.b, alpha=options.alpha, timed_out_a=late_a, timed_out_b=late_b, test_ratio=options.bootstrap
        )
        return msgspec.structs.replace(base, cost=cost)
    try:
        score = compare_pairs(
            pairs.a,
            pairs.b,
            clusters=None if pairs.clusters is None else pairs.clusters.tolist(),
            alpha=options.alpha,
            margin=options.margin,
            method=options.method,
            lower_is_better=pairs.metric.lower_is_better,
            seed=options.seed,
            bootstrap=options.bootstrap,
        )
    except ValueError as error:
        raise DefinitionError(f"task {pairs.task}: {error}") from None
    given = None
    if pairs.epochs_a and pairs.metric.reduce == "mean":
        given = compare_given(
            pairs.epochs_a,
            pairs.epochs_b,
            alpha=options.alpha,
            margin=options.margin,
            lower_is_better=pairs.metric.lower_is_better,
            seed=options.seed,
        )
    return msgspec.structs.replace(base, score=score, given=given)


def compare_total(
    data: Dataset, aligned: Sequence[Aligned], rows: Sequence[TaskRow], options: Options, key: tuple[Any, ...]
) -> TaskRow | None:
    """A cost of several tasks together: ratios and ranks need no common scale of scores."""
    if len(aligned) < 2 or aligned[0].metric.name not in COSTS:
        return None
    whole = data.remember(("total", key), lambda: pool(aligned))
    return compare_task(whole, options, withheld=next((r.withheld for r in rows if r.withheld), None))


def correct_rows(rows: Sequence[TaskRow], correction: Correction) -> list[TaskRow]:
    """Rows whose verdicts follow the corrected p; withheld ones take no part. Each scope is a family of its own."""
    out = list(rows)
    for part in ("score", "cost", "given"):
        places = [i for i, row in enumerate(rows) if row.withheld is None and getattr(row, part) is not None]
        fixed = correct_comparisons([getattr(rows[i], part) for i in places], correction)
        for i, one in zip(places, fixed, strict=True):
            out[i] = msgspec.structs.replace(out[i], **{part: one})
    return out
