"""Power: exact for McNemar, normal otherwise, and what it advises."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import NormalIndPower

from weigh.analyze.mcnemar import mcnemar_exact
from weigh.analyze.power import mcnemar_power, mcnemar_questions, normal_power, plan_power, questions_needed


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


def test_refused() -> None:
    with pytest.raises(ValueError, match="larger than 0"):
        plan_power([[1], [0]], detect=0)
    with pytest.raises(ValueError, match="at least 2 questions"):
        plan_power([[1]], detect=0.1)
    with pytest.raises(ValueError, match="pair them"):
        plan_power([[1], [0]], [[1]], detect=0.1)
    with pytest.raises(ValueError, match="probabilities"):
        mcnemar_power(10, 0.7, 0.7)
