"""Text against a gold answer: equal, contained, matching a pattern, numerically close, or sharing words.

What counts as equal is stated by the scorer's own settings and nothing else; the defaults are in each docstring.
Where an instance has several gold answers, the best one counts.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import ClassVar

from weigh.protocols import ScoreContext
from weigh.records.score import Score
from weigh.score.base import NOT_FOUND, BaseScorer, TextScorer, gold_texts, reply, scorer_error
from weigh.score.extract import Rules, check_rules, find_answer
from weigh.score.normal import normalize, words
from weigh.score.number import parse_number
from weigh.score.pattern import check_pattern


class _Normalising(TextScorer, frozen=True, kw_only=True):
    """Settings of what counts as the same text.

    Attributes:
        strip: Ignore white space at both ends, and how much of it stands between words. On by default.
        ignore_case, ignore_punctuation, ignore_articles: Off by default. Articles are `a`, `an`, `the`.
    """

    strip: bool = True
    ignore_case: bool = False
    ignore_punctuation: bool = False
    ignore_articles: bool = False

    def _normal(self, text: str) -> str:
        return normalize(
            text,
            strip=self.strip,
            case=self.ignore_case,
            punctuation=self.ignore_punctuation,
            articles=self.ignore_articles,
        )


class ExactMatchScorer(_Normalising, frozen=True, kw_only=True):
    """1 if the answer equals a gold answer, else 0.

    By default only white space is forgiven (at the ends, and its amount between words), and Unicode is compared in its
    composed form (NFC); case and punctuation count.
    """

    name: str = "exact_match"

    def judge(self, answer: str, golds: tuple[str, ...], context: ScoreContext) -> Score:
        if answer in golds:
            return Score(value=1.0, answer=answer)
        normal = self._normal(answer)
        return Score(value=float(any(normal == self._normal(gold) for gold in golds)), answer=answer)


class SubstringScorer(_Normalising, frozen=True, kw_only=True):
    """1 if a gold answer occurs in the answer, as whole words, else 0. Case is ignored by default.

    Attributes:
        whole_words: Off: `art` is found in `party`.
    """

    name: str = "substring"
    ignore_case: bool = True
    whole_words: bool = True

    def judge(self, answer: str, golds: tuple[str, ...], context: ScoreContext) -> Score:
        normal = self._normal(answer)
        for gold in golds:
            wanted = self._normal(gold)
            if not wanted:
                raise scorer_error("an empty gold answer occurs in every reply", code="no_gold")
            if self.whole_words:
                found = re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", normal) is not None
            else:
                found = wanted in normal
            if found:
                return Score(value=1.0, answer=answer, explanation=f"contains {gold!r}")
        return Score(value=0.0, answer=answer)


class RegexScorer(BaseScorer, frozen=True, kw_only=True):
    """1 if a pattern matches, else 0.

    With `pattern`, that one is searched in the answer and the gold answer plays no part. Without it, each gold answer
    is itself a pattern that has to match.

    Attributes:
        full: The pattern has to match all of the answer (white space at the ends aside).
        ignore_case: Off by default.
    """

    name: str = "regex"
    pattern: str | None = None
    full: bool = False
    ignore_case: bool = False
    extract: Rules = None
    timeout: ClassVar[float | None] = None

    def __post_init__(self) -> None:
        check_rules(self.extract, f"scorer {self.name!r}")
        check_pattern(self.pattern, f"scorer {self.name!r}: pattern")

    async def score(self, context: ScoreContext) -> Score:
        answer = find_answer(reply(context), self.extract)
        if answer is None:
            return Score(value=0.0, explanation=NOT_FOUND)
        flags = re.DOTALL | (re.IGNORECASE if self.ignore_case else 0)
        for pattern in (self.pattern,) if self.pattern is not None else gold_texts(context.instance):
            found = re.fullmatch(pattern, answer.strip(), flags) if self.full else re.search(pattern, answer, flags)
            if found:
                return Score(value=1.0, answer=found.group(0))
        return Score(value=0.0, answer=answer)


class NumericScorer(TextScorer, frozen=True, kw_only=True):
    """1 if the number in the answer is close enough to the gold number, else 0.

    By default it is the last number of what the reply calls its answer (in a box, after `####`, "answer is" or
    "answer:"), or, where that holds no number, of the entire reply, and has to be equal up to rounding of floats.
    Understood are signs, thousands separators (commas and spaces that do not break), fractions (`3/4`, `1 1/2`),
    exponents, per cent (as written: `5%` is 5), and units or a currency around the number.

    Attributes:
        tolerance: Allowed absolute difference.
        relative: Allowed difference as a part of the gold number's size.
    """

    name: str = "numeric"
    extract: Rules = ("boxed", "after:####", "answer_is", "all")
    tolerance: float = 1e-9
    relative: float = 1e-9

    version: ClassVar[int] = 2

    def found(self, text: str) -> str | None:
        """What the first rule finds that holds a number; else what the first one finds at all."""
        rules = self.extract if isinstance(self.extract, tuple) else (self.extract,)
        answers = [answer for rule in rules if (answer := find_answer(text, rule)) is not None]
        return next((answer for answer in answers if parse_number(answer) is not None), next(iter(answers), None))

    def judge(self, answer: str, golds: tuple[str, ...], context: ScoreContext) -> Score:
        value = parse_number(answer)
        if value is None:
            return Score(value=0.0, answer=answer, explanation="no number in the answer")
        for gold in golds:
            wanted = parse_number(gold)
            if wanted is None:
                raise scorer_error(f"the gold answer {gold!r} is no number", code="no_gold")
            if abs(value - wanted) <= max(self.tolerance, self.relative * abs(wanted)):
                return Score(value=1.0, answer=_shown(value))
        return Score(value=0.0, answer=_shown(value))


def _shown(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


class F1Scorer(TextScorer, frozen=True, kw_only=True):
    """Harmonic mean of word precision and recall against the best gold answer (SQuAD, Rajpurkar et al. 2016, 6.1).

    Case, punctuation and the articles are dropped, as in that paper's script; a word counts as often as it occurs.
    Two empty texts agree.
    """

    name: str = "f1"

    def judge(self, answer: str, golds: tuple[str, ...], context: ScoreContext) -> Score:
        got = words(answer)
        return Score(value=max(_f1(got, words(gold)) for gold in golds), answer=answer)


def _f1(got: list[str], wanted: list[str]) -> float:
    if not got or not wanted:
        return float(got == wanted)
    shared = sum((Counter(got) & Counter(wanted)).values())
    return 2 * shared / (len(got) + len(wanted))
