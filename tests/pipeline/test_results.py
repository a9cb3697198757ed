"""The rows of a summary: suites, what is missing, and what an arm's numbers rest on."""

from __future__ import annotations

from tests.pipeline.conftest import Bench
from weigh.pipeline.results import summarize


def test_a_suite_has_a_row_whose_interval_stays_within_what_scores_can_be(bench: Bench) -> None:
    bench.rows(3, wrong_from=2)
    bench.write()
    result = bench.run(f"{bench.folder / 'bench.py'}:{bench.name}_suite")
    task, suite = summarize(bench.store, result.run).rows
    assert suite.is_suite and suite.metric == "mean_of_tasks"
    assert suite.estimate is not None and task.estimate is not None
    assert suite.estimate.mean == task.estimate.mean
    assert suite.estimate.low is not None and suite.estimate.high is not None
    assert 0 <= suite.estimate.low < suite.estimate.high <= 1


def test_a_suite_without_a_number_for_a_member_has_none_and_says_which(bench: Bench) -> None:
    bench.rows(3)
    bench.write()
    models = ("scripted/echo::refuse_every=1",)
    result = bench.run(f"{bench.folder / 'bench.py'}:{bench.name}_suite", models=models)
    task, suite = summarize(bench.store, result.run).rows
    assert task.estimate is None and task.missing == "all 3 trials failed"
    assert suite.estimate is None and suite.missing is not None and bench.name in suite.missing


def test_two_arms_measure_the_mde_one_assumes_it(bench: Bench) -> None:
    bench.rows(20, wrong_from=12)
    task = bench.write()
    alone = summarize(bench.store, bench.run(task).run).rows[0]
    assert alone.mde80 is not None and "assuming" in alone.mde80.assumption
    both = bench.run(task, models=("scripted/echo", "scripted/constant::answer=no"))
    rows = summarize(bench.store, both.run).rows
    assert all(r.mde80 is not None and "measured on 20 paired" in r.mde80.assumption for r in rows)
    assert rows[0].mde80 == rows[1].mde80


def test_epochs_split_the_variance_and_never_take_the_best(bench: Bench) -> None:
    bench.rows(10)
    models = ("scripted/echo::empty_every=0,jitter=0",)
    result = bench.run(bench.write(), models=models, epochs=4, temperature=1.0)
    row = summarize(bench.store, result.run).rows[0]
    assert (row.epochs, row.trials) == (4, 40)
    assert row.estimate is not None and row.estimate.n == 10 and row.estimate.se_within == 0.0
