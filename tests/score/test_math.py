from __future__ import annotations

import asyncio
import signal

import pytest

from weigh.records.errors import Failure
from weigh.score import math
from weigh.score.math import MathScorer

pytest.importorskip("math_verify", reason="needs the extra `math`")


@pytest.mark.parametrize(
    ("text", "gold", "value"),
    [
        (r"so it is \boxed{\frac{1}{2}}.", "0.5", 1),
        (r"\boxed{\frac12}", r"\frac{2}{4}", 1),
        ("#### 1,000", "1000", 1),
        ("The answer is 3", "4", 0),
        (r"The answer is $x^2 + 2x + 1$", r"(x+1)^2", 1),
        (r"\boxed{\{1, 2\}}", r"\{2,1\}", 1),
        ("I do not know", "4", 0),
        ("", "4", 0),
    ],
)
async def test_equal_as_mathematics(said, text, gold, value):
    assert (await MathScorer().score(said(text, gold))).value == value


async def test_many_at_once_each_get_their_own_answer(said):
    scores = await asyncio.gather(*(MathScorer().score(said(rf"\boxed{{{i}/2}}", str(i / 2))) for i in range(1, 9)))
    assert [s.value for s in scores] == [1.0] * 8


async def test_one_that_takes_too_long_fails_and_the_next_is_answered(said):
    helper = math._worker()._started()
    helper.send_signal(signal.SIGSTOP)  # so that it cannot be faster
    with pytest.raises(Failure, match="within") as caught:
        await MathScorer(seconds=0.2).score(said(r"\boxed{\frac{7}{8}+x}", "1"))
    assert helper.poll() is not None
    assert caught.value.error.kind == "scorer"
    assert (await MathScorer().score(said(r"\boxed{2/4}", "0.5"))).value == 1
