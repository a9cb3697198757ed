"""Pictures of scores: by arm, along an axis, as paired differences, and how often a path was taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from weigh.analyze.estimate import Estimate, estimate
from weigh.pipeline.compare import compare
from weigh.pipeline.compare_options import Options as CompareOptions
from weigh.pipeline.compare_rows import flat_rows, percent, plain, points, signed, span
from weigh.pipeline.conclusion import is_proportion
from weigh.pipeline.plot_rows import (
    Drawing,
    Options,
    info_of,
    is_chosen,
    labelled,
    named_arms,
    nothing,
    one_unit,
    result_rows,
    tasks_of,
    values_of,
)  # fmt: skip
from weigh.pipeline.results import arm_questions
from weigh.pipeline.sides import Member
from weigh.pipeline.trend import Options as TrendOptions
from weigh.pipeline.trend import TrendReport, trend
from weigh.records.errors import DefinitionError
from weigh.records.run import MetricInfo
from weigh.store.dataset import Dataset, open_dataset
from weigh.store.layout import Store


def scores(store: Store, words: Sequence[str], options: Options) -> Drawing:
    """Every arm's score on every task, with its interval."""
    arms = named_arms(store, words)
    found = result_rows(store, arms, options)
    chosen = [(arm, row) for arm, row in found if is_chosen(row, options) and row.estimate is not None]
    if not chosen:
        raise DefinitionError(nothing(found, options))
    metric, kept, notes = one_unit([(arm, row, info_of(row)) for arm, row in chosen])
    one = percent if is_proportion(metric) else plain
    order = list(dict.fromkeys(row.task for _, row in kept))
    kept.sort(key=lambda pair: order.index(pair[1].task))
    rows = [
        {"row": row.task, "series": arm, "label": labelled(f"{arm}, {row.task}", row.estimate, one)}
        | values_of(row.estimate)
        for arm, row in kept
    ]
    names = list(dict.fromkeys("score" if row.is_suite else row.metric for _, row in kept))
    title = names[0] if len(names) == 1 else "score"
    level = f"{100 * options.level:g} % intervals"
    return Drawing(chart="dots", rows=tuple(rows), notes=tuple(notes),
                   settings={"x_title": f"{title}, {level}", "percent": is_proportion(metric)})  # fmt: skip


def markers(store: Store, words: Sequence[str], options: Options) -> Drawing:
    """On how many of its questions an arm took each path: every marker, the questions of all tasks together."""
    arms = named_arms(store, words)
    rows: list[dict[str, Any]] = []
    with open_dataset(store, sorted({m.run.id for _, m in arms})) as data:
        known = [row["name"] for row in data.sql(_MARKERS)]
        for scorer in known:
            label = scorer.removeprefix("marker:")
            for name, member in arms:
                made = _adoption(data, member, scorer, options)
                if made is not None:
                    about = labelled(f"{name}, {label}", made, percent)
                    rows.append({"row": label, "series": name, "label": about} | values_of(made))
    if not rows:
        raise DefinitionError("no trial of these runs was looked at for markers")
    title = f"trials, {100 * options.level:g} % intervals"
    return Drawing(chart="dots", rows=tuple(rows), settings={"x_title": title, "percent": True})


_MARKERS = """
select name from (select unnest(map_keys(scores)) as name from trials) where starts_with(name, 'marker:')
group by name order by name
"""


def _adoption(data: Dataset, member: Member, scorer: str, options: Options) -> Estimate | None:
    """The share of trials on which a marker fired, questions of a cluster together; None where none was looked at."""
    metric = MetricInfo(name=scorer, scorer=scorer)
    values, clusters = [], []
    for task in tasks_of(member, options):
        found = arm_questions(data, member.run, task, metric, member.arm.id, options.errors)
        values.append(found.values)
        own = found.keys if found.clusters is None else found.clusters
        clusters += [f"{task.name}:{task.variant}:{c}" for c in own]
    whole = np.concatenate(values) if values else np.zeros(0)
    if not whole.size:
        return None
    together = clusters if len(set(clusters)) < len(clusters) else None
    return estimate(whole, clusters=together, bounds=metric.bounds, level=options.level)


