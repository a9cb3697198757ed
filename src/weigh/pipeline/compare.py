"""`weigh compare`: is B better than A, task by task and as a whole?

The numbers are those of `analyze`; what happens here is finding them, and withholding a verdict where the evidence
does not carry one: when the arms failed unequally, or when seconds were taken on machines that cannot be compared.
"""

from __future__ import annotations

from collections.abc import Sequence

from weigh.define.difference import refuse_whole
from weigh.pipeline.align import Aligned, align
from weigh.pipeline.aligned_sets import in_every_context
from weigh.pipeline.cached_share import cautions
from weigh.pipeline.compare_groups import axis_place, compare_levels, compare_subgroups
from weigh.pipeline.compare_notes import some
from weigh.pipeline.compare_options import Options
from weigh.pipeline.compare_report import Report, TaskRow
from weigh.pipeline.compare_suites import compare_suite_row, shared_suite, suites_to_compare
from weigh.pipeline.compare_tasks import compare_task, compare_total, correct_rows
from weigh.pipeline.conditions import host_difference
from weigh.pipeline.metrics import COSTS, NoMetric, common_metric
from weigh.pipeline.results import suite_members
from weigh.pipeline.sides import Side, contexts, find_sides, open_sides, side_key, side_names
from weigh.pipeline.task_pairs import refuse_versions, task_pairs
from weigh.records.errors import DefinitionError
from weigh.records.run import TaskInfo
from weigh.store.dataset import Dataset
from weigh.store.layout import Store


def compare(store: Store, words: Sequence[str], options: Options | None = None) -> list[Report]:
    """Compare what the words name: every later side with the first one.

    Raises:
        StoreError, DefinitionError: See `find_sides` and `task_pairs`; a wrong metric, field or method.
    """
    options = options or Options()
    sides = find_sides(store, words)
    with open_sides(store, sides) as data:
        return [compare_sides(data, sides[0], side, options) for side in sides[1:]]


def compare_sides(data: Dataset, a: Side, b: Side, options: Options) -> Report:
    """Compare side b with side a."""
    aligned: dict[str, Aligned] = {}
    paired: dict[str, tuple[Sequence[TaskInfo], Sequence[TaskInfo]]] = {}
    rows: list[TaskRow] = []
    groups: list[TaskRow] = []
    lacking: dict[str, list[str]] = {}
    suites = suites_to_compare(a, b, options.suite) if options.suite or not options.tasks else []
    wanted = options.tasks or (tuple(suite_members(suites[0])) if options.suite else ())
    axis = axis_place(a, b, options.by) if options.by else None
    # What of it can be used again at another level.
    key = (side_key(a), side_key(b), options.metric, options.errors, options.cluster, options.shared)
    for name, ours, theirs in task_pairs(a, b, wanted):
        refuse_versions(name, ours, theirs)
        try:
            metric = common_metric(ours, theirs, options.metric)
        except NoMetric as error:
            lacking.setdefault(error.what, []).append(name)
            continue
        if metric.name in COSTS and options.margin is not None:
            raise DefinitionError(
                "--margin is a difference of scores; hold a cost against a limit with `weigh gate --max-ratio`"
            )
        if options.margin is not None and metric.bounds == (0.0, 1.0):
            refuse_whole(options.margin, "--margin")
        paired[name] = (ours, theirs)
        aligned[name] = align(data, a, b, name, ours, theirs, metric, errors=options.errors, cluster=options.cluster)
    notes = [f"{some(names)}: not compared: {what}" for what, names in lacking.items()]
    if options.shared:
        aligned, left_out = in_every_context(aligned)
        if left_out:
            notes.append(f"--shared leaves out {', '.join(left_out)}: no question of it is in every context")
    for pairs in aligned.values():
        rows.append(compare_task(pairs, options, withheld=host_difference(data, a, b, pairs.metric)))
        if options.by and axis is None:
            groups += compare_subgroups(data, pairs, options, key, contexts([a, b]))
    if not rows:
        raise DefinitionError("nothing can be compared: " + "; ".join(notes))
    rows = correct_rows(rows, options.correction)
    if options.shared:
        suites = [kept for s in suites if (kept := shared_suite(s, aligned)) is not None]
    return Report(
        a=a.label,
        b=b.label,
        arms_a=side_names(a),
        arms_b=side_names(b),
        rows=tuple(rows),
        groups=tuple(correct_rows(groups, options.correction)),
        levels=tuple(correct_rows(compare_levels(list(aligned.values()), rows, axis, options), options.correction)),
        total=compare_total(data, list(aligned.values()), rows, options, (*key, *aligned)),
        suites=tuple(compare_suite_row(s, aligned, rows, options) for s in suites),
        options=options,
        notes=tuple(notes),
        cautions=cautions(data, a, b, {name: paired[name] for name in aligned}, options.metric),
    )
