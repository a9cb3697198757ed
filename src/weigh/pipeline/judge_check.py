"""Can a judge be trusted? Its verdicts beside people's on the same answers, and what the order of a pair does to it.

A file of labelled answers goes in (JSON lines, CSV or whatever a data source reads); agreement beyond chance, a table
of who said what, and for pairs the position bias come out. Verdicts that the file already holds are used as they are;
otherwise the judge is asked.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from weigh.analyze.kappa import Kappa, PositionBias, cohen_kappa, position_bias
from weigh.pipeline.helpers import Helpers
from weigh.pipeline.scoring import Scoring, check_helpers
from weigh.protocols import Scorer
from weigh.records.errors import CapabilityError, DataError
from weigh.records.instance import Instance
from weigh.records.request import CompletionRequest, Output
from weigh.records.trajectory import Trajectory
from weigh.score.judge import JudgeScorer
from weigh.score.judge_pairwise import PairwiseScorer

TASK = ("judge check", "")


class JudgeCheck(msgspec.Struct, frozen=True, kw_only=True):
    """How a judge and people agree.

    Attributes:
        judge: Which judge: its models, or the file itself.
        kind: `grade` or `pair`.
        rows: How many rows the file has.
        failed: How many of them the judge could not be asked, or could not be read; they are in no number below.
        kappa: Agreement with the human labels.
        labels: Every label, in the order of the table.
        confusion: Human label -> judge's label -> rows.
        bias: Of pairs that were judged in both orders.
        disagreement: Mean share of a panel's votes against its majority; None for one judge.
        errors: The first few reasons for failures.
    """

    judge: str
    kind: str
    rows: int
    failed: int
    kappa: Kappa
    labels: tuple[str, ...]
    confusion: dict[str, dict[str, int]]
    bias: PositionBias | None = None
    disagreement: float | None = None
    errors: tuple[str, ...] = ()


class _Seen(msgspec.Struct, frozen=True):
    """One row: what people said, what the judge said, and of a pair what each vote was in both orders."""

    human: str
    judge: str | None
    orders: tuple[tuple[str, str], ...] = ()
    disagreement: float | None = None
    error: str | None = None


async def check_judge(
    rows: Sequence[Mapping[str, Any]], scorer: Scorer, helpers: Helpers, *, level: float = 0.95
) -> JudgeCheck:
    """Compare a judge with people.

    Args:
        rows: Each with `human` (a label). A grade: `question`, `answer`, `gold`; a pair: `question`, `first`, `second`,
            and `human` is `first`, `second` or `tie`. With `judge` (of pairs also `swapped`) in it nobody is asked.
        scorer: How the judge is asked (`JudgeScorer`, `PairwiseScorer`).
        helpers: Where the judge is.

    Raises:
        DataError: A row lacks what is needed.
        CapabilityError: There is nobody to ask.
    """
    if not rows:
        raise DataError("the file has no rows")
    pairs = "first" in rows[0] or "swapped" in rows[0]
    given = all("judge" in row for row in rows)
    for number, row in enumerate(rows, 1):
        needed = ["human"] if given else ["human", "question", *(("first", "second") if pairs else ("answer",))]
        missing = [key for key in needed if row.get(key) is None]
        if missing:
            raise DataError(f"row {number} has no {', '.join(map(repr, missing))}; it has {', '.join(row)}")
    if given:
        seen = [_given(row, pairs) for row in rows]
        judge = "as in the file"
    else:
        scoring = Scoring({TASK: [scorer]}, helpers=helpers)
        check_helpers(scoring, {TASK: _trial(rows[0], 1, pairs, scorer)[0]})
        members = [h.model for role in getattr(scorer, "roles", ()) for h in helpers.members(role, TASK).values()]
        if not members:
            raise CapabilityError(f"{scorer.name} is no judge: it asks no helper model")
        async with helpers:
            asked = (_asked(scoring, scorer, row, number, pairs) for number, row in enumerate(rows, 1))
            seen = list(await asyncio.gather(*asked))
        judge = ", ".join(members)
    return _counted(seen, judge, "pair" if pairs else "grade", _labels(scorer, pairs), level)


def _given(row: Mapping[str, Any], pairs: bool) -> _Seen:
    said = None if row["judge"] is None else str(row["judge"])
    swapped = row.get("swapped") if pairs else None
    error = "no verdict in the file" if said is None else None
    orders = () if said is None or swapped is None else ((said, str(swapped)),)
    return _Seen(human=str(row["human"]), judge=said, orders=orders, error=error)


def _trial(row: Mapping[str, Any], number: int, pairs: bool, scorer: Scorer) -> tuple[Instance, str]:
    """A row as a question and a reply; of a pair, the first answer is the reply and the second what it is held to."""
    known = {"question", "answer", "gold", "first", "second", "human", "judge", "swapped", "id", "inputs"}
    inputs = dict(row["inputs"]) if isinstance(row.get("inputs"), Mapping) else {}
    inputs |= {key: value for key, value in row.items() if key not in known}
    gold = row["second"] if pairs else row.get("gold")
    if pairs and isinstance(scorer, PairwiseScorer) and scorer.against != "gold":
        inputs[scorer.against] = row["second"]
    instance = Instance(id=str(row.get("id", number)), question=str(row["question"]), gold_answer=gold, inputs=inputs)
    return instance, str(row["first"] if pairs else row["answer"])


async def _asked(scoring: Scoring, scorer: Scorer, row: Mapping[str, Any], number: int, pairs: bool) -> _Seen:
    instance, reply = _trial(row, number, pairs, scorer)
    trajectory = Trajectory(request=CompletionRequest(prompt=instance.question), output=Output(text=reply))
    score = (await scoring.judge(TASK, instance, trajectory))[scorer.name]
    human = str(row["human"])
    if score.error is not None:
        return _Seen(human=human, judge=None, error=f"row {number}: {score.error.message}")
    facts = score.metadata
    grade = "(tie)" if facts.get("grade") is None else str(facts["grade"])
    orders = tuple((o["order"], o["swapped"]) for o in facts.get("orders", ()))
    panel = len(facts.get("votes", ())) > 1
    return _Seen(
        human=human,
        judge={"win": "first", "loss": "second"}.get(grade, "tie") if pairs else grade,
        orders=orders,
        disagreement=facts["disagreement"] if panel else None,
    )


def _labels(scorer: Scorer, pairs: bool) -> list[str]:
    if pairs or isinstance(scorer, PairwiseScorer):
        return ["first", "second", "tie"]
    return list(scorer.labels) if isinstance(scorer, JudgeScorer) else []


def _counted(seen: Sequence[_Seen], judge: str, kind: str, known: Sequence[str], level: float) -> JudgeCheck:
    read = [s for s in seen if s.judge is not None]
    used = {s.human for s in read} | {str(s.judge) for s in read}
    labels = [*(label for label in known if label in used), *sorted(used - set(known))]
    table = Counter((s.human, str(s.judge)) for s in read)
    split = [s.disagreement for s in read if s.disagreement is not None]
    return JudgeCheck(
        judge=judge,
        kind=kind,
        rows=len(seen),
        failed=len(seen) - len(read),
        kappa=cohen_kappa([s.human for s in read], [str(s.judge) for s in read], level=level),
        labels=tuple(labels),
        confusion={h: {j: table[h, j] for j in labels} for h in labels},
        bias=_bias(read) if kind == "pair" else None,
        disagreement=sum(split) / len(split) if split else None,
        errors=tuple(s.error for s in seen if s.error is not None)[:3],
    )


def _bias(read: Sequence[_Seen]) -> PositionBias | None:
    orders = [order for seen in read for order in seen.orders]
    for word in {word for order in orders for word in order} - {"first", "second", "tie"}:
        raise DataError(f"verdict {word!r} of a pair: use first, second or tie")
    return position_bias([a for a, _ in orders], [b for _, b in orders]) if orders else None
