"""The rows of a summary: suites, what is missing, and what an arm's numbers rest on."""

from __future__ import annotations

import msgspec
import numpy as np

from tests.pipeline.conftest import Bench
from weigh.analyze.paired import compare_pairs
from weigh.pipeline.compare import compare
from weigh.pipeline.questions import NONE
from weigh.pipeline.result_mde import measured_mde
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


def test_the_mde_of_two_arms_is_that_of_their_comparison(bench: Bench) -> None:
    bench.rows(30, wrong_from=20)
    bench.write()
    models = ("scripted/echo", "scripted/constant::answer=no")
    run = bench.run(f"{bench.folder / 'bench.py'}:{bench.name}_suite", models=models, epochs=2).run
    (report,) = compare(bench.store, [run.id])
    task, suite = report.rows[0].score, report.suites[0].comparison
    assert task is not None and suite is not None and suite.mde80 is not None
    rows = summarize(bench.store, run).rows
    assert [r.mde80.value for r in rows if r.mde80] == [task.mde80] * 2 + [suite.mde80] * 2
    assert [r.epochs for r in rows if r.is_suite] == [2, 2]


def test_clusters_count_in_the_mde_as_in_a_comparison() -> None:
    dice = np.random.default_rng(1)
    keys = np.array([f"k{i:02}" for i in range(40)], dtype=object)
    clusters = np.array([f"c{i // 4}" for i in range(40)], dtype=object)
    a, b = (np.repeat(dice.integers(0, 2, 10), 4).astype(float) for _ in range(2))
    first, second = (
        msgspec.structs.replace(NONE, keys=keys, ids=keys, values=values, clusters=clusters) for values in (a, b)
    )
    found = measured_mde((first, second), 0.05)
    assert found is not None and found.value == compare_pairs(a, b, clusters=clusters.tolist()).mde80
    assert found.value != compare_pairs(a, b).mde80


def test_epochs_split_the_variance_and_never_take_the_best(bench: Bench) -> None:
    bench.rows(10)
    models = ("scripted/echo::empty_every=0,jitter=0",)
    result = bench.run(bench.write(), models=models, epochs=4, temperature=1.0)
    row = summarize(bench.store, result.run).rows[0]
    assert (row.epochs, row.trials) == (4, 40)
    assert row.estimate is not None and row.estimate.n == 10 and row.estimate.se_within == 0.0
