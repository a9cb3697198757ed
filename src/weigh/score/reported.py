"""Scores that a benchmark's own program gave: picked out of what it reported, not computed here."""

from __future__ import annotations

from typing import ClassVar

from weigh.protocols import ScoreContext
from weigh.records.score import Score
from weigh.score.base import BaseScorer, scorer_error


class ReportedScorer(BaseScorer, frozen=True, kw_only=True):
    """The score of that name, which lies between 0 and 1. One that is missing is a failed score, never 0."""

    timeout: ClassVar[float | None] = None

    async def score(self, context: ScoreContext) -> Score:
        reported = context.trajectory.metadata.get("reported") or {}
        value = reported.get(self.name)
        if value is None:
            known = ", ".join(reported) or "none"
            raise scorer_error(f"the program reported no score {self.name!r} (it reported: {known})", code="no_score")
        if self.bounds is not None and not self.bounds[0] <= value <= self.bounds[1]:
            low, high = self.bounds
            raise scorer_error(
                f"the program's {self.name} is {value:g}, not within {low:g} and {high:g}", code="bounds"
            )
        return Score(value=float(value), answer=context.trajectory.metadata.get("answer"))


class ReportedValueScorer(ReportedScorer, frozen=True, kw_only=True):
    """The same for a number without bounds."""

    no_match: ClassVar[float | None] = None
    bounds: ClassVar[tuple[float, float] | None] = None
