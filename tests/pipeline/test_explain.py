"""Why something was or was not reused, and new scores over old outputs."""

from __future__ import annotations

import asyncio

import pytest

from tests.pipeline.conftest import Bench
from weigh.pipeline.explain import explain
from weigh.pipeline.rescore import rescore
from weigh.pipeline.results import summarize
from weigh.records.errors import StoreError


def test_an_edited_prompt_is_named_as_the_reason(bench: Bench) -> None:
    bench.run(bench.write())
    second = bench.run(bench.write(instruction="Say it."))
    [then] = explain(bench.store, second.run.id).then
    assert then.same == 0
    assert [(r.field, r.trials) for r in then.reasons] == [("request.messages[0].content", 20)]
    assert "Say it." in then.reasons[0].after and "Say it." not in then.reasons[0].before


def test_a_changed_temperature_and_a_changed_row_are_told_apart(bench: Bench) -> None:
    task = bench.write()
    bench.run(task)
    warm = bench.run(task, temperature=0.7)
    reasons = {r.field: r.trials for r in explain(bench.store, warm.run.id).then[0].reasons}
    assert reasons == {"arm.sampling.temperature": 20, "request.sampling.temperature": 20}
    bench.data[0]["q"] = "other"
    changed = bench.run(bench.write())
    [then] = explain(bench.store, changed.run.id).then
    assert then.same == 19 and "request.messages[0].content" in {r.field for r in then.reasons}
    assert explain(bench.store, changed.run.id).reused == 19


def test_what_would_run_again_now(bench: Bench) -> None:
    result = bench.run(bench.write(), temperature=0.5)
    [now] = explain(bench.store, result.run.id).now
    assert (now.same, now.reasons) == (20, ()), "the flags of then are taken into account"
    bench.write(instruction="Other.")
    bench.run(f"{bench.folder / 'bench.py'}:{bench.name}", limit=1)
    [now] = explain(bench.store, result.run.id).now
    assert now.same == 0 and now.reasons[0].field == "request.messages[0].content"


def test_a_single_trial_can_be_explained(bench: Bench) -> None:
    result = bench.run(bench.write())
    trial = bench.trials(result)[0]
    found = explain(bench.store, trial.id[:8])
    assert (found.trial, found.generated) == (trial.id, 1)
    with pytest.raises(StoreError, match="nothing-like-it"):
        explain(bench.store, "nothing-like-it")


def test_rescoring_asks_no_model_and_shows_the_new_numbers(bench: Bench) -> None:
    bench.rows(10, wrong_from=4)
    result = bench.run(bench.write())
    bench.write(scorer="SubstringScorer", extra="from weigh.score.answer import SubstringScorer\n")
    bench.run(f"{bench.folder / 'bench.py'}:{bench.name}", limit=1, models=("scripted/constant::answer=x",))
    done = asyncio.run(rescore(bench.store, result.run))
    assert (done.trials, done.failed, done.skipped) == (10, 0, ())
    [row] = summarize(bench.store, result.run).rows
    assert row.metric == "substring" and row.estimate is not None and row.estimate.mean == 0.4
    again = asyncio.run(rescore(bench.store, result.run))
    assert again.trials == 0, "nothing has changed since"
    assert asyncio.run(rescore(bench.store, result.run, everything=True)).trials == 10
