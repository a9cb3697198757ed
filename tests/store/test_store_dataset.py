"""One view over many runs, finished or live."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from storekit import failed, make_run, make_trial, write

from weigh.records.arm import Arm
from weigh.records.errors import StoreError
from weigh.records.run import Invocation
from weigh.records.score import Score
from weigh.store.dataset import open_dataset
from weigh.store.layout import Store
from weigh.store.parquet import finish


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A finished run, a live one, and one without a trial; in the second, `step` is a text."""
    store = Store(tmp_path / "store")
    folder = store.create(make_run())
    write(
        folder, "w1", [make_trial(n, arm=a, epoch=e) for a in ("small", "large") for n in range(10) for e in range(2)]
    )
    finish(folder)
    arms = (Arm(id="small", digest="x", axes={"step": "final", "variant": "v2", "tier": "bare"}),)
    other = store.create(make_run("other-00000002", arms=arms, group="g"))
    trials = [make_trial(n, id=f"o{n}", run="other-00000002") for n in range(5)]
    trials.append(make_trial(5, id="o5", run="other-00000002", scores={"exact_match": Score(explanation="declined")}))
    write(
        other, "w1", [*trials, failed(6, id="o6", run="other-00000002"), make_trial(6, id="o7", run="other-00000002")]
    )
    store.create(make_run("empty-00000003"))
    return store


RUNS = ["demo-00000001", "other-00000002", "empty-00000003"]


def test_runs_are_one_table_with_axes_as_columns(store: Store) -> None:
    with open_dataset(store, RUNS) as data:
        rows = data.sql(
            "select run, arm, step, tier, axis_variant, variant, count(*) n from trials group by all order by 1, 2"
        )
        assert [tuple(row.values()) for row in rows] == [
            ("demo-00000001", "large", "200", None, None, "", 20),
            ("demo-00000001", "small", "100", None, None, "", 20),
            ("other-00000002", "small", "final", "bare", "v2", "", 7),
        ]
        assert data.sql("select count(*) n from all_trials where run like 'other%'") == [{"n": 8}]
        assert data.report.retried == 1
        [row] = data.sql("select * from trials where id = ?", ["o3"])
        assert row["answer"] == "It is 6." and row["scores"] == {"exact_match": 0.0} and row["turns"] == 1
        assert (row["new"], row["generated"], row["cost"], row["cluster"]) == (20, 5, None, "c0")
        assert data.sql('select "group" from runs where run = ?', ["other-00000002"]) == [{"group": "g"}]


def test_values_are_arrays_of_a_score(store: Store) -> None:
    with open_dataset(store, RUNS) as data:
        values = data.values("sums", "exact_match", arm="large", run=RUNS[0])
        assert len(values.value) == 20 and values.value.mean() == 0.5 and set(values.epoch) == {0, 1}
        assert list(values.instance_digest) == sorted(values.instance_digest)
        live = data.values("sums", "exact_match", run=RUNS[1])
        order = np.argsort(live.instance_id)
        assert list(live.instance_id[order]) == [f"q{n}" for n in range(7)]
        assert live.value[order][:5].tolist() == [1, 0, 1, 0, 1] and np.isnan(live.value[order][5])
        assert np.isnan(data.values("sums", "unknown").value).all()
        assert len(data.values("nothing", "exact_match").value) == 0
        seconds = data.values("sums", measure="seconds", run=RUNS[1])
        assert seconds.value.tolist() == [0.5] * 7
        with pytest.raises(StoreError, match="did you mean 'seconds'"):
            data.values("sums", measure="second")


def test_a_wrong_query_says_why(store: Store) -> None:
    with open_dataset(store, RUNS) as data, pytest.raises(StoreError, match="scroes"):
        data.sql("select scroes from trials")


def test_no_run_at_all_is_an_empty_table(store: Store) -> None:
    with open_dataset(store, ["empty-00000003"]) as data:
        assert data.sql("select * from trials") == []
        assert data.values("sums", "exact_match").value.tolist() == []
    with pytest.raises(StoreError, match="there is no run"):
        open_dataset(store, ["nothing"])


def test_invocations_are_read_once_and_again_by_the_next_to_open(store: Store) -> None:
    folder = store.open("demo-00000001")
    folder.begin(Invocation(id="first", started=1.0))
    with open_dataset(store, RUNS) as data:
        assert [one.id for one in data.invocations("demo-00000001")] == ["first"]
        folder.begin(Invocation(id="second", started=2.0))
        assert [one.id for one in data.invocations("demo-00000001")] == ["first"]
        with pytest.raises(StoreError, match="is none of those"):
            data.invocations("nothing")
    with open_dataset(store, RUNS) as data:
        assert [one.id for one in data.invocations("demo-00000001")] == ["first", "second"]
