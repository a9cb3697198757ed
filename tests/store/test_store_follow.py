"""Following a run: only what is new is read, cells count once, and any trial can be read while the run goes on."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import msgspec
from storekit import failed, make_run, make_trial, write

from weigh.records.score import Score
from weigh.records.trial import Trial
from weigh.store.follow import Follower
from weigh.store.journal import JournalWriter
from weigh.store.layout import RunFolder, Store
from weigh.store.parquet import finish
from weigh.store.reader import read_trial


def folder_in(path: Path) -> RunFolder:
    return Store(path).create(make_run())


def counts(follower: Follower) -> Counter[str]:
    return Counter(seen.status for seen in follower.cells.values())


def decoded(record: bytes | None) -> Trial | None:
    return None if record is None else msgspec.json.decode(record, type=Trial)


def test_it_reads_only_what_is_new(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    follower = Follower(folder)
    assert follower.look() and not follower.look() and not follower.is_running

    async def grow() -> None:
        async with JournalWriter(folder, "w1") as journal:
            for number in range(100):
                await journal.append(make_trial(number))
                if number % 10 == 9:
                    await journal.flush()
                    assert follower.look() and len(follower.cells) == number + 1
                    assert follower.is_running and not follower.look()
                    assert decoded(follower.record(f"small{number:06d}e0")) == make_trial(number)

    asyncio.run(grow())
    assert follower.look() and counts(follower) == {"ok": 100} and not follower.is_running


def test_a_trial_that_was_run_again_counts_once_as_what_it_ended_as(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    write(folder, "w1", [failed(1, id="first"), failed(2, id="other"), make_trial(3)])
    follower = Follower(folder)
    follower.look()
    assert counts(follower) == {"error": 2, "ok": 1}
    assert {s.error_kind for s in follower.cells.values()} == {"provider", None}
    write(folder, "w2", [make_trial(1, id="second"), failed(3, id="late")])
    assert follower.look() and counts(follower) == {"error": 1, "ok": 2}


def test_later_scores_are_in_the_record(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    trial = make_trial(1)
    write(folder, "w1", [trial])
    follower = Follower(folder)
    follower.look()

    async def rescore() -> None:
        async with JournalWriter(folder, "w2") as journal:
            await journal.append_scores(trial.id, trial.key, {"exact_match": Score(value=0.25, digest="s2")})

    asyncio.run(rescore())
    assert follower.look()
    made = decoded(follower.record(trial.id))
    assert made is not None and made.scores["exact_match"].value == 0.25
    assert made == read_trial(Store(tmp_path), trial.id)


def test_finishing_the_run_in_between_changes_no_number(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    trials = [make_trial(n) for n in range(20)] + [failed(30)]
    write(folder, "w1", trials)
    follower = Follower(folder)
    follower.look()
    before = dict(follower.cells)
    finish(folder)
    assert decoded(follower.record(trials[3].id)) == trials[3], "merged since the last look"
    assert follower.look() and {c: s[:3] for c, s in follower.cells.items()} == {c: s[:3] for c, s in before.items()}
    write(folder, "w2", [make_trial(30, id="again"), make_trial(31)])
    assert follower.look() and counts(follower) == {"ok": 22}
    assert decoded(follower.record("again")) == make_trial(30, id="again")
    assert follower.record("nobody") is None and follower.record("../../etc/passwd") is None


def test_a_torn_line_waits_for_its_end(tmp_path: Path) -> None:
    folder = folder_in(tmp_path)
    write(folder, "w1", [make_trial(1), make_trial(2)])
    path = next(folder.journal.glob("*.jsonl"))
    whole = path.read_bytes()
    cut = whole.index(b"small000002e0")
    path.write_bytes(whole[:cut])
    follower = Follower(folder)
    follower.look()
    assert len(follower.cells) == 1
    path.write_bytes(whole)
    assert follower.look() and len(follower.cells) == 2
