"""Several conditions of which all must hold: the right answer and the right file, say."""

from __future__ import annotations

from typing import Any

from weigh.protocols import ScoreContext
from weigh.records.digest import digest
from weigh.records.errors import DefinitionError
from weigh.records.score import Score
from weigh.score.base import BaseScorer


class EveryScorer(BaseScorer, frozen=True, kw_only=True):
    """The smallest of the scorers' values, so 1 only if each gives 1. Metadata: what each gave.

    Attributes:
        scorers: In the order in which they are asked; all are, so that one sees which failed.
    """

    name: str = "every"
    scorers: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        if not self.scorers:
            raise DefinitionError(f"scorer {self.name!r}: say of which scorers")

    @property
    def live(self) -> bool:
        """Whether one of them looks at the trial's own sandbox."""
        return any(getattr(scorer, "live", False) for scorer in self.scorers)

    @property
    def roles(self) -> tuple[str, ...]:
        """The helper models that they ask."""
        return tuple(dict.fromkeys(role for scorer in self.scorers for role in getattr(scorer, "roles", ())))

    @property
    def needs_sandbox(self) -> bool:  # type: ignore[override]
        """Whether one of them runs what the model wrote."""
        return any(scorer.needs_sandbox for scorer in self.scorers)

    @property
    def timeout(self) -> float | None:  # type: ignore[override]
        """That of all together; None when none of them ever waits."""
        limits = [scorer.timeout for scorer in self.scorers if scorer.timeout is not None]
        return sum(limits) if limits else None

    def digest(self) -> str:
        """Identity: theirs."""
        return digest([type(self).__qualname__, self.version, [scorer.digest() for scorer in self.scorers]])

    def check(self, context: ScoreContext) -> None:
        """Whatever they can check before anything runs."""
        for scorer in self.scorers:
            if (check := getattr(scorer, "check", None)) is not None:
                check(context)

    async def score(self, context: ScoreContext) -> Score:
        given: list[tuple[str, Score]] = [(scorer.name, await scorer.score(context)) for scorer in self.scorers]
        failed = next((score for _, score in given if score.error is not None), None)
        if failed is not None:
            return failed
        values = [score.value for _, score in given if score.value is not None]
        told = "; ".join(f"{name} {_shown(score)}" for name, score in given)
        return Score(
            value=min(values) if len(values) == len(given) else None,
            answer=next((score.answer for _, score in given if score.answer is not None), None),
            explanation=told,
            metadata={"each": {name: score.value for name, score in given}},
        )


def _shown(score: Score) -> str:
    return f"{score.value:g}" + (f" ({score.explanation})" if score.explanation else "")
