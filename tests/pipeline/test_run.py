"""A run, and what a second one takes over from it."""

from __future__ import annotations

import json

import pytest

from tests.pipeline.conftest import Bench
from weigh.pipeline import finishing
from weigh.pipeline.request import Event, TrialDone
from weigh.pipeline.results import summarize
from weigh.records.errors import CapabilityError, DefinitionError, WeighError


def test_every_planned_trial_is_stored_once_and_scored(bench: Bench) -> None:
    bench.rows(20, wrong_from=15)
    result = bench.run(bench.write())
    trials = bench.trials(result)
    assert (result.executed, result.reused, result.missing, result.failed) == (20, 0, 0, {})
    assert sorted(t.instance.id for t in trials) == sorted(f"i{i}" for i in range(20))
    assert sum(t.scores["exact_match"].value or 0 for t in trials) == 15
    row = summarize(bench.store, result.run).rows[0]
    assert row.estimate is not None and row.estimate.mean == 0.75 and row.estimate.n == 20


def test_the_seconds_shown_are_those_one_waited_not_their_sum(bench: Bench) -> None:
    models = ("scripted/echo::latency=0.2",)
    result = bench.run(bench.write(), models=models, concurrency=20)
    seconds = summarize(bench.store, result.run).rows[0].seconds
    together = sum(t.timing.total for t in bench.trials(result))
    assert seconds is not None and 0.2 <= seconds < together / 2, "20 trials of 0.2 s at once, not one after the other"


def test_repeating_a_command_resumes_and_asks_nothing(bench: Bench) -> None:
    task = bench.write()
    first = bench.run(task)
    again = bench.run(task)
    assert again.run.id == first.run.id
    assert (again.executed, again.reused) == (0, 20)
    assert len(bench.store.runs()) == 1 and len(bench.trials(again)) == 20


def test_a_larger_limit_and_more_epochs_reuse_all_that_is_there(bench: Bench) -> None:
    task = bench.write()
    assert bench.run(task, limit=5).executed == 5
    larger = bench.run(task, limit=12)
    assert (larger.executed, larger.reused) == (7, 5)
    epochs = bench.run(task, limit=12, epochs=3)
    assert (epochs.executed, epochs.reused) == (24, 12)
    assert len(bench.trials(epochs)) == 36


def test_an_edited_prompt_runs_again_and_an_edited_row_runs_alone(bench: Bench) -> None:
    bench.run(bench.write())
    prompt = bench.run(bench.write(instruction="Say it."))
    assert (prompt.executed, prompt.reused) == (20, 0)
    bench.data[3]["q"] = bench.data[3]["a"] = "changed"
    row = bench.run(bench.write())
    assert (row.executed, row.reused) == (1, 19), "19 cells of the first run have the same request"


def test_an_edited_scorer_scores_again_and_asks_nothing(bench: Bench) -> None:
    bench.rows(20, wrong_from=10)
    first = bench.run(bench.write())
    events: list[Event] = []
    loose = bench.write(scorer="SubstringScorer", extra="from weigh.score.answer import SubstringScorer\n")
    second = bench.run(loose, events=events)
    assert second.run.id == first.run.id, "a scorer is no part of a run's identity"
    assert (second.executed, second.reused, second.rescored) == (0, 20, 20)
    assert all(t.trial.scores["substring"].value is not None for t in events if isinstance(t, TrialDone))
    assert {"exact_match", "substring"} <= set(bench.trials(second)[0].scores)


def test_concurrency_retries_and_urls_change_no_key(bench: Bench) -> None:
    task = bench.write()
    bench.run(task)
    again = bench.run(task, concurrency=3, overrides=("retries=9",), models=("scripted/echo::latency=0.001",))
    assert again.executed == 0


def test_a_sampling_parameter_is_an_arm_of_its_own(bench: Bench) -> None:
    task = bench.write()
    bench.run(task)
    warm = bench.run(task, temperature=0.7)
    assert warm.executed == 20
    assert warm.run.arms[0].axes["temperature"] == 0.7
    assert bench.trials(warm)[0].trajectory.request.sampling.temperature == 0.7  # type: ignore[union-attr]


