"""A comparison in a few plain sentences: where B is better, where worse, whether that is sure, and how far it reaches.

Nothing is computed here; the sentences say what the verdicts and numbers of a `Report` already are.
"""

from __future__ import annotations

from collections.abc import Sequence

from weigh.analyze.cost import CostComparison
from weigh.analyze.verdict import show_p
from weigh.pipeline.compare_report import Report, SuiteRow, TaskRow
from weigh.records.run import MetricInfo

MOST = 5
"""Tasks named in one sentence."""


def is_proportion(metric: MetricInfo | None) -> bool:
    """Whether a number is shown in percent, and a difference in percentage points."""
    return metric is not None and metric.bounds == (0.0, 1.0) and metric.unit is None


def amount(value: float, metric: MetricInfo | None) -> str:
    """A difference in words: `+3.1 points` of percent, or a plain number with its unit."""
    if is_proportion(metric):
        return f"{100 * value:+.1f} points"
    return f"{value:+.4g}{' ' + metric.unit if metric is not None and metric.unit else ''}"


def conclude(report: Report) -> str:
    """One paragraph about a comparison of two arms."""
    rows = report.rows
    if not any(row.pairing.paired for row in rows):
        return f"{report.a} and {report.b} have no question in common, so nothing can be said."
    asked = [row for row in rows if row.pairing.paired]
    empty = [row.task for row in rows if not row.pairing.paired]
    sentences = [_tasks(asked, verdict) for verdict in ("better", "worse", "equivalent", "unresolved", "withheld")]
    if empty:
        sentences.append(f"On {_names(empty)} there is nothing to compare.")
    if report.total is not None:
        sentences.append(_tasks([report.total], report.total.verdict))
    sentences += [_suite(suite) for suite in report.suites]
    sentences += _levels(report)
    if any(row.verdict in ("better", "worse") for row in rows):
        sentences.append(_sure(report))
    sentences.append(_given(rows, report.suites))
    sentences += report.cautions
    return " ".join(s for s in sentences if s)


def _tasks(rows: Sequence[TaskRow], verdict: str) -> str:
    found = [row for row in rows if row.verdict == verdict]
    if not found:
        return ""
    if verdict in ("better", "worse"):
        cheap = all(row.cost is not None for row in found)
        word = {"better": "cheaper", "worse": "dearer"}[verdict] if cheap else verdict
        names = _names([f"{row.task} ({_size(row)})" for row in found])
        return f"B is {word} than A on {names}."
    names = _names([row.task for row in found])
    if verdict == "equivalent":
        margin = next(row.score.margin for row in found if row.score is not None)
        return (
            f"On {names} the two are equivalent: a difference of {_plain_margin(margin, found[0].metric)} is ruled out."
        )
    if verdict == "withheld":
        return f"On {names} no verdict is given (the reason is above)."
    return f"On {names} the evidence cannot tell{_reach(found)}."


def _size(row: TaskRow) -> str:
    if row.cost is not None:
        return _cost_size(row.cost, row.metric, row.verdict == "better")
    made = row.score
    return amount(made.difference, row.metric) if made is not None and made.difference is not None else "-"


def _cost_size(made: CostComparison, metric: MetricInfo, cheaper: bool) -> str:
    """The number that supports a verdict about a cost: the ratio where it agrees with the test that decided, else the
    shift, which is the test's own; and a word where the means in the table point the other way."""
    if made.ratio is not None and not made.approximate and (made.ratio < 1) == cheaper:
        told = f"{made.ratio:.2f}"
        told = f"{told if told != '1.00' else f'{made.ratio:.4f}'} times the {_called(metric)}"
    elif made.shift and (made.shift < 0) == cheaper:
        told = f"typically {made.shift:+.4g} {metric.unit or ''}".rstrip()
    else:
        told = "by the ranks of the differences"
    apart = (made.mean_b or 0.0) - (made.mean_a or 0.0)
    if apart and (apart < 0) != cheaper:
        told += f", though its mean is {'higher' if cheaper else 'lower'}"
    return told


