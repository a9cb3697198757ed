"""What a study concludes as texts: a row for each model, whether the models differ, and one sentence a contrast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weigh.analyze.paired import Comparison
from weigh.analyze.scope import GivenComparison
from weigh.analyze.verdict import show_p
from weigh.pipeline.compare_report import TaskRow
from weigh.pipeline.compare_rows import percent, points, span
from weigh.pipeline.study_results import WORDS, Contrast, ModelVerdict

SURE = ("helps", "hurts", "no difference")
NOTHING = "nothing to compare"
NO_TEST = "no test on exactly these tasks is possible for"
FEW = 4
"""So many values of an axis have their share of an effect told in the sentence."""


def verdict_row(one: ModelVerdict) -> dict[str, Any]:
    """One model's line; None where there is nothing to say."""
    made = _numbers(one)
    given = _given(one)
    return {
        "model": one.model,
        "n": str(made.n) if made is not None else None,
        "a": percent(made.mean_a) if made is not None and made.mean_a is not None else None,
        "b": percent(made.mean_b) if made is not None and made.mean_b is not None else None,
        "difference": points(made.difference) if made is not None and made.difference is not None else None,
        "over_epochs": _interval(given),
        "given": None if one.given is None else f"{one.given} (p = {show_p(given.p)})",
        "over_tasks": _interval(made),
        "verdict": one.verdict + (f" (p = {show_p(made.p)})" if made is not None and made.p is not None else ""),
        "tokens": _tokens(one),
    }