def test_another_run_copies_what_the_store_has(bench: Bench) -> None:
    task = bench.write()
    first = bench.run(task)
    both = bench.run(task, models=("scripted/echo", "scripted/constant::answer=q1"))
    assert both.run.id != first.run.id
    assert (both.executed, both.reused) == (20, 20)
    copied = [t for t in bench.trials(both) if t.reused]
    assert len(copied) == 20 and {t.arm for t in copied} == {"echo"}
    bench.store.remove(first.run.id)
    assert len(bench.trials(both)) == 40, "a run stands on its own"


def test_failures_are_kept_out_of_the_mean_and_run_again(bench: Bench) -> None:
    task = bench.write()
    result = bench.run(task, models=("scripted/echo::refuse_every=4",), concurrency=1)
    assert result.failed == {"provider": 5} and result.missing == 0
    row = summarize(bench.store, result.run).rows[0]
    assert row.estimate is not None and (row.estimate.n, row.estimate.mean) == (15, 1.0)
    assert row.failed == {"provider": 5}
    zero = summarize(bench.store, result.run, errors="zero").rows[0].estimate
    assert zero is not None and (zero.n, zero.mean) == (20, 0.75)
    again = bench.run(task)
    assert (again.executed, again.reused, again.failed) == (5, 15, {})


def test_an_empty_answer_is_a_failure_not_a_zero(bench: Bench) -> None:
    result = bench.run(bench.write(), models=("scripted/echo::empty_every=5",), concurrency=1)
    assert result.failed == {"empty": 4}
    estimate = summarize(bench.store, result.run).rows[0].estimate
    assert estimate is not None and (estimate.n, estimate.mean) == (16, 1.0)


def test_an_endless_generation_is_an_outcome_and_counts_as_no_match(bench: Bench) -> None:
    bench.rows(6)
    task, models = bench.write(), ("scripted/echo::hang_every=3",)
    for seconds in (0.5, 20):  # the longer one for a machine that is too busy to answer within the shorter
        result = bench.run(task, models=models, concurrency=1, overrides=(f"limits.seconds={seconds}",))
        if result.outcomes == {"timeout": 2}:
            break
    assert result.outcomes == {"timeout": 2} and result.failed == {}
    estimate = summarize(bench.store, result.run).rows[0].estimate
    assert estimate is not None and estimate.n == 6 and estimate.mean == pytest.approx(4 / 6)


RAISING = """
from weigh.records.score import Score
from weigh.score.base import BaseScorer

class Mine(BaseScorer, frozen=True, kw_only=True):
    name: str = "mine"
    async def score(self, context):
        if context.instance.id == "i3":
            raise ValueError("cannot judge this")
        return Score(value=float("nan") if context.instance.id == "i4" else 1.0)
"""


def test_a_scorer_that_raises_or_gives_nan_is_a_failure_and_is_scored_again(bench: Bench) -> None:
    first = bench.run(bench.write(scorer="Mine", extra=RAISING))
    assert first.failed == {"scorer": 2}
    estimate = summarize(bench.store, first.run).rows[0].estimate
    assert estimate is not None and (estimate.n, estimate.mean) == (18, 1.0)
    mended = RAISING.replace('== "i3"', '== "none"').replace(
        'float("nan") if context.instance.id == "i4" else 1.0', "1.0"
    )
    second = bench.run(bench.write(scorer="Mine", extra=mended))
    assert (second.executed, second.failed) == (0, {}), "the model is not asked again"
    assert second.rescored == 20


