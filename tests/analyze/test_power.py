"""Power: exact for McNemar, normal otherwise, and what it advises."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import NormalIndPower

from weigh.analyze.exact_power import mcnemar_power, mcnemar_questions, questions_needed
from weigh.analyze.mcnemar import mcnemar_exact
from weigh.analyze.power import normal_power, plan_power


@pytest.mark.parametrize(("n", "win", "loss"), [(10, 0.4, 0.1), (40, 0.25, 0.05), (60, 0.1, 0.1), (25, 0.5, 0.0)])
def test_mcnemar_power_is_the_sum_over_all_outcomes(n: int, win: float, loss: float) -> None:
    total = 0.0
    for w in range(n + 1):
        for l in range(n + 1 - w):  # noqa: E741
            if mcnemar_exact(w, l) <= 0.05:
                total += stats.multinomial.pmf([w, l, n - w - l], n, [win, loss, 1 - win - loss])
    assert mcnemar_power(n, win, loss) == pytest.approx(total, abs=1e-10)


def test_mcnemar_power_nears_the_normal_form() -> None:
    n, win, loss = 5000, 0.06, 0.045
    se = np.sqrt((win + loss - (win - loss) ** 2) / n)
    assert mcnemar_power(n, win, loss) == pytest.approx(normal_power(win - loss, se), abs=0.02)
    assert mcnemar_power(1000, 0.05, 0.05) <= 0.05
    assert mcnemar_power(0, 0.1, 0.2) == mcnemar_power(10, 0, 0) == 0.0


def test_n_star_inverts_the_power() -> None:
    n = int(mcnemar_questions(0.15, 0.08))
    assert mcnemar_power(n, 0.15, 0.08) >= 0.8 > mcnemar_power(n - 5, 0.15, 0.08)
    assert mcnemar_questions(0.1, 0.1) is None
    far = mcnemar_questions(0.051, 0.05)
    assert far == pytest.approx(questions_needed(0.001, 0.101 - 1e-6))


def test_normal_form_agrees_with_statsmodels() -> None:
    expected = NormalIndPower(ddof=0).power(0.2, 120, 0.05, ratio=0)
    assert normal_power(0.2, 1 / np.sqrt(120)) == pytest.approx(expected, abs=1e-12)
    n = questions_needed(0.2, 1.0)
    assert normal_power(0.2, 1 / np.sqrt(n)) == pytest.approx(0.8, abs=1e-6)


def simulated(rng: np.random.Generator, n: int, k: int, between: float, within: float) -> list[list[float]]:
    return rng.normal(rng.normal(0, between, (n, 1)), within, (n, k)).tolist()


def test_the_plan_finds_the_variances(rng: np.random.Generator) -> None:
    made = plan_power(simulated(rng, 4000, 4, 0.3, 0.5), simulated(rng, 4000, 4, 0.3, 0.5), detect=0.02)
    assert made.between == pytest.approx(0.18, rel=0.1) and made.within == pytest.approx(0.5, rel=0.05)
    assert made.assumption.startswith("measured")
    assert made.questions == pytest.approx(questions_needed(0.02, made.se**2 * 4000), abs=1)
    assert made.resolution == pytest.approx(4000 / made.questions)


def test_advice_names_what_buys_more(rng: np.random.Generator) -> None:
    noisy = plan_power(simulated(rng, 200, 2, 0.01, 1.0), simulated(rng, 200, 2, 0.01, 1.0), detect=0.1)
    assert noisy.epochs_needed is not None and "epochs on these 200" in noisy.advice
    steady = plan_power(simulated(rng, 200, 2, 1.0, 0.01), simulated(rng, 200, 2, 1.0, 0.01), detect=0.1)
    assert steady.epochs_needed is None and "no number of epochs" in steady.advice
    single = plan_power([[0.0], [1.0]] * 50, [[1.0], [1.0]] * 50, detect=0.01)
    assert single.within is None and "2 or more epochs" in single.advice
    enough = plan_power(simulated(rng, 200, 2, 0.1, 0.1), detect=0.5)
    assert "are enough" in enough.advice and enough.assumption.startswith("assumed")


def pairs(ups: int, downs: int, ties: int) -> tuple[list[list[float]], list[list[float]]]:
    a = [[0.0]] * ups + [[1.0]] * downs + [[0.0]] * ties
    b = [[1.0]] * ups + [[0.0]] * downs + [[0.0]] * ties
    return a, b


def test_right_or_wrong_is_planned_by_mcnemar() -> None:
    a, b = pairs(30, 30, 940)
    made = plan_power(a, b, detect=0.02)
    assert made.method == "McNemar, exact"
    assert made.questions == int(mcnemar_questions(0.04, 0.02) or 0)
    assert made.power == pytest.approx(mcnemar_power(1000, 0.04, 0.02))
    # 60 contested questions of 1,000 resolve about 2 points, not 36.
    assert made.mde80 == pytest.approx(0.0217, abs=5e-4)
    few = plan_power(*pairs(1, 1, 98), detect=0.1)  # more than is contested: then all of it are wins
    assert few.power == pytest.approx(mcnemar_power(100, 0.1, 0.0))


def test_another_number_of_epochs(rng: np.random.Generator) -> None:
    a, b = simulated(rng, 400, 4, 0.2, 0.6), simulated(rng, 400, 4, 0.2, 0.6)
    measured, more = plan_power(a, b, detect=0.05), plan_power(a, b, detect=0.05, epochs=16)
    assert measured.epochs == 4 and more.epochs == 16
    assert measured.between == more.between is not None and more.within is not None
    assert more.se == pytest.approx(np.sqrt((more.between + more.within / 16) / 400))  # type: ignore[operator]
    by_epochs = {c.epochs: c for c in measured.choices}
    assert list(by_epochs) == [1, 2, 4, 8, 16]
    assert by_epochs[4].questions == measured.questions and by_epochs[16].questions == more.questions
    assert by_epochs[16].mde80 == pytest.approx(more.mde80) and by_epochs[2].trials == 2 * by_epochs[2].questions
    with pytest.raises(ValueError, match="run 2 or more"):
        plan_power(*pairs(3, 3, 30), detect=0.02, epochs=4)


def test_clusters_multiply_the_variance(rng: np.random.Generator) -> None:
    a, b = simulated(rng, 100, 1, 1.0, 0.1), simulated(rng, 100, 1, 1.0, 0.1)
    alone = plan_power(a, b, detect=0.1)
    doubled = plan_power([r for r in a for _ in "xy"], [r for r in b for _ in "xy"], detect=0.1,
                         clusters=[i for i in range(100) for _ in "xy"])  # fmt: skip
    assert doubled.n == 200 and doubled.n_clusters == 100
    # Each question twice is worth as much as once: the standard error stays, twice the questions are needed.
    assert doubled.se == pytest.approx(alone.se, rel=1e-2)
    assert doubled.questions == pytest.approx(2 * (alone.questions or 0), rel=2e-2)
    assert plan_power(a, b, detect=0.1, clusters=list(range(100))).questions == alone.questions
    with pytest.raises(ValueError, match="at least 2 clusters"):
        plan_power(a, b, detect=0.1, clusters=["one"] * 100)


def test_refused() -> None:
    with pytest.raises(ValueError, match="larger than 0"):
        plan_power([[1], [0]], detect=0)
    with pytest.raises(ValueError, match="at least 2 questions"):
        plan_power([[1]], detect=0.1)
    with pytest.raises(ValueError, match="pair them"):
        plan_power([[1], [0]], [[1]], detect=0.1)
    with pytest.raises(ValueError, match="probabilities"):
        mcnemar_power(10, 0.7, 0.7)
