"""What all scorers share: a name, what a non-answer is worth, and an identity that changes when they do.

Subclass `BaseScorer`, give the fields that are settings a default, and write `score` (or, for text against a gold
answer, `judge` of `TextScorer`). The digest covers class, version and settings; for a class outside this package its
source text too, so that editing a scorer of one's own scores anew without anybody remembering to count up a version.
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

import msgspec

from weigh.protocols import ScoreContext
from weigh.records.digest import digest
from weigh.records.errors import Error, Failure
from weigh.records.instance import Instance
from weigh.records.score import Score
from weigh.score.extract import Rules, check_rules, find_answer, without_reasoning

NOT_FOUND = "no answer found in the reply"


class BaseScorer(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Base of the scorers that ship with weigh; a user's own may use it or just follow `weigh.protocols.Scorer`.

    Attributes:
        name: The key of the score in a trial. Give two scorers of one class on one task different names.
        no_match: The value of an outcome that is no answer (timeout, refusal); None when it has none.
        needs_sandbox: Whether scoring runs what the model wrote.
        lower_is_better, bounds: As in `MetricInfo`.
        timeout: Seconds before the guard gives up on it; None for a scorer that never waits.
        version: Count it up when a change of the code changes a value.
    """

    name: str = ""

    no_match: ClassVar[float | None] = 0.0
    needs_sandbox: ClassVar[bool] = False
    lower_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)
    timeout: ClassVar[float | None] = 60.0
    version: ClassVar[int] = 1

    def digest(self) -> str:
        """Identity: class, version and settings, and the source of a class from outside this package."""
        known: str | None = self.__dict__.get("_digest")
        if known is None:
            known = digest([type(self).__qualname__, self.version, msgspec.structs.asdict(self), _source(type(self))])
            self.__dict__["_digest"] = known
        return known

    async def score(self, context: ScoreContext) -> Score:
        """Judge. Raising means the scorer failed, which is never a score."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it scores")


class TextScorer(BaseScorer, frozen=True, kw_only=True):
    """Compares the answer found in the reply with the gold answers; a subclass says how, in `judge`.

    Attributes:
        extract: Where in the reply the answer is: a rule or several, tried in order (`weigh.score.extract`). None is
            the entire reply.
    """

    extract: Rules = None
    timeout: ClassVar[float | None] = None

    def __post_init__(self) -> None:
        check_rules(self.extract, f"scorer {self.name!r}")

    def judge(self, answer: str, golds: tuple[str, ...], context: ScoreContext) -> Score:
        """Give the score of an extracted answer against the acceptable ones."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it judges")

    def found(self, text: str) -> str | None:
        """The answer in a reply; None where no rule finds any."""
        return find_answer(text, self.extract)

    async def score(self, context: ScoreContext) -> Score:
        answer = self.found(reply(context))
        if answer is None:
            return Score(value=self.no_match, explanation=NOT_FOUND)
        return self.judge(answer, gold_texts(context.instance), context)


def reply(context: ScoreContext) -> str:
    """The model's final text, without the reasoning some servers leave in front of it."""
    return without_reasoning(context.trajectory.output.text)


def gold_texts(instance: Instance) -> tuple[str, ...]:
    """The acceptable answers as texts: one, several (a list), or the text of the right choice given by index."""
    gold = instance.gold_answer
    if type(gold) is str:
        return (gold,)
    if gold is None:
        raise scorer_error(f"instance {instance.id!r} has no gold answer", code="no_gold")
    golds = gold if isinstance(gold, (list, tuple)) else [gold]
    if not golds:
        raise scorer_error(f"instance {instance.id!r} has an empty list of gold answers", code="no_gold")
    if instance.choices:
        texts = instance.choices
        return tuple(texts[g] if type(g) is int and 0 <= g < len(texts) else str(g) for g in golds)
    return tuple(str(g) for g in golds)


def scorer_error(message: str, *, code: str | None = None, detail: str | None = None) -> Failure:
    """A failure of kind `scorer`, to be raised."""
    return Failure(Error(kind="scorer", message=message, code=code, detail=detail))


def _source(cls: type[Any]) -> str | None:
    if cls.__module__.split(".", 1)[0] == "weigh":
        return None
    try:
        return inspect.getsource(cls)
    except (OSError, TypeError):  # typed at a prompt: there is no source, and nobody will reuse its scores
        return cls.__module__
