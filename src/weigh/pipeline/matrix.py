"""Many arms: every pair of them on the questions that both have, and a ranking with tiers, task by task and for suites.

The pairs of all tasks are one family for the correction. A pair whose arms failed unequally, or whose seconds were
taken under different conditions, keeps its numbers and gets no verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import msgspec
import numpy as np

from weigh.analyze.correct import adjust
from weigh.analyze.cost import CostComparison, compare_costs
from weigh.analyze.family import correct_comparisons
from weigh.analyze.matrix import Matrix, Pair, compare_matrix, correct_matrices, lowest_p
from weigh.analyze.rank import BradleyTerry, bradley_terry, tiers
from weigh.analyze.suite import SuiteComparison, compare_suite
from weigh.analyze.unequal import failed_unequally
from weigh.pipeline.compare_options import Options
from weigh.pipeline.compare_suites import suites_of
from weigh.pipeline.conditions import host_difference
from weigh.pipeline.metrics import COSTS
from weigh.pipeline.results import suite_members, suite_tree
from weigh.pipeline.sheet import Sheet, fill_sheet, only_shared, shared_tasks, tasks_meant
from weigh.pipeline.sides import Side, side_names
from weigh.records.errors import DefinitionError
from weigh.records.run import MetricInfo, SuiteNode
from weigh.store.dataset import Dataset


class CostMatrix(msgspec.Struct, frozen=True, kw_only=True):
    """Costs of many arms: for each pair (a, b) the comparison of b with a, and tiers, cheapest first."""

    names: tuple[str, ...]
    means: tuple[float | None, ...]
    counts: tuple[int, ...]
    pairs: dict[str, CostComparison]
    """By `B against A`, in the order of `combinations(names, 2)`."""
    tiers: tuple[tuple[str, ...], ...]


class MatrixRow(msgspec.Struct, frozen=True, kw_only=True):
    """One task (or suite) for many arms.

    Attributes:
        task: The task's spec, or the suite's name.
        metric: Which.
        matrix: The pairs of scores; None for a cost.
        costs: The pairs of costs; None for a score.
        withheld: By `B against A`: why that pair gets no verdict.
        is_suite: Whether it is a suite's aggregate.
        unpaired: By arm: questions that other arms have and this one does not.
        lowest: Set where no pair of scores can ever be resolved: the smallest corrected p that any could have.
    """

    task: str
    metric: MetricInfo
    matrix: Matrix | None = None
    costs: CostMatrix | None = None
    withheld: dict[str, str] = {}
    is_suite: bool = False
    unpaired: dict[str, int] = {}
    lowest: float | None = None


class MatrixReport(msgspec.Struct, frozen=True, kw_only=True):
    """Many arms compared.

    Attributes:
        names: Labels of the arms, as given.
        arms: The run and arm behind each label.
        rows: Tasks, then suites.
        ranking: Bradley-Terry strengths over the contested questions of all tasks; a view, not a verdict.
        options: How it was compared.
        shared: Whether only questions that all arms have were kept.
        notes: Lines for people.
    """

    names: tuple[str, ...]
    arms: dict[str, tuple[str, ...]]
    rows: tuple[MatrixRow, ...]
    ranking: BradleyTerry | None = None
    options: Options = Options()
    shared: bool = False
    notes: tuple[str, ...] = ()


def compare_many(
    data: Dataset, sides: Sequence[Side], options: Options, *, shared: bool = False, rank: bool = False
) -> MatrixReport:
    """Compare each side with each other.

    Raises:
        DefinitionError: No two sides share a task, or the options ask for something that takes two arms.
    """
    if options.by or options.margin is not None or options.method != "auto":
        raise DefinitionError("--by, --margin and --method compare two arms, not more; name two of them")
    suites = {s.name: s for side in sides for s in suites_of(side)}
    if options.suite is not None and options.suite not in suites:
        raise DefinitionError(f"no run has the suite {options.suite!r} (they have {', '.join(suites) or 'none'})")
    wanted = tasks_meant(sides, options.tasks) or (tuple(suite_members(suites[options.suite])) if options.suite else ())
    chosen = [suites[options.suite]] if options.suite else [] if options.tasks else list(suites.values())
    sheets = {
        name: fill_sheet(data, sides, name, defined, options) for name, defined in shared_tasks(sides, wanted).items()
    }
    if shared:
        sheets = {name: only_shared(sheet) for name, sheet in sheets.items()}
    rows = [_row(data, sides, sheet, options) for sheet in sheets.values()]
    rows = _corrected(rows, options)
    rows += [made for s in chosen if (made := _suite(s, sheets, rows, options)) is not None]
    return MatrixReport(
        names=tuple(s.label for s in sides),
        arms={s.label: side_names(s) for s in sides},
        rows=tuple(rows),
        ranking=_ranking(sides, sheets, options) if rank else None,
        options=options,
        shared=shared,
    )


def pair_name(a: str, b: str) -> str:
    """How a pair is called: `B against A`."""
    return f"{b} against {a}"


def _row(data: Dataset, sides: Sequence[Side], sheet: Sheet, options: Options) -> MatrixRow:
    have = ~np.isnan(sheet.values)
    union = int(have.any(axis=0).sum())
    base = MatrixRow(
        task=sheet.task,
        metric=sheet.metric,
        withheld=_withheld(data, sides, sheet, options),
        unpaired={name: union - int(h.sum()) for name, h in zip(sheet.names, have, strict=True) if h.sum() < union},
    )
    if sheet.metric.name in COSTS:
        return msgspec.structs.replace(base, costs=_costs(sheet, options))
    made = compare_matrix(
        sheet.names,
        sheet.values,
        clusters=None if sheet.clusters is None else sheet.clusters.tolist(),
        alpha=options.alpha,
        correction="none",
        lower_is_better=sheet.metric.lower_is_better,
    )
    return msgspec.structs.replace(base, matrix=made)


def _withheld(data: Dataset, sides: Sequence[Side], sheet: Sheet, options: Options) -> dict[str, str]:
    by_label = {s.label: s for s in sides}
    found: dict[str, str] = {}
    failures = bool(np.nansum(sheet.failed)) and options.errors == "exclude"
    if not failures and sheet.metric.unit != "s":
        return found
    for (i, a), (j, b) in combinations(enumerate(sheet.names), 2):
        reason = host_difference(data, by_label[a], by_label[b], sheet.metric)
        if failures:
            both = ~np.isnan(sheet.failed[i]) & ~np.isnan(sheet.failed[j])
            unequal = failed_unequally(sheet.failed[i][both], sheet.failed[j][both], alpha=options.alpha)
            reason = unequal.reason if unequal.unequal else reason
        if reason is not None:
            found[pair_name(a, b)] = reason
    return found


def _costs(sheet: Sheet, options: Options) -> CostMatrix:
    have = ~np.isnan(sheet.values)
    pairs = {}
    for (i, a), (j, b) in combinations(enumerate(sheet.names), 2):
        both = have[i] & have[j]
        late = [(sheet.timeouts[k][both] > 0).tolist() for k in (i, j)]
        pairs[pair_name(a, b)] = compare_costs(
            sheet.values[i][both],
            sheet.values[j][both],
            alpha=options.alpha,
            timed_out_a=late[0],
            timed_out_b=late[1],
            test_ratio=options.bootstrap,
        )
    means = tuple(float(v[h].mean()) if h.any() else None for v, h in zip(sheet.values, have, strict=True))
    return CostMatrix(names=sheet.names, means=means, counts=tuple(int(h.sum()) for h in have), pairs=pairs, tiers=())


def _corrected(rows: Sequence[MatrixRow], options: Options) -> list[MatrixRow]:
    """All pairs of all tasks as one family."""
    out = list(rows)
    scored = [i for i, row in enumerate(rows) if row.matrix is not None]
    silent = [
        {(p.a, p.b) for p in rows[i].matrix.pairs if pair_name(p.a, p.b) in rows[i].withheld}  # type: ignore[union-attr]
        for i in scored
    ]
    made = correct_matrices([m for row in rows if (m := row.matrix) is not None], options.correction, silent)
    floors = iter(lowest_p([pair for matrix in made for pair in matrix.pairs], options.correction))
    for i, matrix in zip(scored, made, strict=True):
        lowest = _out_of_reach([next(floors) for _ in matrix.pairs], options)
        out[i] = msgspec.structs.replace(rows[i], matrix=matrix, lowest=lowest)
    priced = [
        (i, name) for i, row in enumerate(rows) if row.costs for name in row.costs.pairs if name not in row.withheld
    ]
    fixed = correct_comparisons([rows[i].costs.pairs[name] for i, name in priced], options.correction)  # type: ignore[union-attr]
    for i, row in enumerate(rows):
        if row.costs is None:
            continue
        pairs = dict(row.costs.pairs) | {name: one for (at, name), one in zip(priced, fixed, strict=True) if at == i}
        costs = msgspec.structs.replace(row.costs, pairs=pairs)
        out[i] = msgspec.structs.replace(
            row, costs=msgspec.structs.replace(costs, tiers=_cheapest(costs, row.withheld))
        )
    return out


def _out_of_reach(floors: Sequence[float | None], options: Options) -> float | None:
    """The smallest of them where even that resolves nothing."""
    lowest = min((p for p in floors if p is not None), default=None)
    return lowest if lowest is not None and lowest > options.alpha else None


def _cheapest(costs: CostMatrix, withheld: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    known = [i for i, mean in enumerate(costs.means) if mean is not None]
    apart = np.zeros((len(costs.names), len(costs.names)), dtype=bool)
    for i, j in combinations(range(len(costs.names)), 2):
        name = pair_name(costs.names[i], costs.names[j])
        apart[i, j] = apart[j, i] = name not in withheld and costs.pairs[name].verdict != "unresolved"
    scores = [-mean for i in known if (mean := costs.means[i]) is not None]
    return tuple(tuple(t) for t in tiers([costs.names[i] for i in known], scores, apart[np.ix_(known, known)]))


def _suite(
    suite: SuiteNode, sheets: Mapping[str, Sheet], rows: Sequence[MatrixRow], options: Options
) -> MatrixRow | None:
    """A suite's aggregate for all arms that have all of its tasks; None when fewer than two do."""
    members = suite_members(suite)
    if suite.aggregation == "none" or options.metric in COSTS or any(m not in sheets for m in members):
        return None
    metric = sheets[members[0]].metric
    if len({sheets[m].metric.lower_is_better for m in members}) > 1:
        return None
    names = [n for n in sheets[members[0]].names if all(n in sheets[m].names for m in members)]
    made: list[tuple[str, str, SuiteComparison]] = []
    for a, b in combinations(names, 2):
        pairs, clusters = {}, {}
        for member in members:
            sheet = sheets[member]
            x, y = (sheet.values[sheet.names.index(n)] for n in (a, b))
            both = ~np.isnan(x) & ~np.isnan(y)
            pairs[member] = (x[both], y[both])
            if sheet.clusters is not None:
                clusters[member] = sheet.clusters[both].tolist()
        if all(x.size for x, _ in pairs.values()):
            made.append((a, b, compare_suite(
                suite_tree(suite), pairs, clusters=clusters or None, alpha=options.alpha,
                lower_is_better=metric.lower_is_better, seed=options.seed,
            )))  # fmt: skip
    if not made:
        return None
    matrix = _suite_matrix(names, made, options, metric.lower_is_better)
    return MatrixRow(
        task=suite.name,
        metric=msgspec.structs.replace(metric, name=suite.aggregation),
        is_suite=True,
        matrix=matrix,
        lowest=_out_of_reach(lowest_p(matrix.pairs, options.correction), options),
        withheld={
            name: "a task of the suite gives no verdict on this pair"
            for row in rows
            if row.task in members
            for name in row.withheld
        },
    )