def test_fewshot_examples_leave_the_scored_set(bench: Bench) -> None:
    result = bench.run(bench.write() + ":2shot")
    trials = bench.trials(result)
    assert len(trials) == 18
    shown = str(trials[0].trajectory.request)  # type: ignore[union-attr]
    scored = {t.instance.question for t in trials}
    outside = {row["q"] for row in bench.data} - scored
    assert len(outside) == 2 and all(f"'{q}'" in shown or q in shown for q in outside)
    (invocation,) = bench.store.open(result.run.id).invocations()
    assert "2 of 20 questions serve as few-shot examples" in invocation.plan["warnings"][0], (
        "kept for who reads the run"
    )


def test_a_large_journal_is_merged_by_a_process_of_its_own(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finishing, "APART_FROM", 0)
    result = bench.run(bench.write())
    folder = bench.store.open(result.run.id)
    assert folder.parquet.is_file() and not list(folder.journal.glob("*.jsonl"))
    assert len(bench.trials(result)) == 20


def test_a_dry_run_counts_and_writes_nothing(bench: Bench) -> None:
    task = bench.write()
    bench.run(task, limit=5)
    before = sorted(p.name for p in bench.store.path.rglob("*"))
    plan = bench.run(task, limit=12, dry_run=True).plan
    assert (plan.cells, plan.reused, plan.rows[0].requests) == (12, 5, 7)
    assert plan.rows[0].prompt_tokens > 0 and plan.rows[0].max_generated == 7 * 8
    assert sorted(p.name for p in bench.store.path.rglob("*")) == before


def test_all_problems_are_told_before_the_first_request(bench: Bench) -> None:
    task = bench.write()
    with pytest.raises(CapabilityError, match=r"chat.*completion"):
        bench.run(task, models=('scripted/echo::capabilities=["completion"]',))
    with pytest.raises(DefinitionError, match="same thing"):
        bench.run(task, models=("scripted/echo", "scripted/echo::latency=0.1"))
    with pytest.raises(DefinitionError, match="bench"):
        bench.run(task + "x")
    assert not bench.store.path.exists()


def test_a_budget_stops_the_run_and_keeps_what_is_done(bench: Bench) -> None:
    bench.rows(60)
    task = bench.write()
    result = bench.run(task, models=("scripted/echo::latency=0.05",), concurrency=2, max_seconds=0.4)
    assert result.stopped and "0.4 s" in result.stopped
    assert result.missing == 60 - result.executed > 0
    rest = bench.run(task)
    assert rest.executed == 60 - result.executed and rest.missing == 0


def test_unicode_and_a_megabyte_of_prompt_come_back_as_they_were(bench: Bench) -> None:
    odd = "naïve 😀 \u2028 \x00 \ud7ff"
    bench.data = [{"id": "odd", "q": odd, "a": odd}, {"id": "long", "q": "ä" * 1_000_000, "a": "x"}]
    trials = {t.instance.id: t for t in bench.trials(bench.run(bench.write()))}
    assert trials["odd"].output is not None and trials["odd"].output.text == odd
    assert len(trials["long"].output.text) == 1_000_000  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("rows", "says"),
    [([], "empty"), ([{"id": "a", "q": "x"}], "'a'|answer|field")],
    ids=["empty data set", "row without the field"],
)
def test_data_that_cannot_be_used_is_one_clear_line(bench: Bench, rows: list[dict[str, str]], says: str) -> None:
    bench.data = rows
    with pytest.raises(WeighError, match=says):
        bench.run(bench.write())


def test_the_manifest_says_where_a_run_came_from(bench: Bench) -> None:
    result = bench.run(
        bench.write(), command=("weigh", "run", "--api-key", "sk-abcdefghijkl"), tags=("nightly",), group="g"
    )
    folder = bench.store.open(result.run.id)
    invocation = folder.invocations()[0]
    assert {"weigh", "python", "packages", "host", "models"} <= set(invocation.provenance)
    assert "sk-abc" not in invocation.command and "***" in invocation.command
    assert (folder.run.group, folder.run.tags) == ("g", ("nightly",))
    assert invocation.ended is not None and invocation.summary["executed"] == 20
    assert json.loads((folder.path / "run.json").read_bytes())["tasks"][0]["num_instances"] == 20
