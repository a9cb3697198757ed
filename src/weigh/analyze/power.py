"""How many questions and epochs it takes to see a difference, and what a benchmark of this size can resolve.

For 0/1 scores the power of McNemar's exact test is summed exactly; otherwise the normal form is used. The variance
of a paired difference has two parts: `between` questions (only more questions help) and `within` a question (more
epochs help too). Source: Miller 2024, arXiv 2411.00640, sections 3.1 and 5.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import msgspec
import numpy as np
from scipy.special import ndtr

from .checks import cluster_codes, is_binary
from .distributions import detectable
from .estimate import clustered_se, epoch_moments
from .exact_power import mcnemar_power, mcnemar_questions, questions_needed


class EpochChoice(msgspec.Struct, frozen=True, kw_only=True):
    """What so many epochs would cost and show."""

    epochs: int
    questions: int
    """Needed for the difference asked about."""
    trials: int
    """Of one arm: questions x epochs."""
    mde80: float
    """On the questions that there are."""


class PowerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What this design can show and what it would take to show `detect`."""

    n: int
    epochs: float
    between: float | None
    """Variance of the true paired difference from question to question."""
    within: float | None
    """Variance that one epoch adds (both arms together); None with a single epoch."""
    se: float | None
    mde80: float | None
    detect: float
    power: float | None
    """Of this design for `detect`."""
    questions: int | None
    """Questions needed for `detect` at this number of epochs (N*)."""
    resolution: float | None
    """q = n / questions."""
    questions_if_many_epochs: int | None
    """Questions needed however many epochs are run."""
    epochs_needed: int | None
    """Epochs needed on these n questions; None when no number is enough or cannot be told."""
    assumption: str
    advice: str
    method: str = "normal"
    """`McNemar, exact` for 0/1 scores of independent questions, else `normal`."""
    n_clusters: int | None = None
    design_effect: float = 1.0
    """By how much clusters multiply the variance; contained in all numbers above."""
    choices: tuple[EpochChoice, ...] = ()
    """For 1, 2, 4, ... epochs; empty when the variance within questions is unknown."""


def normal_power(difference: float, se: float, alpha: float = 0.05) -> float:
    """Probability that a two-sided z test with standard error `se` rejects, in either direction."""
    if not se > 0:
        raise ValueError(f"a standard error above 0 is needed, got {se}")
    critical = detectable(alpha, 0.5)
    return float(ndtr(difference / se - critical) + ndtr(-difference / se - critical))


def plan_power(
    a: Sequence[Sequence[float]],
    b: Sequence[Sequence[float]] | None = None,
    *,
    detect: float,
    epochs: int | None = None,
    clusters: Sequence[Hashable] | None = None,
    correlation: float = 0.5,
    alpha: float = 0.05,
    power: float = 0.8,
) -> PowerPlan:
    """What the measured epochs of arm a (and b, on the same questions) say about a design.

    `a` and `b` hold the epochs of each question. With one arm the other is assumed to have the same variances and
    the `correlation` with it over the questions' true values; the plan says so. `detect` is in the units of the score.
    `epochs` plans for so many instead of those measured. `clusters` name what belongs together; more questions are
    then thought to come in clusters like these.

    Raises ValueError for fewer than 2 questions or clusters, and for `epochs` when there is only one to measure by.
    """
    if not detect > 0:
        raise ValueError(f"the difference to detect is larger than 0, got {detect}")
    means, counts, within = epoch_moments(a, "a")
    if means.size < 2:
        raise ValueError("at least 2 questions are needed to measure a variance")
    n, repeats = int(means.size), _typical(counts)
    groups, effect = None, 1.0
    if b is None:
        groups, effect = _design_effect(means, clusters)
        variance = float(means.var(ddof=1))
        noise = None if within is None else 2 * within
        if within is None:
            total = variance * 2 * (1 - correlation)
        else:
            steady = max(0.0, variance - within * float(np.mean(1 / counts))) * 2 * (1 - correlation)
            total = steady + 2 * within / repeats
        contested, binary = total, is_binary(means) and repeats == 1
        assumption = f"assumed: another arm of equal variances, correlation {correlation:g} over questions"
    else:
        other, other_counts, other_within = epoch_moments(b, "b")
        if other.size != n:
            raise ValueError(f"a has {n} questions and b has {other.size}: pair them by question first")
        groups, effect = _design_effect(other - means, clusters)
        total = float((other - means).var(ddof=1))
        noise = None if within is None or other_within is None else within + other_within
        repeats = _typical(np.minimum(counts, other_counts))
        contested = float(np.mean(other != means))
        binary = is_binary(means) and is_binary(other) and repeats == 1
        assumption = "measured: the paired difference of these two arms"
    total *= effect
    between = None if noise is None else max(0.0, total - noise / repeats)
    if epochs is not None and epochs != repeats:
        if between is None or noise is None:
            raise ValueError("one epoch does not tell the variance within questions: run 2 or more to plan with epochs")
        total, repeats = between + noise / epochs, float(epochs)
    se = math.sqrt(total / n)
    exact = binary and repeats == 1 and effect == 1.0
    needed = max(2, math.ceil(questions_needed(detect, total, alpha, power)))
    chance = normal_power(detect, se, alpha) if se > 0 else 1.0
    if exact and detect <= 1:
        # A difference of `detect` takes at least so many contested questions.
        win, loss = (max(contested, detect) + detect) / 2, max(0.0, contested - detect) / 2
        needed = math.ceil(mcnemar_questions(win, loss, alpha, power) or needed)
        chance = mcnemar_power(n, win, loss, alpha)
    floor = None if between is None else max(2, math.ceil(questions_needed(detect, between, alpha, power)))
    epochs_needed = _epochs_needed(n, between, noise, detect, alpha, power)
    return PowerPlan(
        n=n,
        epochs=repeats,
        between=between,
        within=noise,
        se=se,
        mde80=detectable(alpha, power) * se,
        detect=detect,
        power=chance,
        questions=needed,
        resolution=n / needed,
        questions_if_many_epochs=floor,
        epochs_needed=epochs_needed,
        assumption=assumption,
        advice=_advice(n, needed, repeats, between, noise, epochs_needed),
        method="McNemar, exact" if exact and detect <= 1 else "normal",
        n_clusters=groups,
        design_effect=effect,
        choices=_choices(n, repeats, between, noise, detect, alpha, power),
    )


