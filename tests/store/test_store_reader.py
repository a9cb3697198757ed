"""Reading back: the same trials from journal, Parquet or both; later scores applied; doubles resolved and counted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from storekit import failed, make_run, make_trial, write

from weigh.records.errors import Error, StoreError
from weigh.records.score import Score
from weigh.records.trial import Trial
from weigh.store.done import done
from weigh.store.index import find_generations
from weigh.store.journal import JournalWriter
from weigh.store.layout import RunFolder, Store
from weigh.store.parquet import finish
from weigh.store.reader import ReadReport, read_trial, read_trials


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def folder(store: Store) -> RunFolder:
    return store.create(make_run())


@pytest.fixture(params=["journal", "parquet", "both"])
def state(request: pytest.FixtureRequest) -> str:
    """Where the trials lie when they are read; the answer must not depend on it."""
    return str(request.param)


def settle(folder: RunFolder, state: str) -> None:
    """Finish the run, or not."""
    if state == "parquet":
        assert finish(folder) is not None


def rescore(folder: RunFolder, writer: str, trial: Trial, scores: dict[str, Score], **fields: Any) -> None:
    async def main() -> None:
        async with JournalWriter(folder, writer) as journal:
            await journal.append_scores(trial.id, trial.key, scores, **fields)

    asyncio.run(main())


def by_id(trials: Sequence[Trial]) -> list[Trial]:
    return sorted(trials, key=lambda t: t.id)


def test_trials_come_back_as_they_were(folder: RunFolder, state: str) -> None:
    trials = [make_trial(n, arm=arm, epoch=e) for arm in ("small", "large") for n in range(20) for e in range(2)]
    trials.append(failed(99, arm="small"))
    trials.append(make_trial(98, metadata={"text": 'Größe 重 \x00 " \\ \u2028', "none": None, "n": [1, 2.5]}))
    write(folder, "w1", trials[:30])
    if state == "both":
        finish(folder)
    write(folder, "w2", trials[30:])
    settle(folder, state)
    report = ReadReport()
    assert by_id(list(read_trials(folder, report=report))) == by_id(trials)
    assert report == ReadReport()
    assert [t.id for t in read_trials(folder, where=lambda h: h.arm == "large" and h.instance.id == "q7")] == [
        "large000007e0",
        "large000007e1",
    ]


def test_an_empty_run_has_no_trials(folder: RunFolder, state: str) -> None:
    settle(folder, state)
    assert list(read_trials(folder)) == []
    assert len(done(folder)) == 0


def test_later_scores_overlay_earlier_ones(folder: RunFolder, state: str) -> None:
    write(folder, "w1", [make_trial(0), make_trial(1)])
    if state == "both":
        finish(folder)
    rescore(folder, "r1", make_trial(1), {"exact_match": Score(value=0.25, digest="s2"), "f1": Score(value=0.1)})
    rescore(folder, "r2", make_trial(1), {"exact_match": Score(value=1.0, digest="s3")})
    settle(folder, state)
    first, second = by_id(list(read_trials(folder)))
    assert first == make_trial(0)
    assert second.scores == {"exact_match": Score(value=1.0, digest="s3"), "f1": Score(value=0.1)}
    entry = done(folder).get(second.cell)
    assert entry is not None and entry.scorers == {"exact_match": "s3", "f1": ""}


def test_a_scorers_failure_can_be_mended_and_a_mended_trial_fail(folder: RunFolder, state: str) -> None:
    broken = Error(kind="scorer", message="it raised")
    write(folder, "w1", [make_trial(0, status="error", error=broken, scores={}), make_trial(1)])
    if state == "both":
        finish(folder)
    rescore(folder, "r1", make_trial(0), {"exact_match": Score(value=1.0)}, status="ok")
    rescore(folder, "r2", make_trial(1), {"exact_match": Score(error=broken)}, status="error", error=broken)
    settle(folder, state)
    first, second = by_id(list(read_trials(folder)))
    assert (first.status, first.error) == ("ok", None)
    assert (second.status, second.error) == ("error", broken)
    mended, spoiled = (done(folder).get(t.cell) for t in (first, second))
    assert mended is not None and (mended.status, mended.error_kind) == ("ok", None)
    assert spoiled is not None and (spoiled.status, spoiled.error_kind) == ("error", "scorer")


def test_an_outcome_counts_before_a_failure(folder: RunFolder, state: str) -> None:
    write(folder, "w1", [failed(0, id="a")])
    if state == "both":
        finish(folder)
    write(folder, "w2", [make_trial(0, id="b")])
    write(folder, "w3", [failed(0, id="c")])
    settle(folder, state)
    report = ReadReport()
    assert [t.id for t in read_trials(folder, report=report)] == ["b"]
    assert (report.retried, report.doubled, report.superseded) == (2, 0, 0)
    assert sorted(t.id for t in read_trials(folder, superseded=True)) == ["a", "b", "c"]
    entry = done(folder).get(make_trial(0).cell)
    assert entry is not None and entry.trial == "b"


def test_of_two_outcomes_the_earlier_counts_then_the_smaller_id(folder: RunFolder, state: str) -> None:
    early = msgspec.structs.replace(make_trial(0).timing, started=5.0)
    write(folder, "w1", [make_trial(0, id="x"), make_trial(1, id="z")])
    if state == "both":
        finish(folder)
    write(folder, "w2", [make_trial(0, id="y", timing=early), make_trial(1, id="m")])
    settle(folder, state)
    report = ReadReport()
    assert sorted(t.id for t in read_trials(folder, report=report)) == ["m", "y"]
    assert report.doubled == 2


def test_of_two_failures_the_later_counts(folder: RunFolder, state: str) -> None:
    late = msgspec.structs.replace(make_trial(0).timing, started=9e9)
    write(folder, "w1", [failed(0, id="b", timing=late)])
    if state == "both":
        finish(folder)
    write(folder, "w2", [failed(0, id="a")])
    settle(folder, state)
    assert [t.id for t in read_trials(folder)] == ["b"]


def test_the_newest_prompt_counts(folder: RunFolder, state: str) -> None:
    write(folder, "w1", [make_trial(0, id="a", key="k1")])
    if state == "both":
        finish(folder)
    write(folder, "w2", [failed(0, id="b", key="k2")])
    settle(folder, state)
    report = ReadReport()
    assert [t.id for t in read_trials(folder, report=report)] == ["b"]
    assert report.superseded == 1
    entry = done(folder).get(make_trial(0).cell)
    assert entry is not None and (entry.key, entry.status) == ("k2", "error")


def test_lines_that_cannot_be_read_are_told_and_the_others_read(folder: RunFolder) -> None:
    write(folder, "w1", [make_trial(n) for n in range(3)])
    path = folder.journal / "w1.jsonl"
    parts = path.read_bytes().split(b"\n")
    parts[2] = parts[2][:-20]
    parts.insert(3, b"\xff\xfe")
    parts.insert(4, b'{"t":"future"}')
    path.write_bytes(b"\n".join(parts) + b'{"t":"trial","id":"to')
    report = ReadReport()
    assert [t.id for t in read_trials(folder, report=report)] == ["small000000e0", "small000002e0"]
    assert len(report.corrupt) == 3 and all(str(path) in line for line in report.corrupt)
    assert "line 3" in report.corrupt[0] and "'future'" in report.corrupt[2]


def test_a_torn_last_line_is_told_once_its_writer_is_gone(folder: RunFolder) -> None:
    write(folder, "w1", [make_trial(0)])
    path = folder.journal / "w1.jsonl"
    open_still = path.read_bytes().rpartition(b'{"t":"close"')[0] + b'{"t":"trial","id":"to'
    path.write_bytes(open_still)
    report = ReadReport()
    assert len(list(read_trials(folder, report=report))) == 1 and report.torn == []
    path.write_bytes(open_still.replace(b'"pid":', b'"pid":9', 1))
    assert len(list(read_trials(folder, report=report))) == 1
    assert report.torn == [f"dropped a torn last line of 21 bytes in {path}"]


def test_done_takes_in_what_others_append(folder: RunFolder) -> None:
    async def main() -> None:
        known = done(folder, skip="mine")
        async with JournalWriter(folder, "mine") as mine, JournalWriter(folder, "other") as other:
            await mine.append(make_trial(0))
            await other.append(make_trial(1))
            await mine.flush()
            await other.flush()
            assert len(known) == 0
            known.refresh()
            assert make_trial(1).cell in known and make_trial(0).cell not in known
            await other.append(make_trial(2))
            await other.append_scores(make_trial(1).id, make_trial(1).key, {"f1": Score(value=1, digest="d")})
            await other.flush()
            known.refresh()
            assert len(known) == 2
            entry = known.get(make_trial(1).cell)
            assert entry is not None and entry.scorers == {"exact_match": "s1", "f1": "d"}
        finish(folder)
        known.refresh()
        assert len(known) == 3

    asyncio.run(main())


def test_a_trial_is_found_anywhere_by_the_start_of_its_id(store: Store, folder: RunFolder, state: str) -> None:
    other = store.create(make_run("other-00000002"))
    write(folder, "w1", [make_trial(0, id="abc1"), make_trial(1, id="abd2")])
    write(other, "w1", [make_trial(0, id="xyz1", run="other-00000002"), make_trial(1, id="abc", run="other-00000002")])
    settle(folder, state)
    assert read_trial(store, "abd").id == "abd2"
    assert read_trial(store, "x").run == "other-00000002"
    assert read_trial(store, "abc").id == "abc"
    with pytest.raises(StoreError, match="could be 3 trials: abc, abc1, abd2"):
        read_trial(store, "ab")
    for nothing in ("q", "", '"', "%"):
        with pytest.raises(StoreError, match="there is no trial"):
            read_trial(store, nothing)


def test_generations_of_the_same_arm_are_found_in_other_runs(store: Store, folder: RunFolder, state: str) -> None:
    write(folder, "w1", [make_trial(n, arm=a) for a in ("small", "large") for n in range(5000)])
    settle(folder, state)
    if state == "both":
        finish(folder)
    write(folder, "w2", [failed(6000), make_trial(6001, arm="large")])
    if state == "parquet":
        finish(folder)
    key = make_trial(3).key
    with find_generations(store, ["d" * 31 + "1"]) as found:
        assert len(found) == 5000
        wanted = [make_trial(n).key for n in (0, 3, 4999)]
        result = found.lookup([*wanted, make_trial(3, arm="large").key, failed(6000).key, "zz"])
        assert set(result) == set(wanted)
        assert result[key] == (folder.run.id, make_trial(3))
        assert key in found and failed(6000).key not in found
    assert len(find_generations(store, ["something else"])) == 0
    assert len(find_generations(store, ["d" * 31 + "1"], exclude=[folder.run.id])) == 0


def test_generations_survive_that_their_run_is_finished_anew(store: Store, folder: RunFolder) -> None:
    write(folder, "w1", [make_trial(n) for n in range(10)])
    finish(folder)
    with find_generations(store, ["d" * 31 + "1"]) as found:
        write(folder, "w2", [make_trial(n, arm="large") for n in range(50)])
        rescore(folder, "r1", make_trial(1), {"f1": Score(value=1.0)})
        finish(folder)
        for key, (_, trial) in found.lookup([make_trial(n).key for n in range(10)]).items():
            assert trial.key == key