def rough_told(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """What the mark at an interval says; None where none has it."""
    if any((row[kind] or "").startswith("~") for row in rows for kind in ("over_epochs", "over_tasks")):
        return "~: the interval is approximate and disagrees with the test about zero; the verdict follows the test"
    return None


def interaction_told(contrast: Contrast) -> str | None:
    """Whether the models differ in the effect, in words; None where there is nothing to ask."""
    made = contrast.interaction
    if made is None:
        return None
    row = made.rows[-1]
    axis = "sizes" if made.axis == "size" else f"{made.axis}s"
    levels = f"{made.levels[0]} to {made.levels[-1]}"
    if row.verdict == "withheld":
        return f"whether the {axis} differ: no verdict, {row.withheld}"
    p = f"{row.made.method}, p = {show_p(row.made.p)}"
    if row.verdict == "grows":
        return f"the {axis} differ: the effect grows from {levels} ({p})"
    if row.verdict == "falls":
        return f"the {axis} differ: the effect falls from {levels} ({p})"
    if row.verdict == "differs":
        return f"the {axis} differ ({p})"
    return f"whether the {axis} differ: cannot tell ({p})"


def contrast_told(contrast: Contrast) -> str:
    """One sentence: for which models b helps or hurts against a, where that comes from, for which the evidence cannot
    tell, and what it is about: exactly these tasks, or tasks like these."""
    head = f"{contrast.axis} {contrast.b} against {contrast.a}"
    if not contrast.models:
        return f"{head}: not compared ({contrast.note or 'no model has both'})."
    tested = any(one.given is not None for one in contrast.models)
    found: dict[str, list[str]] = {}
    for one in contrast.models:
        word, told = _said(one, tested)
        found.setdefault(word, []).append(told)
    order = sorted(found, key=lambda word: (word == NOTHING, word == NO_TEST, not word.startswith(SURE)))
    parts = [f"{word} {', '.join(found[word])}" for word in order]
    return f"{head}: {'; '.join(parts)}.{_caution(contrast)}"


def _caution(contrast: Contrast) -> str:
    return f" {contrast.caution[0].upper()}{contrast.caution[1:]}." if contrast.caution else ""


def _said(one: ModelVerdict, tested: bool) -> tuple[str, str]:
    """The strongest thing that may be said of a model, as the beginning that models share and its own end.

    Args:
        tested: Whether some model of the contrast has a verdict about exactly these tasks.
    """
    made = _numbers(one)
    if made is None or made.mean_a is None or made.mean_b is None:
        return NOTHING, f"for {one.model}"
    same = percent(made.mean_a) == percent(made.mean_b)
    moved = f"{percent(made.mean_a)} % both" if same else f"from {percent(made.mean_a)} % to {percent(made.mean_b)} %"
    like = "" if made.p is None else f", p = {show_p(made.p)}"
    if one.verdict in SURE:
        begun = one.verdict if one.verdict != "no difference" else "no difference for"
        return begun, f"{one.model} on tasks like these ({moved}{like}){_source(one)}"
    given = _given(one)
    if given is None:
        if tested and one.verdict == "cannot tell":
            each = "1 trial each" if one.report.rows[0].metric.reduce == "mean" else "not of this metric"
            return NO_TEST, f"{one.model} ({moved}, {each})"
        return _unsure(one), f"{one.model} ({moved}{like and f'{like} on tasks like these'})"
    chance = f", p = {show_p(given.p)}"
    if one.given in SURE:
        also = f"; on tasks like these: {one.verdict}{like}"
        begun = one.given if one.given != "no difference" else "no difference for"
        return begun, f"{one.model} on exactly these tasks ({moved}{chance}{also}){_source(one)}"
    if like not in ("", chance):
        chance = f"; p = {show_p(given.p)} on exactly these tasks, {show_p(made.p)} on tasks like these"
    return _unsure(one), f"{one.model} ({moved}{chance})"


def _unsure(one: ModelVerdict) -> str:
    return "the evidence cannot tell for" if one.verdict == "cannot tell" else f"{one.verdict} for"


def _source(one: ModelVerdict) -> str:
    """At which value of a further axis the effect lies, or how it is shared among a few."""
    told = []
    for split in one.within:
        held = split.source
        made = held.score if held is not None else None
        if held is not None and made is not None and made.mean_a is not None and made.mean_b is not None:
            much = "all" if split.alone else "nearly all"
            moved = f"from {percent(made.mean_a)} % to {percent(made.mean_b)} %"
            told.append(f"{much} of it in {split.axis} {held.group} ({moved})")
        elif len(split.rows) <= FEW:
            each = [f"{r.group} {points(r.score.difference)}" for r in split.rows
                    if r.score is not None and r.score.difference is not None]  # fmt: skip
            told.append(f"by {split.axis} {', '.join(each)} points")
    return f", {'; '.join(told)}" if told else ""


def within_rows(one: ModelVerdict) -> list[dict[str, Any]]:
    """One model's verdicts within each value of further axes, as `weigh compare --by AXIS` has them: a row a value.
    None where nothing differs at any value."""
    moved = any(row.score is not None and row.score.difference for split in one.within for row in split.rows)
    return [_within_row(one.model, split.axis, row) for split in one.within for row in split.rows] if moved else []


def _within_row(model: str, axis: str, row: TaskRow) -> dict[str, Any]:
    made, given = row.score, row.given
    assert made is not None, "levels are of scores"
    return {
        "model": model,
        "axis": axis,
        "value": row.group,
        "n": str(made.n),
        "a": None if made.mean_a is None else percent(made.mean_a),
        "b": None if made.mean_b is None else percent(made.mean_b),
        "difference": None if made.difference is None else points(made.difference),
        "over_epochs": _interval(given),
        "given": None if given is None else _worded("withheld" if row.withheld else given.verdict, given),
        "over_tasks": _interval(made),
        "verdict": _worded(row.verdict, made),
    }


def _worded(verdict: str, made: Comparison | GivenComparison) -> str:
    p = made.p if made.p_adjusted is None else made.p_adjusted
    return WORDS[verdict] + ("" if p is None else f" (p = {show_p(p)})")


def _given(one: ModelVerdict) -> Any:
    suite = one.report.suites[0] if one.report.suites else None
    return suite.given if suite is not None else one.report.rows[0].given


def _interval(made: Any) -> str | None:
    """Marked where it disagrees with the test about zero."""
    return None if made is None else span(made.low, made.high, points, "~" if made.approximate else "")


def _numbers(one: ModelVerdict) -> Any:
    """The comparison over all tasks; None where there is none."""
    suite = one.report.suites[0] if one.report.suites else None
    return (suite.comparison if suite is not None else None) or one.report.rows[0].score


def _tokens(one: ModelVerdict) -> str | None:
    if one.tokens is None:
        return None
    row = one.tokens.total or one.tokens.rows[0]
    if row.cost is None or row.cost.ratio is None:
        return None
    word = {"better": "fewer", "worse": "more"}.get(row.verdict, "cannot tell")
    if word != "cannot tell" and row.cost.approximate:
        # The ratio does not support what the test found; the shift is the number that belongs to the test.
        return f"{row.cost.shift:+.0f}, {word}" if row.cost.shift else word
    return f"x {row.cost.ratio:.2f}, {word}"
