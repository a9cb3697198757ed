"""Do the statistics keep their promises? `python perf/calibration.py [--quick] [--write]`

Where every outcome can be summed (0/1 scores) the rates are exact; elsewhere they are simulated, with the Monte-Carlo
error printed. "false +" is how often equal arms are called different at alpha = .05, "coverage" how often a 95 %
interval holds the truth. The script fails when any test of ours exceeds .05 by more than three Monte-Carlo errors.
`--write` puts the tables into docs/statistics.md between the generated markers; `--quick` simulates less.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy.special import gammaln, nctdtr, stdtrit

from weigh.analyze.bootstrap import bca_mean
from weigh.analyze.cost import compare_costs
from weigh.analyze.distributions import z_two_sided
from weigh.analyze.estimate import estimate, wilson
from weigh.analyze.exact_power import mcnemar_power, questions_needed
from weigh.analyze.mcnemar import mcnemar_exact
from weigh.analyze.paired import compare_pairs
from weigh.analyze.scope import compare_given
from weigh.analyze.sequential import log_wealth
from weigh.analyze.suite import Branch, Leaf, compare_suite
from weigh.analyze.tango import tango_interval

SIZES = (2, 3, 6, 10, 15, 50, 200, 1000)
ALPHA = 0.05
DOCS = Path(__file__).resolve().parent.parent / "docs" / "statistics.md"
COMMAND = "python perf/calibration.py"
Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]


class Report:
    """Collects the lines, and the promises that were broken."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.broken: list[str] = []

    def table(self, title: str, note: str, head: list[str]) -> None:
        self.lines += [
            "",
            f"**{title}.** {note}",
            "",
            "| " + " | ".join(head) + " |",
            "|---" + "|---:" * (len(head) - 1) + "|",
        ]

    def row(self, *cells: str) -> None:
        self.lines.append("| " + " | ".join(cells) + " |")
        print(self.lines[-1], file=sys.stderr, flush=True)

    def promise(self, what: str, rate: float, error: float) -> str:
        if rate > ALPHA + 3 * error + 1e-12:
            self.broken.append(f"{what}: {rate:.4f}")
        return f"{rate:.3f}"


