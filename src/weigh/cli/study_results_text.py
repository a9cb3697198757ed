"""The results of a study as text: a table of arms, and for each thing compared a verdict for each model."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from itertools import chain
from typing import Any

from weigh.analyze.estimate import Estimate
from weigh.analyze.spread import Spread
from weigh.cli.table import WIDEST, Column, Format, render, render_below
from weigh.cli.terminal import count, dollars
from weigh.pipeline.compare_rows import percent, span
from weigh.pipeline.study_results import ArmResult, Contrast, StudyResults
from weigh.pipeline.study_rows import contrast_told, interaction_told, rough_told, verdict_row, within_rows

AXES = ("model", "agent", "revision", "tier")
TOOK = (
    {"seconds": "time", "turns": "turns", "tool_calls": "calls", "tool_errors": "errors"},
    {"new": "new", "cached": "cached", "generated": "generated", "cost": "cost"},
)
"""What of all that trials took the tables have, by what belongs together, with titles; the rest is in JSON and CSV."""


def results_text(made: StudyResults, format: Format) -> str:
    """Arms, then contrasts; for JSON and CSV the table of arms with its raw numbers."""
    if format in ("json", "csv"):
        rows = [_flat(arm) for arm in made.arms]
        keys = list(dict.fromkeys(key for row in rows for key in row)) or ["model"]
        return render([Column(key, key) for key in keys], rows, format)
    parts = [_arms(made, format), "", *_about(made)]
    for contrast in made.contrasts:
        parts += ["", *_contrast(contrast, format)]
    return "\n".join(parts)


def _arms(made: StudyResults, format: Format) -> str:
    """What the arms achieved and which paths they took, then what their trials took."""
    rows = [_shown(arm) for arm in made.arms]
    first = [
        Column(axis, axis) for axis in AXES if axis != "agent" or len({a.arm.axes.get(axis) for a in made.arms}) > 1
    ]
    achieved = [
        Column("n", "n", str, True),
        Column("trials", "trials", str, True),
        Column("match", "match %", str, True),
        Column("interval", "95 % interval", str, True),
        Column("ended", "not answered"),
    ]
    paths = [Column(f"marker:{name}", name, str, True) for name in made.markers if _ever(made, name)]
    took = [[Column(name, title, str, True) for name, title in group.items()] for group in TOOK]

    def known(columns: list[Column]) -> list[Column]:
        return [c for c in columns if any(row.get(c.key) is not None for row in rows)]

    tables = [known(achieved), known(paths)], [known(group) for group in took]
    return "\n\n".join(render_below(first, groups, rows, format) for groups in tables if any(groups))


def _shown(arm: ArmResult) -> dict[str, Any]:
    row: dict[str, Any] = {axis: arm.arm.axes.get(axis) for axis in AXES}
    match = arm.match
    ended = [f"{n} {kind}" for kind, n in arm.outcomes.items()] + [f"{n} failed ({k})" for k, n in arm.failed.items()]
    row |= {
        "n": str(match.n) if match else None,
        "trials": str(arm.trials),
        "match": percent(match.mean) if match and match.mean is not None else None,
        "interval": span(match.low, match.high, percent) if match else None,
        "ended": ", ".join(ended) or None,
    }
    shapes: dict[str, Callable[[float], str]] = {
        "seconds": _seconds, "new": count, "cached": count, "generated": count, "cost": dollars,
    }  # fmt: skip
    for name in chain(*TOOK):
        row[name] = _middle(arm.taken[name], shapes.get(name, lambda v: f"{v:g}"))
    if row.get("seconds") is not None:
        row["seconds"] += " s"
    for name, share in arm.adoption.items():
        row[f"marker:{name}"] = _percent(share)
    return row


def _flat(arm: ArmResult) -> dict[str, Any]:
    match = arm.match
    row: dict[str, Any] = {"arm": arm.arm.id, **{axis: arm.arm.axes.get(axis) for axis in (*AXES, "size")}}
    row |= {"n": match.n if match else 0, "trials": arm.trials, "match": match.mean if match else None}
    row |= {"se": match.error if match else None, "low": match.low if match else None}
    row |= {"high": match.high if match else None, "failed": dict(arm.failed), "outcomes": dict(arm.outcomes)}
    for name, one in arm.taken.items():
        row |= {name: one.median, f"{name}_q1": one.q1, f"{name}_q3": one.q3, f"{name}_mean": one.mean}
    for name, share in arm.adoption.items():
        row |= {f"marker:{name}": share.mean, f"marker:{name}_low": share.low, f"marker:{name}_high": share.high}
    return row


def _about(made: StudyResults) -> list[str]:
    lines = [
        "match: the share of tasks solved, with its interval; time, turns, calls of tools, errors, tokens (new, "
        "cached, generated) and cost: the median of a trial with the interquartile range; failed trials are left out"
    ]
    shown = [m for name, m in made.markers.items() if _ever(made, name)]
    if shown:
        lines.append(
            f"in percent of tasks: {'; '.join(f'{m.name}: {m.description or m.pattern or m.name}' for m in shown)}"
        )
    lines += made.notes
    return [textwrap.fill(line, WIDEST, subsequent_indent="  ") for line in lines]


def _ever(made: StudyResults, marker: str) -> bool:
    return any(arm.adoption[marker].mean for arm in made.arms if marker in arm.adoption)


def _contrast(contrast: Contrast, format: Format) -> list[str]:
    """What was compared: a line for each model, and whether the models differ."""
    head = textwrap.fill(contrast_told(contrast), WIDEST, subsequent_indent="  ")
    rows = [verdict_row(verdict) for verdict in contrast.models]
    columns = [
        Column("model", "model"),
        Column("n", "n", str, True),
        Column("a", contrast.a, str, True),
        Column("b", contrast.b, str, True),
        Column("difference", "difference", str, True),
        Column("over_epochs", "95 %, over epochs", str, True),
        Column("given", "on these tasks"),
        Column("over_tasks", "95 %, over tasks", str, True),
        Column("verdict", "on tasks like these"),
        Column("tokens", "tokens"),
    ]
    kept = [c for c in columns if c.key in ("model", "verdict") or any(row[c.key] is not None for row in rows)]
    lines = [f"{head}", render(kept, rows, format)] if rows else [head]
    within = [row for verdict in contrast.models for row in within_rows(verdict)]
    if within:
        split = [columns[0], Column("axis", "within"), Column("value", ""), *columns[1:-1]]
        lines += ["", render([c for c in split if any(row[c.key] is not None for row in within)], within, format)]
    if rough := rough_told([*rows, *within]):
        lines.append(textwrap.fill(rough, WIDEST, subsequent_indent="  "))
    differ = interaction_told(contrast)
    if differ is not None:
        lines.append(textwrap.fill(differ, WIDEST, subsequent_indent="  "))
    if contrast.note:
        lines.append(textwrap.fill(contrast.note, WIDEST, subsequent_indent="  "))
    return lines


def _seconds(value: float) -> str:
    return f"{value:.2f}" if value < 0.995 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _middle(one: Spread, shape: Callable[[float], str]) -> str | None:
    if one.median is None or one.q1 is None or one.q3 is None:
        return None
    middle, low, high = shape(one.median), shape(one.q1), shape(one.q3)
    return middle if low == middle == high else f"{middle} [{low}-{high}]"


def _percent(share: Estimate) -> str | None:
    return None if share.mean is None else f"{100 * share.mean:.0f}"