def _suite_matrix(
    names: Sequence[str], made: Sequence[tuple[str, str, SuiteComparison]], options: Options, lower: bool
) -> Matrix:
    """The pairs of a suite in the form of a task's matrix; arms are ranked by their mean over their pairs."""
    found = {(a, b): one for a, b, one in made}
    adjusted = adjust([one.p for one in found.values()], options.correction)
    p_of = dict(zip(found, adjusted, strict=True))
    pairs = []
    for a, b in combinations(names, 2):
        one = found.get((a, b))
        if one is None:
            continue
        p = p_of[a, b]
        shown = p is not None and p <= options.alpha and bool(one.difference)
        up = one.difference is not None and (one.difference > 0) != lower
        pairs.append(
            Pair(
                a=a, b=b, n=one.n, mean_a=one.mean_a, mean_b=one.mean_b, difference=one.difference, se=one.se,
                low=one.low, high=one.high, p=one.p, p_adjusted=p, wins=one.wins, losses=one.losses, ties=one.ties,
                mde80=one.mde80, approximate=one.approximate, method=one.method,
                verdict="unresolved" if not shown else "better" if up else "worse",
            )
        )  # fmt: skip
    sides = {n: [m for p in pairs for m in (p.mean_a if p.a == n else p.mean_b if p.b == n else None,) if m is not None]
             for n in names}  # fmt: skip
    counts = {n: max((p.n for p in pairs if n in (p.a, p.b)), default=0) for n in names}
    scored = [n for n in names if sides[n]]
    means = {n: sum(sides[n]) / len(sides[n]) for n in scored}
    apart = np.zeros((len(scored), len(scored)), dtype=bool)
    for pair in pairs:
        i, j = scored.index(pair.a), scored.index(pair.b)
        apart[i, j] = apart[j, i] = pair.verdict != "unresolved"
    return Matrix(
        names=tuple(names),
        means=tuple(means.get(n) for n in names),
        counts=tuple(counts[n] for n in names),
        pairs=tuple(pairs),
        tiers=tuple(tuple(t) for t in tiers(scored, [(-1 if lower else 1) * means[n] for n in scored], apart)),
        correction=options.correction,
        shared=False,
        alpha=options.alpha,
        lower_is_better=lower,
    )


def _ranking(sides: Sequence[Side], sheets: Mapping[str, Sheet], options: Options) -> BradleyTerry:
    """Strengths over the questions of all tasks on which arms differ."""
    names = [s.label for s in sides]
    wins = np.zeros((len(names), len(names)))
    for sheet in sheets.values():
        turn = -1.0 if sheet.metric.lower_is_better else 1.0
        for (i, a), (j, b) in combinations(enumerate(sheet.names), 2):
            with np.errstate(invalid="ignore"):
                difference = turn * (sheet.values[j] - sheet.values[i])
                x, y = names.index(a), names.index(b)
                wins[y, x] += np.count_nonzero(difference > 0)
                wins[x, y] += np.count_nonzero(difference < 0)
    return bradley_terry(names, wins, level=1 - options.alpha)
