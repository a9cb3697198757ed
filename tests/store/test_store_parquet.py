"""Finishing a run: whatever is interrupted, wherever, the run reads the same before, during and after."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from storekit import failed, make_run, make_trial, write

from weigh.records.errors import StoreError
from weigh.records.score import Score
from weigh.store.dataset import open_dataset
from weigh.store.journal import JournalWriter
from weigh.store.layout import RunFolder, Store
from weigh.store.leases import Leases
from weigh.store.parquet import finish
from weigh.store.reader import ReadReport, read_trials
from weigh.store.segments import segments
from weigh.store.verify import verify

HERE = Path(__file__).parent


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def folder(store: Store) -> RunFolder:
    return store.create(make_run())


def ids(folder: RunFolder) -> list[str]:
    return sorted(t.id for t in read_trials(folder))


def test_segments_become_parquet_and_are_removed(store: Store, folder: RunFolder) -> None:
    write(folder, "w1", [make_trial(n) for n in range(100)])
    before = ids(folder)
    done = finish(folder)
    assert done is not None and (done.rows, done.merged, done.left) == (100, 1, 0)
    assert segments(folder.journal) == [] and ids(folder) == before
    again = finish(folder)
    assert again is not None and (again.rows, again.merged) == (100, 0)
    write(folder, "w2", [make_trial(n, arm="large") for n in range(10)])
    done = finish(folder)
    assert done is not None and (done.rows, done.merged) == (110, 1)
    assert len(ids(folder)) == 110
    assert verify(store, folder.run.id) == []
    assert sorted(p.name for p in folder.path.iterdir()) == [
        "invocations",
        "journal",
        "leases",
        "run.json",
        "trials.parquet",
    ]


def test_an_empty_run_is_finished_without_a_file(folder: RunFolder) -> None:
    done = finish(folder)
    assert done is not None and done.rows == 0 and not folder.parquet.exists()


async def test_a_living_writer_keeps_its_segment(folder: RunFolder) -> None:
    await asyncio.to_thread(write, folder, "w1", [make_trial(0)])
    async with JournalWriter(folder, "w2") as journal:
        await journal.append(make_trial(1))
        await journal.append_scores(make_trial(0).id, make_trial(0).key, {"f1": Score(value=1.0)})
        await journal.flush()
        done = finish(folder)
        assert done is not None and (done.rows, done.merged, done.left) == (1, 1, 1)
        await journal.append(make_trial(2))
    assert len(ids(folder)) == 3
    done = finish(folder)
    assert done is not None and (done.rows, done.merged, done.left) == (3, 1, 0)
    assert all(("f1" in t.scores) == (t.id == make_trial(0).id) for t in read_trials(folder))


async def test_scores_of_a_trial_still_being_journalled_are_not_lost(folder: RunFolder) -> None:
    async with JournalWriter(folder, "w1") as journal:
        await journal.append(make_trial(0))
        await journal.flush()
        async with JournalWriter(folder, "r1") as other:
            await other.append_scores(make_trial(0).id, make_trial(0).key, {"f1": Score(value=1.0)})
        done = finish(folder)
        assert done is not None and done.merged == 0 and done.left == 2
    finish(folder)
    [trial] = read_trials(folder)
    assert "f1" in trial.scores


CRASH = """
import os, sys
from weigh.store.layout import Store
from weigh.store.parquet import finish
def step(name):
    if name == sys.argv[2]:
        os.kill(os.getpid(), 9)
