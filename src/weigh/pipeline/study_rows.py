"""What a study concludes as texts: a row for each model, whether the models differ, and one sentence a contrast."""

from __future__ import annotations

from typing import Any

from weigh.analyze.verdict import show_p
from weigh.pipeline.compare_rows import percent, points, span
from weigh.pipeline.study_results import Contrast, ModelVerdict

SURE = ("helps", "hurts", "no difference")
NOTHING = "nothing to compare"


def verdict_row(one: ModelVerdict) -> dict[str, Any]:
    """One model's line; None where there is nothing to say."""
    made, ranged = _numbers(one)
    return {
        "model": one.model,
        "n": str(made.n) if made is not None else None,
        "a": percent(made.mean_a) if made is not None and made.mean_a is not None else None,
        "b": percent(made.mean_b) if made is not None and made.mean_b is not None else None,
        "difference": points(made.difference) if made is not None and made.difference is not None else None,
        "interval": span(ranged.low, ranged.high, points) if ranged is not None else None,
        "given": None if one.given is None else f"{one.given} (p = {show_p(_given(one).p)})",
        "verdict": one.verdict + (f" (p = {show_p(made.p)})" if made is not None and made.p is not None else ""),
        "tokens": _tokens(one),
    }


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
    """One sentence: for which models b helps or hurts against a, and for which the evidence cannot tell."""
    head = f"{contrast.axis} {contrast.b} against {contrast.a}"
    if not contrast.models:
        return f"{head}: not compared ({contrast.note or 'no model has both'})."
    found: dict[str, list[str]] = {}
    for one in contrast.models:
        word, p = _said(one)
        found.setdefault(word, []).append(_model(one, p))
    order = sorted(found, key=lambda word: not word.startswith(SURE))
    order.sort(key=lambda word: word == NOTHING)
    parts = [f"{_begun(word)} {', '.join(found[word])}" for word in order]
    return f"{head}: {'; '.join(parts)}."


def _begun(word: str) -> str:
    return {"cannot tell": "the evidence cannot tell for"}.get(word) or (
        word if word.startswith(("helps", "hurts")) else f"{word} for"
    )


def _said(one: ModelVerdict) -> tuple[str, float | None]:
    """The strongest thing that may be said and its p: about tasks like these, else about exactly these."""
    made, _ = _numbers(one)
    if made is None or made.mean_a is None:
        return NOTHING, None
    if one.verdict not in SURE and one.given in SURE:
        return f"{one.given} on exactly these tasks", _given(one).p
    return one.verdict, made.p


def _model(one: ModelVerdict, p: float | None) -> str:
    made, _ = _numbers(one)
    if made is None or made.mean_a is None or made.mean_b is None:
        return one.model
    chance = "" if p is None else f", p = {show_p(p)}"
    return f"{one.model} ({percent(made.mean_a)} to {percent(made.mean_b)} %{chance})"


def _given(one: ModelVerdict) -> Any:
    suite = one.report.suites[0] if one.report.suites else None
    return suite.given if suite is not None else one.report.rows[0].given


def _numbers(one: ModelVerdict) -> tuple[Any, Any]:
    """The comparison over all tasks, and the one whose interval is shown: of exactly these tasks where there is one."""
    suite = one.report.suites[0] if one.report.suites else None
    made: Any = (suite.comparison if suite is not None else None) or one.report.rows[0].score
    given = _given(one)
    return made, given if given is not None and given.low is not None else made


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
