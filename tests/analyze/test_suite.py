"""Suites: one set of weights for score, difference, error and test."""

from __future__ import annotations

import math

import numpy as np
import pytest

from weigh.analyze.estimate import Estimate, estimate
from weigh.analyze.paired import compare_pairs
from weigh.analyze.suite import Branch, Leaf, compare_suite, score_suite, task_weights

NESTED = Branch("all", (Branch("x", (Leaf("a"), Leaf("b"))), Branch("y", (Leaf("c"),))), "mean_of_suites")
COUNTS = {"a": 10, "b": 30, "c": 60}


def test_weights_of_each_aggregation() -> None:
    assert task_weights(NESTED, COUNTS) == {"a": 0.25, "b": 0.25, "c": 0.5}
    assert task_weights(Branch("all", NESTED.children, "pooled"), COUNTS) == {"a": 0.1, "b": 0.3, "c": 0.6}
    assert task_weights(Branch("all", NESTED.children), COUNTS) == dict.fromkeys("abc", 1 / 3)
    assert task_weights(Branch("all", (Leaf("a"), Leaf("b")), "weighted", (1, 3)), COUNTS) == {"a": 0.25, "b": 0.75}
    assert task_weights(Branch("all", NESTED.children, "none"), COUNTS) is None


def test_weights_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="task b has no scored question"):
        task_weights(NESTED, {"a": 3, "c": 4})
    with pytest.raises(ValueError, match="one weight for each"):
        task_weights(Branch("s", (Leaf("a"),), "weighted", (1, 2)), COUNTS)
    with pytest.raises(ValueError, match="not all 0"):
        task_weights(Branch("s", (Leaf("a"),), "weighted", (0,)), COUNTS)
    with pytest.raises(ValueError, match="empty"):
        task_weights(Branch("s", ()), COUNTS)


def test_score_adds_variances(rng: np.random.Generator) -> None:
    values = {name: rng.random(n) for name, n in COUNTS.items()}
    parts = {name: estimate(v) for name, v in values.items()}
    made = score_suite(NESTED, parts)
    assert made.mean == pytest.approx(0.25 * parts["a"].mean + 0.25 * parts["b"].mean + 0.5 * parts["c"].mean)
    assert made.se == pytest.approx(
        math.sqrt(sum((w * parts[k].se) ** 2 for k, w in zip("abc", (0.25, 0.25, 0.5), strict=True)))
    )
    assert made.low < made.mean < made.high
    assert score_suite(Branch("n", (Leaf("a"),), "none"), parts).mean is None


def test_a_pooled_suite_is_one_long_task(rng: np.random.Generator) -> None:
    pairs = {name: (rng.random(n), rng.random(n)) for name, n in COUNTS.items()}
    made = compare_suite(Branch("p", tuple(Leaf(n) for n in COUNTS), "pooled"), pairs)
    whole = compare_pairs(*(np.concatenate([pairs[n][i] for n in COUNTS]) for i in (0, 1)))
    assert made.difference == pytest.approx(whole.difference, abs=1e-12)
    assert made.p_permutation == pytest.approx(whole.p_permutation, abs=0.03)


def test_one_task_is_its_own_comparison(rng: np.random.Generator) -> None:
    a, b = rng.random(80), rng.random(80)
    made, alone = compare_suite(Leaf("a"), {"a": (a, b)}), compare_pairs(a, b)
    assert (made.difference, made.se, made.low, made.p) == pytest.approx(
        (alone.difference, alone.se, alone.low, alone.p)
    )


def test_pooling_and_averaging_can_disagree_and_the_suite_follows_its_own() -> None:
    """b wins a little on the many questions of one task, loses much on the few of the other."""
    big = (np.zeros(1000), np.r_[np.ones(100), np.zeros(900)])
    small = (np.ones(50), np.r_[np.ones(20), np.zeros(30)])
    pairs = {"big": big, "small": small}
    leaves = (Leaf("big"), Leaf("small"))
    assert compare_suite(Branch("s", leaves, "pooled"), pairs).verdict == "better"
    mean = compare_suite(Branch("s", leaves), pairs)
    assert mean.verdict == "worse" and mean.difference == pytest.approx((0.1 - 0.6) / 2)


def test_tasks_as_units_need_six(rng: np.random.Generator) -> None:
    pairs = {str(i): (np.zeros(50), (rng.random(50) < 0.4).astype(float)) for i in range(3)}
    made = compare_suite(Branch("s", tuple(Leaf(n) for n in pairs)), pairs)
    assert made.verdict == "better" and made.p_tasks == pytest.approx(0.25) and "cannot reach" in made.reason_tasks
    pairs = {str(i): (np.zeros(50), (rng.random(50) < 0.4).astype(float)) for i in range(8)}
    made = compare_suite(Branch("s", tuple(Leaf(n) for n in pairs)), pairs)
    assert made.p_tasks == pytest.approx(2 / 2**8)


def test_clusters_equivalence_and_single_questions(rng: np.random.Generator) -> None:
    pairs = {"a": (rng.random(200), rng.random(200)), "b": (rng.random(200), rng.random(200))}
    tree = Branch("s", (Leaf("a"), Leaf("b")))
    groups = (np.arange(200) // 20).tolist()
    plain, clustered = compare_suite(tree, pairs), compare_suite(tree, pairs, clusters={"a": groups, "b": groups})
    assert plain.difference == clustered.difference and plain.se != clustered.se
    assert compare_suite(tree, pairs, margin=0.5).verdict == "equivalent"
    lone = compare_suite(tree, {"a": ([0.1], [0.2]), "b": pairs["b"]})
    assert lone.se is None and lone.low is None and lone.p is not None
    none = compare_suite(Branch("n", tree.children, "none"), pairs)
    assert none.p is None and none.reason == "this suite has no aggregation"


def test_a_task_without_a_mean_is_never_zero() -> None:
    empty = Estimate(n=3, mean=None, se=None, low=None, high=None, level=0.95, method="none")
    with pytest.raises(ValueError, match="task t has no mean"):
        score_suite(Branch("s", (Leaf("t"),)), {"t": empty})
