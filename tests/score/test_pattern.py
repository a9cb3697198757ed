"""Patterns are read when a scorer is made, not when the first answer is there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from weigh.records.errors import DefinitionError
from weigh.records.marker import MarkerSpec
from weigh.score.answer import ExactMatchScorer, NumericScorer, RegexScorer
from weigh.score.choice import ChoiceLetterScorer
from weigh.score.math import MathScorer
from weigh.score.state import CommandScorer, FileExpected


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: FileExpected(path="a", matches="("), "file 'a': matches '(': missing ), unterminated"),
        (lambda: FileExpected(path="a", matches=""), "file 'a': matches: it is empty"),
        (lambda: FileExpected(path="a", contains=""), "file 'a': contains: it is empty"),
        (lambda: CommandScorer(stdout="["), "command: stdout '[': unterminated character set"),
        (lambda: CommandScorer(stdout=""), "command: stdout: it is empty"),
        (lambda: CommandScorer(seconds=0), "command: seconds: expected a number above 0, got 0"),
        (lambda: RegexScorer(pattern=""), "scorer 'regex': pattern: it is empty"),
        (lambda: RegexScorer(extract="boxd"), "scorer 'regex': extract: unknown extract rule 'boxd'; did you mean"),
        (
            lambda: ExactMatchScorer(extract=("boxed", "regex:(")),
            "scorer 'exact_match': extract: extract rule 'regex:(",
        ),
        (lambda: NumericScorer(extract="nmber"), "scorer 'numeric': extract: unknown extract rule 'nmber'"),
        (lambda: ChoiceLetterScorer(extract="al"), "scorer 'choice_letter': extract: unknown extract rule 'al'"),
        (lambda: MathScorer(extract="al"), "scorer 'math': extract: unknown extract rule 'al'"),
        (lambda: MarkerSpec(name="m", pattern=""), "marker 'm': the pattern is empty, so it would never fire"),
    ],
)
def test_what_cannot_be_is_told(make: Callable[[], object], said: str) -> None:
    with pytest.raises(DefinitionError) as told:
        make()
    assert str(told.value).startswith(said)
