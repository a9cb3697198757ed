"""Where a duel stands: a confidence sequence over the differences, fed in the order that was drawn.

It may be looked at after every question, and says at the first one at which the answer is known that it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from scipy.special import ndtri

from weigh.analyze.exact_power import questions_needed
from weigh.analyze.sequential import ConfidenceSequence
from weigh.analyze.verdict import Verdict
from weigh.pipeline.duel_questions import Pair


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a duel stands. Differences are b - a, wins are questions on which b is better.

    Attributes:
        questions: Asked, in the order drawn, failed ones included.
        total: How many there are.
        n: Independent units that count: questions, or clusters of them.
        difference, low, high: Mean difference and the interval that holds at every moment.
        mean_a, mean_b: Of the units that count.
        wins, losses, ties: Of the units.
        failed_a, failed_b: Questions on which a model failed.
        skipped: Questions on which one of them or both failed; they do not count.
        verdict: What is settled.
    """

    questions: int
    total: int
    n: int
    difference: float | None
    low: float
    high: float
    mean_a: float | None
    mean_b: float | None
    wins: int
    losses: int
    ties: int
    failed_a: int
    failed_b: int
    skipped: int
    verdict: Verdict


class Scoreboard:
    """Counts the questions of a duel.

    Args:
        bounds: The range of the score.
        lower_is_better: Which way of it is up.
        total: How many questions there are.
        alpha: The chance of a wrong answer, however often one looks.
        margin: Differences smaller than this do not matter; None asks only for better or worse.

    Attributes:
        asked: Questions counted so far, failed ones included.
        failed: Of each model, which of them it failed on.
        verdict: What is settled.
    """

    def __init__(
        self, bounds: tuple[float, float], *, lower_is_better: bool, total: int, alpha: float, margin: float | None
    ) -> None:
        width = bounds[1] - bounds[0]
        # Few distinct differences are the rule, and 2001 points keep 0.1 percentage points apart.
        self._sequence = ConfidenceSequence(bounds=(-width, width), alpha=alpha, grid=2001)
        self._lower_is_better, self._total, self._alpha, self._margin = lower_is_better, total, alpha, margin
        self._sides: list[tuple[float, float]] = []
        self.asked = 0
        self.failed: tuple[list[bool], list[bool]] = ([], [])
        self.verdict: Verdict = "unresolved"

    @property
    def settled(self) -> bool:
        """Whether no more questions are needed."""
        return self.verdict != "unresolved"

    def count(self, unit: Sequence[Pair]) -> None:
        """Count an independent unit, all of whose pairs are complete: a question, or a cluster of them."""
        self.asked += len(unit)
        good = []
        for pair in unit:
            a, b = (math.nan if v is None else v for v in pair.values)
            self.failed[0].append(math.isnan(a))
            self.failed[1].append(math.isnan(b))
            if not math.isnan(a) and not math.isnan(b):
                good.append((a, b))
        if good:
            a, b = (sum(values) / len(good) for values in zip(*good, strict=True))
            self._sides.append((a, b))
            self._sequence.update(b - a)
            self.verdict = self._sequence.decision(margin=self._margin, lower_is_better=self._lower_is_better)

    def standing(self) -> Standing:
        """Where it stands now."""
        differences = [b - a for a, b in self._sides]
        ups, downs = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
        lower = self._lower_is_better
        n = len(differences)
        return Standing(
            questions=self.asked,
            total=self._total,
            n=n,
            difference=self._sequence.mean,
            low=self._sequence.low,
            high=self._sequence.high,
            mean_a=sum(a for a, _ in self._sides) / n if n else None,
            mean_b=sum(b for _, b in self._sides) / n if n else None,
            wins=downs if lower else ups,
            losses=ups if lower else downs,
            ties=n - ups - downs,
            failed_a=sum(self.failed[0]),
            failed_b=sum(self.failed[1]),
            skipped=sum(a or b for a, b in zip(*self.failed, strict=True)),
            verdict=self.verdict,
        )

    def fixed_size(self) -> tuple[int | None, str | None]:
        """Units that a test at one fixed n needs, 4 times out of 5, from the variance measured, and what it would show.

        None where nothing varies, or no difference was seen.
        """
        differences = np.array([b - a for a, b in self._sides])
        variance = float(differences.var(ddof=1)) if differences.size > 1 else 0.0
        margin, seen = self._margin, self._sequence.mean
        if not variance or seen is None:
            return None, None
        if self.verdict == "equivalent" and margin is not None:
            reach = float(ndtri(1 - self._alpha) + ndtri(0.9))
            return math.ceil(reach**2 * variance / margin**2), "to rule out a difference of the margin"
        if seen == 0:
            return None, None
        needed = questions_needed(seen, variance, self._alpha)
        return math.ceil(needed), "to show a difference like the one seen"
