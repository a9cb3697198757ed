"""A judge with a rubric: each criterion is met or not, and weighs what it weighs."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from weigh.protocols import ScoreContext
from weigh.records.errors import DefinitionError
from weigh.records.score import Score
from weigh.score.base import scorer_error
from weigh.score.judge import JudgeBase, told
from weigh.score.judge_ask import Unreadable, ask_panel, reason_of
from weigh.score.judge_template import values_of

RUBRIC = """Say for each criterion whether the answer meets it. Judge each by itself.

<question>
{{ question }}
</question>
{% if golds is defined %}<reference>
{{ golds | join(" or ") }}
</reference>
{% endif %}<answer>
{{ answer }}
</answer>

Criteria:
{% for c in criteria %}- {{ c.name }}: {{ c.text }}
{% endfor %}
Reply with one JSON object: {"reason": "one short sentence", {% for c in criteria %}"{{ c.name }}": true or false\
{{ ", " if not loop.last }}{% endfor %}}"""

_WORDS = {"true": True, "yes": True, "met": True, "1": True, "false": False, "no": False, "not met": False, "0": False}


class Criterion(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to look for.

    Attributes:
        name: A short word of letters, digits and `_`; the judge answers by it.
        text: What it means, for the judge.
        weight: Its share of the score; a negative one is a fault that takes away.
    """

    name: str
    text: str
    weight: float = 1.0


class RubricScorer(JudgeBase, frozen=True, kw_only=True):
    """The weight of the criteria met, over the weight of all that can be earned, between 0 and 1.

    Several judges: the value is the mean of theirs over each criterion's majority; a criterion on which they are split
    evenly counts half.

    Attributes:
        criteria: The rubric; when empty, each question brings its own in `inputs["rubric"]` (a list of mappings with
            `name`, `text` and `weight`).
    """

    name: str = "rubric"
    template: str = RUBRIC
    criteria: tuple[Criterion, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.criteria:
            _checked(self.criteria, self.name)

    def rubric(self, context: ScoreContext) -> tuple[Criterion, ...]:
        """The criteria for a question. Raises `Failure` (kind `scorer`) where it has none."""
        if self.criteria:
            return self.criteria
        own = context.instance.inputs.get("rubric")
        if not own:
            raise scorer_error(f"{self.name}: no criteria: neither the scorer nor inputs['rubric'] has any")
        try:
            criteria = msgspec.convert(own, tuple[Criterion, ...])
        except msgspec.ValidationError as error:
            raise scorer_error(f"{self.name}: inputs['rubric']: {error}", code="bad_rubric") from None
        return _checked(criteria, self.name)

    def check(self, context: ScoreContext) -> None:
        """See `JudgeBase.check`."""
        self.request({**values_of(context), "criteria": self.rubric(context)}, {})

    async def score(self, context: ScoreContext) -> Score:
        criteria = self.rubric(context)
        names = [c.name for c in criteria]

        def read(fields: dict[str, Any]) -> dict[str, Any]:
            return {**{n: _met(fields, n) for n in names}, "reason": reason_of(fields)}

        schema = {name: {"type": "boolean"} for name in names}
        request = self.request({**values_of(context), "criteria": criteria}, schema)
        verdicts = await ask_panel(context, self.role, request, read, votes=self.votes, repairs=self.repairs)
        met = {name: _majority([v.fields[name] for v in verdicts]) for name in names}
        possible = sum(c.weight for c in criteria if c.weight > 0)
        value = min(1.0, max(0.0, sum(c.weight * met[c.name] for c in criteria) / possible))
        split = sum(v.fields[n] != (met[n] >= 0.5) for v in verdicts for n in names) / (len(verdicts) * len(names))
        said = [[n for n in names if v.fields[n]] for v in verdicts]
        reason = next((r for v in verdicts if (r := reason_of(v.fields))), "")
        listed = ", ".join(f"{n} {met[n]:g}" for n in names)
        return Score(
            value=value,
            explanation=listed + (f": {reason}" if reason else ""),
            metadata={"criteria": met, "disagreement": round(split, 4), **told(verdicts, said)},
        )


def _checked(criteria: tuple[Criterion, ...], name: str) -> tuple[Criterion, ...]:
    names = [c.name for c in criteria]
    bad = [n for n in names if not re.fullmatch(r"\w+", n) or n == "reason"]
    if bad or len(set(names)) < len(names):
        raise DefinitionError(f"{name}: criteria need different names of letters, digits and _; got {', '.join(names)}")
    if not any(c.weight > 0 for c in criteria):
        raise DefinitionError(f"{name}: no criterion has a weight above 0, so nothing can be earned")
    return criteria


def _met(fields: dict[str, Any], name: str) -> bool:
    if name not in fields:
        raise Unreadable(f"it does not answer {name!r}")
    found = _WORDS.get(str(fields[name]).strip().casefold())
    if found is None:
        raise Unreadable(f"{name!r} is {fields[name]!r}, neither true nor false")
    return found


def _majority(votes: list[bool]) -> float:
    yes = sum(votes)
    return 0.5 if 2 * yes == len(votes) else float(2 * yes > len(votes))
