"""The problems of HumanEval whose reference solutions are shortest, with examples before them.

For models that solve almost nothing of HumanEval: which problems are easy is told from the reference solution alone
(at most 80 characters), never from what some model solved. Three solved functions show what is wanted, since a very
small model otherwise ends its reply at the docstring.
"""

from __future__ import annotations

from typing import Any

from weigh import Instance, SamplingParams, register
from weigh.benchmarks.humaneval import STOP, HumanEval

LONGEST = 80
EXAMPLES = '''def triple(number: int) -> int:
    """ Return three times the number.
    >>> triple(4)
    12
    """
    return 3 * number


from typing import List


def count_even(numbers: List[int]) -> int:
    """ Count how many of the numbers are even.
    >>> count_even([1, 2, 4])
    2
    """
    return sum(1 for number in numbers if number % 2 == 0)


def repeat_word(word: str, times: int) -> str:
    """ Write a word several times, with commas between.
    >>> repeat_word("ha", 3)
    'ha,ha,ha'
    """
    return ",".join([word] * times)'''


@register("humaneval_short")
class HumanEvalShort(HumanEval):
    """As `humaneval`, with fewer problems and the examples above as instruction."""

    instruction = EXAMPLES
    sampling_params = SamplingParams(temperature=0.0, max_tokens=96, stop=STOP)
    description = "The HumanEval problems with the shortest solutions, three-shot"

    def instance(self, row: Any, index: int) -> Instance | None:
        if len(row["canonical_solution"].strip()) > LONGEST:
            return None
        return super().instance(row, index)