def _called(metric: MetricInfo) -> str:
    """A cost's name in a sentence: `new` are new tokens."""
    kind = f" {metric.unit}" if metric.name in ("new", "cached", "generated") else ""
    return metric.name.replace("_", " ") + kind


def _plain_margin(margin: float | None, metric: MetricInfo) -> str:
    return f"{amount(margin or 0.0, metric).lstrip('+')} or more"


def _reach(found: Sequence[TaskRow]) -> str:
    known = [row for row in found if row.score is not None and row.score.mde80 is not None]
    few = [r.task for r in found if r.score is not None and r.score.mde80 is None and r.score.wins + r.score.losses]
    if not known:
        return ": too few questions are contested for any difference to show" if len(few) == len(found) else ""
    reaches = [
        amount(row.score.mde80, row.metric).lstrip("+") + (f" on {row.task}" if len(found) > 1 else "")
        for row in known
        if row.score is not None and row.score.mde80 is not None
    ]
    text = f": what would have shown 4 times in 5, taken alone, is a difference of about {_names(reaches)}"
    return text + (f"; on {_names(few)} too few questions are contested for any to show" if few else "")


def _suite(suite: SuiteRow) -> str:
    made = suite.comparison
    if made is None or made.difference is None:
        return ""
    if suite.withheld:
        return f"Over {suite.suite} no verdict is given, since one of its tasks has none."
    size = f"{amount(made.difference, suite.metric)}, p = {show_p(made.p)}"
    if made.verdict in ("better", "worse"):
        text = f"Over {suite.suite} as a whole B is {made.verdict} ({size})"
    elif made.verdict == "equivalent":
        text = f"Over {suite.suite} as a whole the two are equivalent ({size})"
    else:
        text = f"Over {suite.suite} as a whole the evidence cannot tell ({size})"
    return f"{text}; {made.reason_tasks}."


def _sure(report: Report) -> str:
    tested = sum(row.withheld is None for row in report.rows)
    alpha, kind = report.options.alpha, report.options.correction
    if report.options.method == "sign-wald":
        return "The Wald sign test claims too much when few questions are contested; do not rely on it."
    if kind == "none" and tested > 1:
        return (
            f"Nothing corrects for having looked at {tested} tasks: expect {alpha:.0%} of equal ones to look different."
        )
    if kind == "bh" and tested > 1:
        return f"Among these claims a share of {alpha:.0%} or less is expected to be false."
    if tested > 1:
        return f"The chance that any claim about a single task is false is {alpha:.0%} or less, whatever their number."
    return f"If there were no difference, one like this would be seen at most {alpha:.0%} of the time."


def _levels(report: Report) -> list[str]:
    """One sentence about the values of the axis that was split by."""
    parts = []
    for row in report.levels:
        word = {"better": "better", "worse": "worse", "equivalent": "equivalent"}.get(row.verdict, "not resolved")
        parts.append(f"at {row.group} {word}" + (f" ({_size(row)})" if row.verdict in ("better", "worse") else ""))
    return [f"Over all tasks, by {report.options.by}, B is {_names(parts)}."] if parts else []


def _given(rows: Sequence[TaskRow], suites: Sequence[SuiteRow] = ()) -> str:
    found = [
        f"{suite.suite} as a whole B is {suite.given.verdict} ({amount(suite.given.difference or 0.0, suite.metric)})"
        for suite in suites
        if suite.given is not None
        and suite.withheld is None
        and suite.given.verdict in ("better", "worse")
        and suite.verdict != suite.given.verdict
    ]
    found += [
        f"{row.task} B is {row.given.verdict}"
        for row in rows
        if row.given is not None
        and row.withheld is None
        and row.given.verdict in ("better", "worse")
        and row.verdict != row.given.verdict
    ]
    return f"On exactly these questions, which is a smaller claim: on {_names(found)}." if found else ""


def _names(names: Sequence[str]) -> str:
    rest = len(names) - MOST
    shown = list(names[:MOST])
    if rest > 0:
        return f"{', '.join(shown)} and {rest} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
