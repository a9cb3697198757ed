"""The suite `starter`: a few hundred small questions of four kinds, for a first look at two models in a few minutes."""

from __future__ import annotations

from weigh import Suite, register

register(
    Suite(
        name="starter",
        tasks=("trivia:rc", "trivia:mc", "arithmetic", "instructions", "humaneval_short"),
        aggregation="mean_of_tasks",
        description="Four small benchmarks of different kinds; every task counts the same",
    )
)
