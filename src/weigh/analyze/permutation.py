"""The sign-flip test: if the two arms were exchangeable, each question's difference could as well have had the other
sign; how often do random signs give a sum as far from 0 as the one seen?

Exact whenever the arrangements can be enumerated (up to 2^20) or the differences lie on a grid (0/1 scores, averages
over epochs, sums over clusters), where a Fourier transform counts them all; Monte-Carlo otherwise. With 0/1 scores it
is McNemar's exact test. Source: Fisher 1935, section 21; Pitman 1937.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from .checks import Floats
from .mcnemar import mcnemar_exact
from .remember import Remembered

ENUMERATED = 20
"""Up to 2^20 arrangements are enumerated."""
FLIPS = 9_999
MONTE_CARLO_UNITS = 5_000
GRID_LEVELS = 256
GRID_RANGE = 2_000_000
SMALLEST = 1e-12
"""The transform's rounding: a smaller p is given as this."""


REMEMBERED = 10_000


class SignFlip(msgspec.Struct, frozen=True):
    """p (None when it was not computed), how, and the smallest p that this number of units can reach."""

    p: float | None
    kind: str
    """"exact", "monte-carlo" or "none"."""
    contested: int
    floor: float


_answers: Remembered[SignFlip] = Remembered(REMEMBERED)


def sign_flip(units: Floats, *, seed: int = 0, monte_carlo: bool = True) -> SignFlip:
    """Two-sided sign-flip test of "the sum of `units` is 0 because each is as likely to be negative".

    A unit is a question's difference, or the sum over a cluster of them. Units that are 0 change nothing. The last
    answers are remembered: a report asks for the same test at several levels.
    """
    return _answers.get(units, lambda: _flip(units, seed, monte_carlo), seed, monte_carlo)


def _flip(units: Floats, seed: int, monte_carlo: bool) -> SignFlip:
    size = np.abs(units)
    largest = float(size.max()) if size.size else 0.0
    keep = size > 1e-12 * largest
    u, size = units[keep], size[keep]
    m = int(u.size)
    floor = min(1.0, 2.0 ** (1 - m)) if m < 1000 else 0.0
    if m == 0:
        return SignFlip(1.0, "exact", 0, 1.0)
    levels, counts = _levels(size)
    if levels.size == 1:
        wins = int(np.count_nonzero(u > 0))
        return SignFlip(mcnemar_exact(wins, m - wins), "exact", m, floor)
    p = _on_grid(u, levels, counts)
    if p is None and m <= ENUMERATED:
        p = _enumerate(u)
    if p is not None:
        return SignFlip(p, "exact", m, floor)
    if monte_carlo and m <= MONTE_CARLO_UNITS:
        return SignFlip(_monte_carlo(u, seed), "monte-carlo", m, max(floor, 1 / (FLIPS + 1)))
    return SignFlip(None, "none", m, floor)


def _levels(size: Floats) -> tuple[Floats, Floats]:
    """Distinct magnitudes (equal to 1e-9 of the largest) and how often each occurs."""
    if size.size > 4096 and np.unique(np.round(size[:4096], 12)).size > GRID_LEVELS:
        return np.empty(2), np.empty(2)  # continuous: not worth sorting all of it
    ordered = np.sort(size)
    new = np.concatenate(([True], np.diff(ordered) > 1e-9 * ordered[-1]))
    return ordered[new], np.diff(np.append(np.flatnonzero(new), ordered.size)).astype(np.float64)


def _on_grid(u: Floats, levels: Floats, counts: Floats) -> float | None:
    """The exact p when all magnitudes are whole multiples of one step, else None."""
    if levels.size > GRID_LEVELS or counts.sum() != u.size:
        return None
    for parts in range(1, 61):
        steps = levels / (levels[0] / parts)
        whole = np.round(steps)
        if np.all(np.abs(steps - whole) < 1e-7 * np.maximum(whole, 1)):
            break
    else:
        return None
    span = float(counts @ whole)
    if span > GRID_RANGE or span * levels.size > 25 * GRID_RANGE:
        return None
    observed = abs(round(float(u.sum()) / float(levels[0] / parts)))
    if observed == 0:
        return 1.0
    if u.size <= 8 * levels.size:
        return _counted(np.repeat(whole, counts.astype(np.int64)).astype(np.int64), (int(span) - observed) // 2)
    # T = the sum of the steps whose sign is flipped to minus, so that the sum of all is span - 2T.
    length = 1 << int(span).bit_length()
    angle = np.pi * np.arange(length // 2 + 1) / length
    transform = np.ones_like(angle)
    for step, count in zip(whole, counts, strict=True):
        transform *= np.cos(step * angle) ** count
    chances = np.fft.irfft(transform * np.exp(-1j * span * angle), length)
    p = 2 * float(np.sum(chances[: (int(span) - observed) // 2 + 1]))
    return min(1.0, max(p, SMALLEST))


def _counted(steps: NDArray[np.int64], most: int) -> float:
    """Twice the chance that random steps add up to `most` or less: step by step, where they are too many kinds for the
    transform to pay."""
    chances = np.zeros(most + 1)
    chances[0] = 1.0
    reach = 0
    for step in np.sort(steps).tolist():
        filled = min(reach, most) + 1
        reach += step
        if step <= most:
            moved = 0.5 * chances[: min(filled, most + 1 - step)]
            chances[:filled] *= 0.5
            chances[step : step + moved.size] += moved
        else:
            chances[:filled] *= 0.5
    return min(1.0, max(2 * float(chances.sum()), SMALLEST))


def _enumerate(u: Floats) -> float:
    """All sign patterns with the first sign held (the other half is the mirror image)."""
    sums = u[:1].copy()
    for value in u[1:]:
        sums = np.concatenate((sums + value, sums - value))
    limit = abs(float(u.sum())) - 1e-9 * float(np.abs(u).sum())
    return float(np.count_nonzero(np.abs(sums) >= limit)) / sums.size


def _monte_carlo(u: Floats, seed: int) -> float:
    """(extreme + 1) / (flips + 1), which is a valid p in itself (Phipson and Smyth 2010)."""
    rng = np.random.default_rng(seed)
    limit = abs(float(u.sum())) - 1e-9 * float(np.abs(u).sum())
    total, extreme = float(u.sum()), 0
    rows = max(1, min(FLIPS, 4_000_000 // u.size))
    for start in range(0, FLIPS, rows):
        count = min(rows, FLIPS - start)
        bits = np.unpackbits(np.frombuffer(rng.bytes((count * u.size + 7) // 8), dtype=np.uint8))
        flipped = bits[: count * u.size].reshape(count, u.size).astype(np.float64) @ u
        extreme += int(np.count_nonzero(np.abs(total - 2 * flipped) >= limit))
    return (extreme + 1) / (FLIPS + 1)
