"""The other views of `weigh compare` as text: many arms, an effect along an axis, trials by the path they took."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from typing import Any

from weigh.cli.compare_output import formatted
from weigh.cli.flags import UsageError
from weigh.cli.table import WIDEST, Column, Format, render
from weigh.pipeline.compare_options import Options
from weigh.pipeline.compare_rows import percent, plain, points, signed, span
from weigh.pipeline.conclusion import is_proportion
from weigh.pipeline.interaction import InteractionReport, compare_along
from weigh.pipeline.interaction_rows import interaction_cells, interaction_notes, interaction_rows
from weigh.pipeline.matrix import MatrixReport, MatrixRow, compare_many
from weigh.pipeline.matrix_rows import matrix_rows, reach_told
from weigh.pipeline.path_rows import path_cells, path_notes, path_rows
from weigh.pipeline.paths import PREFIX, PathReport, compare_paths
from weigh.pipeline.sides import Side
from weigh.store.dataset import Dataset


def view(data: Dataset, sides: Sequence[Side], options: Options, args: argparse.Namespace) -> str:
    """The view that the flags ask for, in the form asked for."""
    if args.interaction is not None:
        if len(sides) > 2:
            named = ", ".join(s.label for s in sides)
            raise UsageError(f"--interaction compares two sides, and {len(sides)} were named: {named}")
        along = compare_along(data, sides[0], sides[1], args.interaction, options)
        return formatted(along, args.format, interaction_rows, interaction_text)
    if args.by is not None and args.by.startswith(PREFIX):
        return formatted(compare_paths(data, sides, args.by, options), args.format, _path_rows, path_text)
    many = compare_many(data, sides, options, shared=args.shared, rank=args.rank)
    return formatted(many, args.format, matrix_rows, matrix_text)


def letter(index: int) -> str:
    """A, B, ... Z, AA, AB ..."""
    first, last = divmod(index, 26)
    return (chr(64 + first) if first else "") + chr(65 + last)


def matrix_text(report: MatrixReport, format: Format) -> str:
    """Arms, then for each task the ranking with tiers and the differences of all pairs."""
    letters = {name: letter(i) for i, name in enumerate(report.names)}
    parts = [f"{'- ' if format == 'md' else ''}{letters[n]}  {n}  ({', '.join(report.arms[n])})" for n in report.names]
    flat = matrix_rows(report)
    for row in report.rows:
        mine = [r for r in flat if r["task"] == row.task and r["kind"] == ("suite" if row.is_suite else "task")]
        parts += ["", _title(row, format), "", _matrix(row, mine, letters, format), *_overlaps(row, mine, letters)]
        if (told := reach_told(row)) is not None:
            parts.append(textwrap.fill(told, WIDEST, subsequent_indent="  "))
        parts += [f"no verdict on {name}: {reason}" for name, reason in row.withheld.items()]
    parts += ["", *_legend(report)]
    if report.ranking is not None:
        parts += ["", *_ranking(report, format)]
    return "\n".join(parts)


def _title(row: MatrixRow, format: Format) -> str:
    lower = ", lower is better" if row.metric.lower_is_better else ""
    return f"{'### ' if format == 'md' else ''}{row.task}  ({row.metric.name}{lower})"


def _matrix(row: MatrixRow, flat: Sequence[dict[str, Any]], letters: dict[str, str], format: Format) -> str:
    made: Any = row.matrix or row.costs
    one, two = (percent, points) if is_proportion(row.metric) else (plain, signed)
    cost = row.costs is not None
    tier = {name: i + 1 for i, names in enumerate(made.tiers) for name in names}
    order = [n for names in made.tiers for n in names] + [n for n in made.names if n not in tier]
    size = dict(zip(made.names, made.counts, strict=True))
    mean = dict(zip(made.names, made.means, strict=True))
    found = {(r["b"], r["a"]): r for r in flat}
    rows = []
    for name in order:
        line: dict[str, Any] = {
            "tier": tier.get(name), "arm": f"{letters[name]}  {name}", "n": size[name],
            "score": None if mean[name] is None else one(mean[name]),
        }  # fmt: skip
        for other in order:
            line[other] = "." if other == name else _pair(found, name, other, two, cost)
        rows.append(line)
    columns = [
        Column("tier", "tier", str, True),
        Column("arm", "arm"),
        Column("n", "n", str, True),
        Column("score", "mean" if cost else "score", str, True),
        *(Column(n, f"{'/' if cost else '-'} {letters[n]}", str, True) for n in order),
    ]
    return render(columns, rows, format)


def _pair(found: dict[tuple[str, str], dict[str, Any]], row: str, column: str, shape: Any, cost: bool) -> str | None:
    """The arm of the row held against that of the column; `*` where the difference is shown."""
    one = found.get((row, column))
    flipped = one is None
    one = one or found.get((column, row))
    if one is None:
        return None
    mark = {"better": "*", "worse": "*", "withheld": "?"}.get(one["verdict"], " ")
    value = one["ratio"] if cost else one["difference"]
    if value is None:
        return None
    if cost:
        rough = "~" if one["approximate"] and mark == "*" else ""
        return f"{rough}{1 / value if flipped else value:.2f}{mark}"
    return f"{shape(0.0 - value if flipped else value)}{mark}"


def _overlaps(row: MatrixRow, flat: Sequence[dict[str, Any]], letters: dict[str, str]) -> list[str]:
    sizes = {r["n"] for r in flat}
    if len(sizes) == 1 and not row.unpaired:
        return []
    shown = ", ".join(f"{letters[r['a']]}{letters[r['b']]} {r['n']}" for r in flat[:45])
    return [textwrap.fill(f"questions that both arms of a pair have: {shown}", WIDEST, subsequent_indent="  ")]


def _legend(report: MatrixReport) -> list[str]:
    pairs = sum(
        len(r.matrix.pairs if r.matrix else r.costs.pairs if r.costs else ()) for r in report.rows if not r.is_suite
    )
    kind = {"holm": "Holm", "bh": "Benjamini-Hochberg", "none": "no"}[report.options.correction]
    what = "row / column, ratio of geometric means" if report.rows and report.rows[0].costs else "row - column"
    lines = [
        f"Cells: {what}, each pair on the questions that both have. * shown at {report.options.alpha:g} after {kind} "
        f"correction for {pairs} pairs; ? no verdict. Arms of one tier are not separated from the tier's first. "
        "A suite's pairs are corrected among themselves.",
    ]
    costs = [pair for row in report.rows if row.costs for pair in row.costs.pairs.values()]
    if any(pair.approximate and pair.verdict in ("better", "worse") for pair in costs):
        lines.append(
            "~: the interval of the ratio disagrees with the test (Wilcoxon's ranks) about 1; * follows the test."
        )
    if report.shared:
        lines.append("Only questions that all arms have are counted.")
    return [textwrap.fill(line, WIDEST) for line in lines]


def _ranking(report: MatrixReport, format: Format) -> list[str]:
    made = report.ranking
    if made is None:
        return []
    rows = [
        {"arm": n, "strength": f"{s:+.2f}", "interval": span(low, high, lambda v: f"{v:+.2f}")}
        for n, s, low, high in zip(made.names, made.strength, made.low, made.high, strict=True)
    ]
    columns = [Column("arm", "arm"), Column("strength", "strength", str, True),
               Column("interval", f"{100 * (1 - report.options.alpha):g} % interval", str, True)]  # fmt: skip
    lines = [f"Bradley-Terry over {made.contested} contested questions of all tasks (a view; the verdicts are above)"]
    if made.note:
        lines.append(made.note)
    return [lines[0], "", render(columns, rows, format), "", *lines[1:]]


def interaction_text(report: InteractionReport, format: Format) -> str:
    """The effect at each level and how it changes."""
    shown = interaction_cells(report)
    columns = [
        Column("task", "task"), Column("metric", "metric"), Column("level", report.axis),
        Column("n", "n", str, True), Column("a", "A", str, True), Column("b", "B", str, True),
        Column("difference", "B - A", str, True),
        Column("interval", f"{100 * (1 - report.options.alpha):g} %, over questions", str, True),
        Column("p", "p", str, True), Column("p_corrected", "p corrected", str, True),
        Column("verdict", "B is / effect"),
    ]  # fmt: skip
    mark = "- " if format == "md" else ""
    lines = [f"{mark}A  {report.a}", f"{mark}B  {report.b}", "", render(columns, shown, format), ""]
    lines += [textwrap.fill(line, WIDEST) for line in interaction_notes(report)]
    return "\n".join(lines)


def path_text(report: PathReport, format: Format) -> str:
    """What trials that took the path scored and cost, per arm."""
    names = list(dict.fromkeys(name for row in report.rows for name in row.spreads))
    shown = path_cells(report.rows)
    columns = [
        Column("task", "task"), Column("arm", "arm"), Column("path", report.marker),
        Column("trials", "trials", str, True),
        Column("share", "share", str, True), Column("questions", "questions", str, True),
        Column("score", "score ± SE", str, True), *(Column(n, f"{n}, median", str, True) for n in names),
    ]  # fmt: skip
    columns = [c for c in columns if any(line[c.key] is not None for line in shown)]
    return "\n".join([render(columns, shown, format), "", textwrap.fill(path_notes(report.marker), WIDEST)])


def _path_rows(report: PathReport) -> list[dict[str, Any]]:
    return path_rows(report.rows)
