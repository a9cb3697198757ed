"""How to compare: what `weigh compare` and everything that compares arms can be asked for."""

from __future__ import annotations

import msgspec

from weigh.analyze.correct import Correction
from weigh.pipeline.questions import Errors


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to compare.

    Attributes:
        tasks: Specs or base names; empty for all that both have.
        suite: Only this suite's tasks and aggregate.
        metric: A metric or a cost (`tokens`, `seconds`, ...); None for each task's first.
        by: A metadata field whose values make subgroups, or an axis that varies within the sides (`tier`).
        cluster: A metadata field whose values make clusters.
        alpha: Of the tests.
        margin: Differences this small are equivalent; None asks for no equivalence.
        correction: Over tasks, and over subgroups.
        errors: How failed trials count.
        method: As in `compare_pairs`.
        seed: Of the bootstrap and of Monte-Carlo permutations.
        shared: Only questions that are paired in every context (each model, tier ... within the sides), and suites
            without the tasks that are not paired.
        bootstrap: Whether to add bootstrap intervals and the test of a ratio (JSON has them; no table does).
    """

    tasks: tuple[str, ...] = ()
    suite: str | None = None
    metric: str | None = None
    by: str | None = None
    cluster: str | None = None
    alpha: float = 0.05
    margin: float | None = None
    correction: Correction = "holm"
    errors: Errors = "exclude"
    method: str = "auto"
    seed: int = 0
    shared: bool = False
    bootstrap: bool = True