finish(Store(sys.argv[1]).open("demo-00000001"), step=step)
"""


@pytest.mark.parametrize("point", ["stage", "write", "check", "replace", "remove", "done"])
def test_kill_nine_at_any_step_loses_and_doubles_nothing(store: Store, folder: RunFolder, point: str) -> None:
    write(folder, "w0", [make_trial(n) for n in range(20)])
    finish(folder)
    write(folder, "w1", [make_trial(n) for n in range(20, 50)])
    write(folder, "w2", [failed(60), make_trial(3, id="again")])
    before = ids(folder)
    died = subprocess.run([sys.executable, "-c", CRASH, str(store.path), point], check=False)
    assert died.returncode == -9
    report = ReadReport()
    assert sorted(t.id for t in read_trials(folder, report=report)) == before
    assert (report.doubled, report.corrupt) == (1, [])
    assert not [f for f in verify(store, folder.run.id) if f.level == "error"]
    with open_dataset(store, [folder.run.id]) as data:
        assert data.sql("select count(*) as n from trials") == [{"n": len(before)}]
    done = finish(folder)
    assert done is not None and done.rows == 52
    assert ids(folder) == before
    assert segments(folder.journal) == [] and list(folder.path.glob(".finish-*")) == []


def test_a_second_finisher_leaves_it_to_the_first(folder: RunFolder) -> None:
    write(folder, "w1", [make_trial(n) for n in range(10)])
    first = Leases(folder.leases, "first")
    assert first.claim("finish")
    assert finish(folder) is None
    first.release_all()
    assert finish(folder) is not None


def test_many_finishers_at_once(folder: RunFolder) -> None:
    write(folder, "w1", [make_trial(n) for n in range(300)])
    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.append(finish(folder))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4 and any(results)
    assert len(ids(folder)) == 300 and segments(folder.journal) == []


def test_a_finisher_that_was_overtaken_gives_way(folder: RunFolder) -> None:
    write(folder, "w1", [make_trial(n) for n in range(10)])

    def overtake(name: str) -> None:
        if name == "check":  # another process believes the lease has expired, and finishes meanwhile
            for path in folder.leases.glob("*.json"):
                path.rename(path.with_suffix(".gone"))
            for path in folder.path.glob(".finish-*"):
                path.rename(folder.path / f"aside{path.name}")
            assert finish(folder) is not None
            for path in folder.path.glob("aside*"):
                path.rename(folder.path / path.name.removeprefix("aside"))

    assert finish(folder, step=overtake) is None
    assert len(ids(folder)) == 10


def test_corrupt_lines_are_set_aside_not_thrown_away(store: Store, folder: RunFolder) -> None:
    write(folder, "w1", [make_trial(n) for n in range(3)])
    path = folder.journal / "w1.jsonl"
    content = path.read_bytes().replace(b'"small000001e0"', b'"small000001e0')
    path.write_bytes(content)
    assert [f.level for f in verify(store, folder.run.id)] == ["error"]
    done = finish(folder)
    assert done is not None and done.rows == 2 and any("line 3" in note for note in done.notes)
    assert path.with_suffix(".corrupt").read_bytes() == content
    assert [(f.level, f.path) for f in verify(store, folder.run.id)] == [("error", str(path.with_suffix(".corrupt")))]


def test_large_records_are_finished_and_read_in_little_memory(store: Store, folder: RunFolder) -> None:
    noise = random.Random(0)
    texts = [noise.randbytes(size // 2).hex() for size in [400_000] * 60 + [20_000_000]]
    write(folder, "w1", [make_trial(n, metadata={"text": text}) for n, text in enumerate(texts)])
    done = finish(folder)
    assert done is not None and done.rows == 61
    assert [t.metadata["text"] for t in sorted(read_trials(folder), key=lambda t: t.id)] == texts
    assert verify(store, folder.run.id) == []


def test_verify_finds_a_damaged_parquet_file(store: Store, folder: RunFolder) -> None:
    write(folder, "w1", [make_trial(n) for n in range(100)])
    finish(folder)
    content = folder.parquet.read_bytes()
    folder.parquet.write_bytes(content[: len(content) // 2])
    assert [f.level for f in verify(store, folder.run.id)] == ["error"]
    with pytest.raises(StoreError, match="cannot read the finished trials"):
        ids(folder)
    folder.parquet.write_bytes(content)
    assert verify(store, folder.run.id) == []


def test_verify_finds_what_is_missing_or_foreign(store: Store, folder: RunFolder) -> None:
    assert verify(store, "nothing-here")[0].level == "error"
    write(folder, "w1", [make_trial(0), make_trial(1, arm="unknown"), make_trial(2, run="elsewhere")])
    messages = [f.message for f in verify(store, folder.run.id)]
    assert len(messages) == 2
    assert any("an arm that the manifest lacks" in m for m in messages) and any("belongs to run" in m for m in messages)
    (folder.path / "run.json").write_text("{}")
    assert [f.level for f in verify(store, folder.run.id)] == ["error"]
