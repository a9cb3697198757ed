"""What must hold whatever the numbers are."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from weigh.analyze.estimate import estimate
from weigh.analyze.paired import compare_pairs
from weigh.analyze.scope import compare_given
from weigh.analyze.suite import Branch, Leaf, compare_suite

binary = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=60)
averaged = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=40)
real = st.lists(st.tuples(*(st.floats(-1e3, 1e3, allow_subnormal=False),) * 2), min_size=2, max_size=25)
relaxed = settings(max_examples=60, deadline=None, database=None)


def arms(pairs: list[tuple[float, float]], scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(pairs, dtype=float) / scale
    return table[:, 0], table[:, 1]


def mirrored(a: np.ndarray, b: np.ndarray, **options: object) -> None:
    one, two = compare_pairs(a, b, **options), compare_pairs(b, a, **options)  # type: ignore[arg-type]
    assert one.p == two.p or abs(one.p - two.p) < 1e-12
    assert one.difference == -two.difference
    assert (one.wins, one.losses, one.ties) == (two.losses, two.wins, two.ties)
    opposite = {"better": "worse", "worse": "better"}
    assert opposite.get(one.verdict, one.verdict) == two.verdict
    for low, high in ((one.low, two.high), (one.bootstrap_low, two.bootstrap_high)):
        assert (low is None and high is None) or abs(low + high) <= 1e-9 * max(1, abs(low))
    assert one.mde80 == two.mde80 or abs(one.mde80 - two.mde80) < 1e-9 * one.mde80


@relaxed
@given(binary)
def test_exchanging_the_arms_flips_signs_and_keeps_p_binary(pairs: list[tuple[int, int]]) -> None:
    mirrored(*arms(pairs))
    mirrored(*arms(pairs), margin=0.1)


@relaxed
@given(averaged)
def test_exchanging_the_arms_flips_signs_and_keeps_p_averaged(pairs: list[tuple[int, int]]) -> None:
    mirrored(*arms(pairs, 4))
    mirrored(*arms(pairs, 4), clusters=[i // 2 for i in range(len(pairs))])


@relaxed
@given(real)
def test_exchanging_the_arms_flips_signs_and_keeps_p_real(pairs: list[tuple[float, float]]) -> None:
    mirrored(*arms(pairs))


@relaxed
@given(binary, st.integers(1, 20))
def test_ties_change_no_exact_p(pairs: list[tuple[int, int]], more: int) -> None:
    a, b = arms(pairs)
    assert compare_pairs(np.append(a, [1.0] * more), np.append(b, [1.0] * more)).p == compare_pairs(a, b).p
    x, y = np.append(a, 0.5), np.append(b, 0.5)  # not 0/1: the sign flip decides, and must agree with McNemar
    assert abs(compare_pairs(x, y).p - compare_pairs(a, b).p) < 1e-12


@relaxed
@given(binary)
def test_the_interval_holds_the_difference_and_stays_in_range(pairs: list[tuple[int, int]]) -> None:
    made = compare_pairs(*arms(pairs))
    assert -1 <= made.low <= made.difference <= made.high <= 1 and 0 < made.p <= 1


@relaxed
@given(averaged, st.floats(0.01, 100), st.floats(-50, 50))
def test_units_of_the_score_do_not_matter(pairs: list[tuple[int, int]], scale: float, shift: float) -> None:
    a, b = arms(pairs, 4)
    x, y = a * scale + shift, b * scale + shift
    if len({*x, *y}) > 2:
        assert abs(compare_pairs(x, y).p - compare_pairs(np.append(a, 0.3), np.append(b, 0.3)).p) < 1e-6


@relaxed
@given(averaged)
def test_order_of_the_questions_does_not_matter(pairs: list[tuple[int, int]]) -> None:
    a, b = arms(pairs, 4)
    assert abs(compare_pairs(a, b).p - compare_pairs(a[::-1], b[::-1]).p) < 1e-12


@relaxed
@given(st.lists(st.integers(0, 1), min_size=1, max_size=80))
def test_wilson_holds_the_mean(values: list[int]) -> None:
    made = estimate(values)
    assert 0 <= made.low <= made.mean <= made.high <= 1


@relaxed
@given(averaged, averaged, st.sampled_from(["mean_of_tasks", "pooled", "mean_of_suites"]))
def test_suite_score_and_test_never_disagree_in_sign(one: list, two: list, how: str) -> None:
    pairs = {"x": arms(one, 4), "y": arms(two, 4)}
    made = compare_suite(Branch("s", (Leaf("x"), Leaf("y")), how), pairs)  # type: ignore[arg-type]
    assert abs(made.difference - (made.mean_b - made.mean_a)) < 1e-12
    if made.verdict == "better":
        assert made.mean_b > made.mean_a
    if made.verdict == "worse":
        assert made.mean_b < made.mean_a


@relaxed
@given(st.lists(st.tuples(*(st.lists(st.integers(0, 1), min_size=4, max_size=6),) * 2), min_size=1, max_size=6))
def test_exchanging_the_arms_on_given_questions(rows: list) -> None:
    a, b = [r[0] for r in rows], [r[1] for r in rows]
    one, two = compare_given(a, b), compare_given(b, a)
    assert abs(one.p - two.p) < 1e-9 and abs(one.low + two.high) < 1e-9
