"""A gate's answer in the forms that CI shows: a table, a Markdown summary, JUnit XML, JSON."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as xml

from weigh.analyze.verdict import show_p
from weigh.cli.table import Column, Format, render
from weigh.pipeline.conclusion import amount, is_proportion
from weigh.pipeline.gate import Check, GateReport
from weigh.records.run import MetricInfo

WORDS = {"pass": "pass", "regression": "REGRESSION", "cannot tell": "cannot tell"}
SIGNS = {"pass": "✅ pass", "regression": "❌ regression", "cannot tell": "❔ cannot tell"}
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def condition_text(check: Check) -> str:
    """A condition in words: `exact_match: drop of at most 1 pp`, `tokens: at most 1.1 times as much`."""
    name = check.metric.name if check.metric is not None else check.condition.metric or "score"
    if check.condition.max_ratio is not None:
        return f"{name}: at most x {check.condition.max_ratio:g}"
    drop = check.condition.max_drop or 0.0
    if check.metric is not None and not is_proportion(check.metric):
        unit = f" {check.metric.unit}" if check.metric.unit else ""
        change = "rise" if check.metric.lower_is_better else "drop"
        return f"{name}: {change} of at most {drop:g}{unit}"
    change = "rise" if check.metric is not None and check.metric.lower_is_better else "drop"
    return f"{name}: {change} of at most {100 * drop:g} pp"


def change_text(check: Check) -> str | None:
    """What was seen, against what is allowed."""
    if check.gate is None or check.gate.value is None:
        return None
    if check.condition.max_ratio is not None:
        return f"x {check.gate.value:.3f}"
    return amount(check.gate.value, check.metric)


def flat(check: Check) -> dict[str, Any]:
    """A check as one row of plain values."""
    gate = check.gate
    return {
        "task": check.task,
        "metric": check.metric.name if check.metric is not None else check.condition.metric,
        "condition": condition_text(check),
        "n": gate.n if gate is not None else 0,
        "baseline": check.a,
        "candidate": check.b,
        "value": gate.value if gate is not None else None,
        "limit": gate.limit if gate is not None else None,
        "p_pass": gate.p_pass if gate is not None else None,
        "p_regression": gate.p_regression if gate is not None else None,
        "p_regression_corrected": check.p_adjusted,
        "more_questions": gate.more_questions if gate is not None and check.outcome == "cannot tell" else None,
        "outcome": check.outcome,
        "reason": check.reason,
        "not_paired": check.note,
    }


def table(report: GateReport, format: Format) -> str:
    """The checks as a table; JSON and CSV carry raw numbers."""
    if format in ("json", "csv"):
        return render([Column(k, k) for k in FIELDS], [flat(c) for c in report.checks], format)
    columns = [
        Column("task", "task"),
        Column("condition", "condition"),
        Column("n", "n", str, True),
        Column("a", "baseline", str, True),
        Column("b", "candidate", str, True),
        Column("change", "change", str, True),
        Column("p_pass", "p pass", show_p, True),
        Column("p_regression", "p regression", show_p, True),
        Column("outcome", "outcome"),
    ]
    words = SIGNS if format == "md" else WORDS
    rows = [
        flat(c)
        | {
            "a": _value(c.a, c.metric),
            "b": _value(c.b, c.metric),
            "change": change_text(c),
            "p_regression": c.p_adjusted,
            "outcome": words[c.outcome],
        }
        for c in report.checks
    ]
    return render(columns, rows, format)


FIELDS = (
    "task", "metric", "condition", "n", "baseline", "candidate", "value", "limit", "p_pass", "p_regression",
    "p_regression_corrected", "more_questions", "outcome", "reason", "not_paired",
)  # fmt: skip


def _value(value: float | None, metric: MetricInfo | None) -> str | None:
    if value is None:
        return None
    return f"{100 * value:.1f} %" if is_proportion(metric) else f"{value:.4g}"


def reasons(report: GateReport) -> list[str]:
    """A line for each check that did not simply pass, and what did not pair."""
    lines = [
        f"{c.task}, {condition_text(c)}: {c.reason}" for c in report.checks if c.outcome != "pass" or c.gate is None
    ]
    lines += dict.fromkeys(f"{c.task}: {c.note}" for c in report.checks if c.note)
    return [*lines, *report.notes]


def answer(report: GateReport) -> str:
    """The last line: the answer, in words."""
    total = len(report.checks)
    bad = [c for c in report.checks if c.outcome == "regression"]
    open_ = [c for c in report.checks if c.outcome == "cannot tell"]
    if report.outcome == "pass":
        return f"pass: {report.candidate} is within the limits of {report.baseline} on {_all(total)}"
    if report.outcome == "regression":
        more = f", and {len(open_)} cannot be told" if open_ else ""
        return f"regression: {report.candidate} is beyond the limit on {len(bad)} of {_all(total)}{more}"
    more = f"; about {report.more_questions:,} more questions would tell" if report.more_questions else ""
    return f"cannot tell: {len(open_)} of {_all(total)} {'is' if len(open_) == 1 else 'are'} open{more}"


def _all(number: int) -> str:
    return "1 check" if number == 1 else f"{number} checks"


def markdown(report: GateReport) -> str:
    """A summary for a pull request or a job's page."""
    word = SIGNS[report.outcome].split()[0]
    lines = [f"### {word} weigh gate: {report.candidate} against {report.baseline}", "", table(report, "md"), ""]
    lines += [f"- {line}" for line in reasons(report)]
    lines += ["", f"**{answer(report)}**", ""]
    return "\n".join(lines)


def junit(report: GateReport) -> str:
    """JUnit XML: one test case a check; a regression is a failure, what cannot be told an error."""
    counts = {
        "tests": len(report.checks),
        "failures": sum(c.outcome == "regression" for c in report.checks),
        "errors": sum(c.outcome == "cannot tell" for c in report.checks),
    }
    totals = {key: str(value) for key, value in counts.items()}
    root = xml.Element("testsuites", {"name": "weigh gate", **totals})
    name = _clean(f"{report.candidate} against {report.baseline}")
    suite = xml.SubElement(root, "testsuite", {"name": name, **totals, "skipped": "0", "time": "0"})
    for check in report.checks:
        names = {"classname": _clean(check.task), "name": _clean(condition_text(check)), "time": "0"}
        one = xml.SubElement(suite, "testcase", names)
        if check.outcome != "pass":
            tag = "failure" if check.outcome == "regression" else "error"
            found = xml.SubElement(one, tag, {"message": _clean(check.reason), "type": check.outcome})
            found.text = _clean("\n".join(filter(None, [change_text(check), check.reason, check.note])))
        facts = [f"{key}: {value}" for key, value in flat(check).items() if value is not None]
        xml.SubElement(one, "system-out").text = _clean("\n".join(facts))
    xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(root, encoding="unicode")


def _clean(text: str) -> str:
    """Without characters that XML cannot hold at all."""
    return _UNPRINTABLE.sub("?", text)
