"""Statistics: pure functions of numbers.

Arrays of per-question values go in, frozen structs come out. Nothing here sees a database, a trial or a page, so
that terminal, page and files all show the same number. The modules load numpy and `scipy.special`, never
`scipy.stats` (0.8 s to import); the names below are looked up when they are first used
(`estimate` itself is at `weigh.analyze.estimate.estimate`, since the module has its name).

In every comparison `a` is the old arm (the baseline) and `b` the new one: `difference` is b - a, a *win* is a
question on which b is better, and the verdict speaks about b.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Estimate": "estimate",
    "Mde": "estimate",
    "estimate_epochs": "estimate",
    "mde": "estimate",
    "mde_unpaired_assumption": "estimate",
    "reduce_pass_at_k": "estimate",
    "reduce_pass_hat_k": "estimate",
    "Comparison": "paired",
    "compare_pairs": "paired",
    "GivenComparison": "scope",
    "compare_given": "scope",
    "CostComparison": "cost",
    "compare_costs": "cost",
    "Leaf": "suite",
    "Branch": "suite",
    "SuiteComparison": "suite",
    "compare_suite": "suite",
    "score_suite": "suite",
    "PowerPlan": "power",
    "plan_power": "power",
    "mcnemar_power": "exact_power",
    "normal_power": "power",
    "questions_needed": "exact_power",
    "correct_comparisons": "family",
    "Gate": "gate",
    "judge_drop": "gate",
    "judge_ratio": "gate",
    "judge_suite": "gate",
    "adjust": "correct",
    "holm": "correct",
    "benjamini_hochberg": "correct",
    "ConfidenceSequence": "sequential",
    "Interaction": "interaction",
    "compare_interaction": "interaction",
    "BradleyTerry": "rank",
    "bradley_terry": "rank",
    "tiers": "rank",
    "Matrix": "matrix",
    "Pair": "matrix",
    "compare_matrix": "matrix",
    "Trend": "trend",
    "compare_trend": "trend",
    "UnequalFailures": "unequal",
    "failed_unequally": "unequal",
    "Kappa": "kappa",
    "cohen_kappa": "kappa",
    "PositionBias": "kappa",
    "position_bias": "kappa",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
