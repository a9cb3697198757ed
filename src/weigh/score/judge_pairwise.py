"""A judge that compares: is the reply better than another answer to the same question?

Judges favour a place (often the first), so each pair is shown in both orders. A judge that changes its mind with the
order has not preferred anything: that is a tie, and it is counted (`weigh judge check` reports the bias).
"""

from __future__ import annotations

from typing import Any

from weigh.protocols import ScoreContext
from weigh.records.score import Score
from weigh.score.base import scorer_error
from weigh.score.judge import JudgeBase, decide
from weigh.score.judge_ask import Verdict, ask_panel, pick, reason_of
from weigh.score.judge_template import values_of

PAIRWISE = """Which of two answers to the question is better?

<question>
{{ question }}
</question>
<answer_1>
{{ first }}
</answer_1>
<answer_2>
{{ second }}
</answer_2>

Reply with one JSON object: {"reason": "one short sentence", "better": "first", "second" or "tie"}"""

LABELS = ("first", "second", "tie")
SWAPPED = {"first": "second", "second": "first", "tie": "tie"}
WORTH = {"win": 1.0, "tie": 0.5, "loss": 0.0}
_OUTCOME = {"first": "win", "second": "loss", "tie": "tie"}


class PairwiseScorer(JudgeBase, frozen=True, kw_only=True):
    """1 where the reply is better than the other answer, 0 where it is worse, 0.5 for a tie.

    Attributes:
        against: Where the other answer is: a key of `inputs`, or `gold` for the gold answer.
        both_orders: Whether to ask in both orders. Switching it off halves the cost and lets the bias in.
    """

    name: str = "pairwise"
    template: str = PAIRWISE
    against: str = "gold"
    both_orders: bool = True

    def check(self, context: ScoreContext) -> None:
        """See `JudgeBase.check`."""
        self.request({**values_of(context), "first": "", "second": self.other(context)}, {})

    def other(self, context: ScoreContext) -> str:
        """The answer to compare with."""
        values = values_of(context)
        found = values.get("gold") if self.against == "gold" else context.instance.inputs.get(self.against)
        if found is None:
            raise scorer_error(f"{self.name}: the question has no {self.against!r} to compare the reply with")
        return str(found)

    async def score(self, context: ScoreContext) -> Score:
        values = values_of(context)
        ours, other = values["answer"], self.other(context)
        forth = await self._asked(context, {**values, "first": ours, "second": other})
        said = [v.fields["better"] for v in forth]
        if not self.both_orders:
            return decide(forth, [_OUTCOME[s] for s in said], WORTH)
        back = await self._asked(context, {**values, "first": other, "second": ours})
        swapped = [v.fields["better"] for v in back]
        consistent = [a == SWAPPED[b] for a, b in zip(said, swapped, strict=True)]
        outcomes = [_OUTCOME[a] if same else "tie" for a, same in zip(said, consistent, strict=True)]
        score = decide(forth, outcomes, WORTH)
        orders = [{"order": a, "swapped": b} for a, b in zip(said, swapped, strict=True)]
        score.metadata.update(orders=orders, consistent=sum(consistent) / len(consistent))
        return score

    async def _asked(self, context: ScoreContext, values: dict[str, Any]) -> list[Verdict]:
        def read(fields: dict[str, Any]) -> dict[str, Any]:
            return {"better": pick(fields, "better", LABELS), "reason": reason_of(fields)}

        request = self.request(values, {"better": {"type": "string", "enum": list(LABELS)}})
        return await ask_panel(context, self.role, request, read, votes=self.votes, repairs=self.repairs)