def outcomes(n: int, contested: float, difference: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Wins, losses and their probability, leaving out what is rarer than 1e-12 in all."""
    reach = 8 * math.sqrt(n * contested * (1 - contested)) + 12
    low, high = max(0, int(n * contested - reach)), min(n, int(n * contested + reach) + 1)
    w, m = np.meshgrid(np.arange(high + 1), np.arange(low, high + 1))
    keep = w <= m
    w, l = w[keep], m[keep] - w[keep]  # noqa: E741
    p, q = (contested + difference) / 2, (contested - difference) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = gammaln(n + 1) - gammaln(w + 1) - gammaln(l + 1) - gammaln(n - w - l + 1)
        for count, chance in ((w, p), (l, q), (n - w - l, 1 - contested)):
            logs = logs + np.where(count > 0, count * np.log(max(chance, 1e-300)), 0.0)
    return w, l, np.exp(logs)


def wald_z(wins: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """The statistic of `sign_wald`, for many outcomes at once."""
    contested = np.maximum(wins + losses, 1)
    rate = np.where(wins + losses > 0, wins / contested, 0.5)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (rate - 0.5) / np.sqrt(rate * (1 - rate) / contested)
    return z


def binary(report: Report, rng: np.random.Generator, reps: int) -> None:
    """0/1 scores: everything summed exactly, the worst over how many questions are contested."""
    report.table(
        "0/1 scores, no clusters",
        "Exact. False positives: the worst over contested shares of 2 % to 100 %. Coverage of Tango's interval over"
        " those shares: worst for equal arms, then mean and worst over true differences of 0 to .6. Power for 20 % won"
        f" and 5 % lost: exact, and as simulated through `compare_pairs` ({reps} times).",
        [
            "n",
            "false +, McNemar",
            "false +, Wald sign test",
            "coverage, equal arms, worst",
            "coverage, mean",
            "worst",
            "power, exact",
            "power, simulated",
        ],
    )
    for n in SIZES:
        shares = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
        worst, wald, covered, equal = 0.0, 0.0, [], 1.0
        for share in shares:
            w, l, chance = outcomes(n, share, 0.0)  # noqa: E741
            worst = max(worst, float(chance[np.asarray(mcnemar_exact(w, l)) <= ALPHA].sum()))
            old = np.abs(wald_z(w, l)) > z_two_sided(1 - ALPHA)
            wald = max(wald, float(chance[old].sum()))
            low, high = tango_interval(w, l, n)
            inside = (low <= 0) & (high >= 0)
            equal = min(equal, float(outcomes(n, share, 0.0)[2][inside].sum()))
            for difference in (0.0, 0.05, 0.1, 0.2, 0.4, 0.6):
                if difference < share:
                    chance = outcomes(n, share, difference)[2]
                    covered.append(float(chance[(low <= difference) & (difference <= high)].sum()))
        draws = rng.multinomial(n, [0.2, 0.05, 0.75], size=reps)
        hits = 0
        for w, l, _ in draws.tolist():  # noqa: E741
            a, b = np.zeros(n), np.zeros(n)
            b[:w], a[w : w + l] = 1, 1
            hits += compare_pairs(a, b, resolution=False).verdict == "better"
        report.row(
            str(n), report.promise(f"McNemar n={n}", worst, 0), f"{wald:.3f}", f"{equal:.3f}",
            f"{np.mean(covered):.3f}", f"{min(covered):.3f}", f"{mcnemar_power(n, 0.2, 0.05):.3f}",
            f"{hits / reps:.3f}",
        )  # fmt: skip


def normal(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Continuous scores."""
    return rng.normal(size=n), rng.normal(size=n)


def averaged(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of four epochs of a 0/1 score."""
    skill = rng.beta(0.6, 0.6, n)
    return rng.binomial(4, skill) / 4, rng.binomial(4, skill) / 4


def lumpy(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """F1-like: mostly 0 or 1, sometimes between."""
    values = rng.random((2, n))
    edges = (rng.random((2, n)) < 0.5).astype(float)
    scores = np.where(rng.random((2, n)) < 0.8, edges, values)
    return scores[0], scores[1]


def skewed(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Long tails, as tokens and seconds have."""
    return rng.lognormal(0, 1.5, n), rng.lognormal(0, 1.5, n)


def repetitions(reps: int, n: int) -> int:
    """Fewer where each takes longer."""
    return reps if n < 200 else max(100, reps // 2 if n == 200 else reps // 5)


def share(rng: np.random.Generator, reps: int, one: Callable[[], bool]) -> float:
    """How often something happens."""
    return sum(one() for _ in range(reps)) / reps


def real(report: Report, rng: np.random.Generator, reps: int) -> None:
    """Scores that are not 0/1."""
    report.table(
        "Other scores, no clusters",
        f"Simulated {reps} times (Monte-Carlo error of a false-positive rate {math.sqrt(0.0475 / reps):.3f};"
        " 200 questions half, 1,000 a fifth as often)."
        " The bootstrap starts at n = 30, simulated a quarter as often. Power: normal scores, a true"
        " difference of .5 standard deviations of the difference, beside the power of the t test.",
        ["n", "false +: normal", "means of 4 epochs", "F1-like", "long tails", "coverage t: normal", "epochs",
         "long tails", "coverage BCa: normal", "long tails", "power", "power of t"],
    )  # fmt: skip
    for n in SIZES:
        count = repetitions(reps, n)
        rates, cover = [], {}
        for draw in (normal, averaged, lumpy, skewed):
            wrong = inside = 0
            for _ in range(count):
                made = compare_pairs(*draw(rng, n), bootstrap=False, resolution=False)
                wrong += made.verdict != "unresolved"
                inside += made.low is not None and made.low <= 0 <= made.high
            rates.append(report.promise(f"{draw.__name__} n={n}", wrong / count, math.sqrt(0.0475 / count)))
            cover[draw] = f"{inside / count:.3f}"
        bands = []
        for draw in (normal, skewed):
            if n < 30:
                bands.append("-")
                continue
            inside = 0
            for _ in range(count // 4):
                a, b = draw(rng, n)
                low, high = bca_mean(b - a, seed=int(rng.integers(1 << 30))) or (0.0, 0.0)
                inside += low <= 0 <= high
            bands.append(f"{inside / (count // 4):.3f}")

        def effect(n: int = n) -> bool:
            a, b = normal(rng, n)
            return compare_pairs(a, b + 0.5 * math.sqrt(2), bootstrap=False, resolution=False).verdict == "better"

        critical = stdtrit(n - 1, 0.975)
        theory = 1 - float(nctdtr(n - 1, 0.5 * math.sqrt(n), critical)) if n < 200 else 1.0
        report.row(
            str(n), *rates, cover[normal], cover[averaged], cover[skewed], *bands,
            f"{share(rng, count, effect):.3f}", f"{theory:.3f}",
        )  # fmt: skip


def grouped(rng: np.random.Generator, n: int, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Questions in clusters that share their luck; arms exchangeable by cluster."""
    groups = (
        np.sort(rng.integers(0, max(1, n // 5), n))
        if kind != "dominated"
        else np.where(np.arange(n) < n // 2, 0, 1 + np.arange(n) // 3)
    )
    shock = rng.normal(0, 1, (2, int(groups.max()) + 1))[:, groups]
    scores = shock + rng.normal(0, 1, (2, n))
    if kind == "0/1":
        scores = (scores > 0).astype(float)
    return scores[0], scores[1], groups


def clusters(report: Report, rng: np.random.Generator, reps: int) -> None:
    """Clusters of about five questions, and one cluster with half of all."""
    report.table(
        "Clusters",
        "Questions share their luck within clusters of about 5 (so 50 questions are about 10 clusters). Simulated"
        f" {reps} times. The last column forgets the clusters.",
        ["n", "false +: 0/1", "real-valued", "one cluster holds half", "coverage: 0/1", "real-valued",
         "coverage of one arm's mean",
         "false + of McNemar without clusters"],
    )  # fmt: skip
    for n in SIZES:
        count = repetitions(reps, n)
        rates, cover, forgot, single = [], [], 0, 0
        for kind in ("0/1", "real", "dominated"):
            wrong = inside = known = 0
            for _ in range(count):
                a, b, names = grouped(rng, n, kind)
                made = compare_pairs(a, b, clusters=names, bootstrap=False, resolution=False)
                wrong += made.verdict != "unresolved"
                if made.low is not None:
                    known += 1
                    inside += made.low <= 0 <= made.high
                if kind == "0/1":
                    forgot += float(mcnemar_exact(int((b > a).sum()), int((a > b).sum()))) <= ALPHA
                if kind == "real":
                    one = estimate(a, clusters=names)
                    single += one.low is not None and one.low <= 0 <= one.high
            rates.append(report.promise(f"clusters {kind} n={n}", wrong / count, math.sqrt(0.0475 / count)))
            cover.append(f"{inside / known:.3f}" if known > count // 2 else "-")
        report.row(str(n), *rates, *cover[:2], f"{single / count:.3f}" if n > 6 else "-", f"{forgot / count:.3f}")


def others(report: Report, rng: np.random.Generator, reps: int) -> None:
    """These tasks, suites, costs, one arm's proportion."""
    report.table(
        "These tasks, suites, costs, one arm",
        f"False positives simulated {reps // 2} times (fewer from 200 questions): 4 epochs an arm permuted within n"
        " given questions; a suite of three tasks (n, 2n and 3n questions, averaged); Wilcoxon on costs with long"
        " tails. Wilson's coverage for one arm is exact, mean and worst over p = .02 to .98.",
        ["n", "false +: these tasks", "suite", "costs", "coverage Wilson, mean", "worst"],
    )
    tree = Branch("s", (Leaf("x"), Leaf("y"), Leaf("z")))
    for n in SIZES:
        count = repetitions(reps // 2, n)
        error = math.sqrt(0.0475 / count)

        def given(n: int = n) -> bool:
            skill = rng.random(n)[:, None]
            a, b = ((rng.random((n, 4)) < skill).astype(float).tolist() for _ in range(2))
            return compare_given(a, b).verdict != "unresolved"

        def suite(n: int = n) -> bool:
            pairs = {name: tuple((rng.random((2, n * k)) < 0.5).astype(float)) for k, name in enumerate("xyz", 1)}
            return compare_suite(tree, pairs).verdict != "unresolved"

        def cost(n: int = n) -> bool:
            return compare_costs(*skewed(rng, n)).verdict != "unresolved"

        covered = []
        for p in np.arange(0.02, 0.99, 0.02):
            k = np.arange(n + 1)
            chance = np.exp(
                gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1) + k * np.log(p) + (n - k) * np.log(1 - p)
            )
            bands = np.array([wilson(x / n, n, z_two_sided(0.95)) for x in k])
            covered.append(float(chance[(bands[:, 0] <= p) & (p <= bands[:, 1])].sum()))
        rates = [
            report.promise(f"{name} n={n}", share(rng, count, one), error)
            for name, one in (("these tasks", given), ("suite", suite), ("costs", cost))
        ]
        report.row(str(n), *rates, f"{np.mean(covered):.3f}", f"{min(covered):.3f}")


def sequential(report: Report, rng: np.random.Generator, reps: int) -> None:
    """Peeking after every question."""
    report.table(
        "Peeking after every question",
        f"Up to 2,000 questions, {reps} times. The last columns are for a true difference of 10 points: the fixed"
        " design with 80 % power, how many questions the sequence used on average (2,000 when it did not settle), and"
        " how often it settled.",
        [
            "differences",
            "false +, confidence sequence",
            "false +, z looked at each time",
            "fixed design",
            "questions used",
            "settled",
        ],
    )
    for name, contested in (("0/1, 10 % contested", 0.1), ("0/1, 30 % contested", 0.3), ("0/1, all contested", 1.0)):
        probabilities = [contested / 2, 1 - contested, contested / 2]
        d = rng.choice([-1.0, 0.0, 1.0], p=probabilities, size=(reps, 2000))
        wrong = float(np.mean(log_wealth(d).max(axis=1) >= math.log(1 / ALPHA)))
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.abs(d.cumsum(axis=1)) / np.sqrt((d * d).cumsum(axis=1))
        naive = float(np.mean(np.nanmax(z[:, 9:], axis=1) > 1.96))
        win = min(1.0, (contested + 0.1) / 2)
        d = rng.choice([-1.0, 0.0, 1.0], p=[max(0.0, contested - win), 1 - contested, win], size=(reps, 2000))
        hit = log_wealth(d) >= math.log(1 / ALPHA)
        used = np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, 2000)
        fixed = math.ceil(questions_needed(0.1, contested - 0.01))
        report.row(
            name, report.promise(f"sequence, {name}", wrong, math.sqrt(0.0475 / reps)), f"{naive:.3f}", str(fixed),
            f"{used.mean():.0f}", f"{hit.any(axis=1).mean():.2f}",
        )  # fmt: skip


def run(quick: bool) -> Report:
    """All tables."""
    report, rng = Report(), np.random.default_rng(20250101)
    reps = 1_000 if quick else 10_000
    for part in (binary, real, clusters, others, sequential):
        part(report, rng, reps)
    return report


def replaced(text: str, lines: list[str]) -> Iterator[str]:
    """The page with the tables between its markers."""
    start, end = f"<!-- generated by: {COMMAND} -->", "<!-- end of generated -->"
    before, rest = text.split(start, 1)
    after = rest.split(end, 1)[1]
    yield from (before, start, "\n", "\n".join(lines).strip("\n"), "\n\n", end, after)


def main() -> int:
    """Print, and write when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1,000 repetitions instead of 10,000")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/statistics.md")
    options = parser.parse_args()
    report = run(options.quick)
    print("\n".join(report.lines))
    if options.write:
        DOCS.write_text("".join(replaced(DOCS.read_text(encoding="utf-8"), report.lines)), encoding="utf-8")
    for line in report.broken:
        print(f"broken promise: {line}", file=sys.stderr)
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