def _design_effect(values: np.ndarray, clusters: Sequence[Hashable] | None) -> tuple[int | None, float]:
    """(clusters, by how much they multiply the variance of the mean); never below 1, which only chance would give."""
    if clusters is None:
        return None, 1.0
    codes, groups = cluster_codes(clusters, int(values.size))
    if groups < 2:
        raise ValueError("at least 2 clusters are needed to measure a variance between them")
    robust, plain = clustered_se(values, codes, groups), float(values.std(ddof=1)) / math.sqrt(values.size)
    if groups == values.size or not robust or not plain:
        return groups, 1.0
    return groups, max(1.0, (robust / plain) ** 2)


def _choices(
    n: int,
    repeats: float,
    between: float | None,
    noise: float | None,
    detect: float,
    alpha: float,
    power: float,
) -> tuple[EpochChoice, ...]:
    if between is None or noise is None:
        return ()
    made = []
    for epochs in sorted({1, 2, 4, 8, 16, max(1, round(repeats))}):
        variance = between + noise / epochs
        questions = max(2, math.ceil(questions_needed(detect, variance, alpha, power)))
        mde80 = detectable(alpha, power) * math.sqrt(variance / n)
        made.append(EpochChoice(epochs=epochs, questions=questions, trials=questions * epochs, mde80=mde80))
    return tuple(made)


def _typical(counts: np.ndarray) -> float:
    """The harmonic mean: the number of epochs that would give the same noise if all questions had it."""
    return float(counts.size / np.sum(1 / counts))


def _epochs_needed(
    n: int, between: float | None, noise: float | None, detect: float, alpha: float, power: float
) -> int | None:
    if between is None or noise is None:
        return None
    room = n * (detect / detectable(alpha, power)) ** 2 - between
    if noise == 0:
        return 1 if room >= 0 else None
    return max(1, math.ceil(noise / room)) if room > 0 else None


def _advice(
    n: int, needed: int, repeats: float, between: float | None, noise: float | None, epochs_needed: int | None
) -> str:
    if needed <= n:
        return f"{n} questions are enough; {needed} would do"
    if between is None or noise is None:
        return f"{needed} questions are needed; run 2 or more epochs to learn whether epochs would help instead"
    share = noise / repeats / (between + noise / repeats) if between + noise > 0 else 0.0
    more = f"{needed} questions at {repeats:.3g} epochs are needed"
    if epochs_needed is None:
        return f"{more}; no number of epochs on these {n} questions is enough ({share:.0%} of the variance is luck)"
    # Doubling the questions halves all the variance; doubling the epochs only the part that is luck.
    cost_questions, cost_epochs = needed * repeats, n * epochs_needed
    better = "questions buy more" if cost_questions <= cost_epochs else "epochs buy as much for fewer trials"
    return f"{more}, or {epochs_needed} epochs on these {n} ({share:.0%} of the variance is luck): {better}"