def differences(store: Store, words: Sequence[str], options: Options) -> Drawing:
    """Paired differences by task, of every later arm with the first; of costs their ratios."""
    suites = {s.name for run in store.runs() for s in run.suites}
    suite = next((t for t in options.tasks if t in suites), None)
    reports = compare(store, words or ["latest"], CompareOptions(
        tasks=() if suite else options.tasks, suite=suite, metric=options.metric, alpha=options.alpha,
        errors=options.errors, bootstrap=False,
    ))  # fmt: skip
    found = [
        (_line(row) if len(reports) == 1 else f"{_line(row)}: {report.b}", row)
        for report in reports
        for row in flat_rows(report)
        if row["kind"] in ("task", "suite", "given") and (row["difference"] is not None or row["ratio"] is not None)
    ]
    if not found:
        raise DefinitionError("no task has a paired difference")
    kinds = [(row["unit"] == "proportion", row["ratio"] is not None) for _, row in found]
    percents, ratios = kinds[0]
    rows = [_difference(name, row) for (name, row), kind in zip(found, kinds, strict=True) if kind == kinds[0]]
    left = dict.fromkeys(row["task"] for (_, row), kind in zip(found, kinds, strict=True) if kind != kinds[0])
    notes = [f"left out, since it has another unit: {', '.join(left)}"] if left else []
    first = reports[0]
    others = first.b if len(reports) == 1 else "the others"
    title = f"{others} / {first.a}" if ratios else f"{others} - {first.a}{', points' if percents else ''}"
    return Drawing(
        chart="forest", rows=tuple(rows), notes=(*notes, *(note for report in reports for note in report.notes)),
        settings={"x_title": title, "percent": percents, "null": 1.0 if ratios else 0.0},
    )  # fmt: skip


def _line(row: Mapping[str, Any]) -> str:
    """What stands at a difference: a task or suite, below it the smaller claim about exactly these questions."""
    return f"- these questions, {row['task']}" if row["kind"] == "given" else str(row["task"])


def _difference(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    if row["ratio"] is not None:
        value, low, high, band = row["ratio"], row["ratio_low"], row["ratio_high"], None
        shape = ratio
    else:
        value, low, high, band = row["difference"], row["low"], row["high"], row["mde80"]
        shape = points if row["unit"] == "proportion" else signed
    around = span(low, high, shape) or "no interval"
    return {
        "row": name, "value": value, "low": low, "high": high, "verdict": row["verdict"],
        "band_low": None if band is None else -band, "band_high": band,
        "label": f"{name}: {shape(value)} ({around}), n {row['n']}, {row['verdict']}",
    }  # fmt: skip


def ratio(value: float) -> str:
    """A ratio."""
    return f"{value:.3f}"


def along(store: Store, words: Sequence[str], options: Options) -> Drawing:
    """A metric along an axis, as `weigh trend` shows it."""
    report = trend(store, words, TrendOptions(
        axis=options.axis, order=options.order, tasks=options.tasks, metric=options.metric, alpha=options.alpha,
        errors=options.errors,
    ))  # fmt: skip
    return trend_drawing(report)


def trend_drawing(report: TrendReport) -> Drawing:
    """The rows of a trend that is computed already."""
    rows: list[dict[str, Any]] = []
    metric, lines, notes = one_unit([(line.task, line, line.metric) for line in report.lines])
    one, two = (percent, points) if is_proportion(metric) else (plain, signed)
    values = [p.value for _, line in lines for p in line.points]
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    for _, line in lines:
        panel = ", ".join([line.task, line.metric.name, *(f"{name} {value}" for name, value in line.series.items())])
        for point, step in zip(line.points, (None, *line.steps), strict=True):
            label = labelled(point.label, point.estimate, one)
            if step is not None and step.comparison.difference is not None:
                label += f"; {two(step.comparison.difference)} since {step.before}, {step.verdict}"
            rows.append({
                "panel": panel, "x": point.value if numbers else point.label,
                "band_low": step.band_low if step else None, "band_high": step.band_high if step else None,
                "verdict": step.verdict if step else "first", "label": label,
            } | values_of(point.estimate))  # fmt: skip
    return Drawing(chart="trend", rows=tuple(rows), notes=(*report.notes, *notes), settings={
        "x_title": report.axis, "y_title": "score" if metric is None or is_proportion(metric) else metric.name,
        "percent": is_proportion(metric),
    })  # fmt: skip
