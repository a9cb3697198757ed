"""The journal: nothing that was counted is lost, whatever happens to the writer or the disk."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from storekit import failed, make_run, make_trial, write

from weigh.records.errors import StoreError
from weigh.records.request import Continuation, LoglikelihoodRequest, Output
from weigh.records.score import Score
from weigh.records.trajectory import Trajectory
from weigh.records.trial import Trial
from weigh.store.artifacts import read_artifact, read_given
from weigh.store.journal import JournalWriter, repair
from weigh.store.layout import RunFolder, Store
from weigh.store.segments import Line, lines, segments
from weigh.store.verify import verify

HERE = Path(__file__).parent


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return Store(tmp_path / "store").create(make_run())


def journal_lines(path: Path) -> list[Line]:
    with path.open("rb") as file:
        return list(lines(file))


def stored_ids(folder: RunFolder) -> list[str]:
    return [
        msgspec.json.decode(line.data)["id"]
        for segment in segments(folder.journal)
        for line in journal_lines(segment.path)
        if not line.torn and line.data.startswith(b'{"t":"trial"')
    ]


def test_trials_are_written_in_order_and_counted_once_durable(folder: RunFolder) -> None:
    trials = [make_trial(n) for n in range(500)]
    counted = write(folder, "w1", trials)
    assert counted == trials
    assert stored_ids(folder) == [t.id for t in trials]
    [segment] = segments(folder.journal)
    assert segment.closed and segment.dead


async def test_nothing_is_counted_before_it_is_on_disk(folder: RunFolder) -> None:
    seen: list[int] = []

    def count(trials: object) -> None:
        seen.append(len(stored_ids(folder)))

    async with JournalWriter(folder, "w1", count) as journal:
        await journal.append(make_trial(0))
        assert seen == []
        await journal.flush()
        assert seen == [1]
        await journal.append(make_trial(1))
    assert seen == [1, 2]


async def test_an_exception_in_the_block_loses_nothing(folder: RunFolder) -> None:
    with pytest.raises(ZeroDivisionError):
        async with JournalWriter(folder, "w1") as journal:
            await journal.append(make_trial(0))
            raise ZeroDivisionError
    assert len(stored_ids(folder)) == 1


async def test_cancelling_loses_nothing(folder: RunFolder) -> None:
    appended = asyncio.Event()

    async def work() -> None:
        async with JournalWriter(folder, "w1") as journal:
            for number in range(100):
                await journal.append(make_trial(number))
            appended.set()
            await asyncio.sleep(600)

    task = asyncio.create_task(work())
    await asyncio.wait_for(appended.wait(), 60)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()  # impatient: a second time, while the journal closes
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(stored_ids(folder)) == 100


async def test_appending_waits_when_much_is_not_yet_durable(folder: RunFolder) -> None:
    text = "x" * 1_000_000
    most = 0
    async with JournalWriter(folder, "w1") as journal:
        for number in range(20):
            await journal.append(make_trial(number, metadata={"text": text}))
            most = max(most, len(journal._buffer) + journal._writing)
    assert most < 8_000_000
    assert len(stored_ids(folder)) == 20


def test_a_second_writer_of_the_same_name_is_refused(folder: RunFolder) -> None:
    write(folder, "w1", [make_trial(0)])
    with pytest.raises(StoreError, match="id of its own"):
        write(folder, "w1", [make_trial(1)])


def test_a_writer_that_wrote_nothing_leaves_nothing(folder: RunFolder) -> None:
    write(folder, "w1", [])
    assert segments(folder.journal) == []


@pytest.mark.parametrize("round_number", range(10))
def test_kill_nine_loses_nothing_that_was_counted(tmp_path: Path, round_number: int) -> None:
    folder = Store(tmp_path / "store").create(make_run())
    process = subprocess.Popen(
        [sys.executable, str(HERE / "storekit.py"), str(tmp_path / "store"), "w1"], stdout=subprocess.PIPE
    )
    assert process.stdout
    first = process.stdout.readline()  # it has begun
    time.sleep(random.Random(round_number).uniform(0, 0.15))
    process.kill()
    counted = (first + process.stdout.read()).decode().split("\n")[:-1]
    process.wait()
    process.stdout.close()
    before = stored_ids(folder)
    assert set(counted) <= set(before)
    repair(folder)
    assert stored_ids(folder) == before
    assert repair(folder) == []


def test_two_writers_share_a_run(folder: RunFolder) -> None:
    write(folder, "w1", [make_trial(n) for n in range(10)])
    write(folder, "w2", [make_trial(n, arm="large") for n in range(10)])
    assert len(stored_ids(folder)) == 20


def test_a_torn_last_line_is_dropped_and_said(folder: RunFolder) -> None:
    write(folder, "w1", [make_trial(0)])
    path = folder.journal / "w1.jsonl"
    whole = path.read_bytes().rpartition(b'{"t":"close"')[0].replace(b'"pid":', b'"pid":9')  # a process that is gone
    path.write_bytes(whole + b'{"t":"trial","id":"half')
    assert repair(folder) == [f"dropped a torn last line of 23 bytes in {path}"]
    assert path.read_bytes() == whole


def test_a_line_that_is_still_being_written_is_left_alone(folder: RunFolder) -> None:
    write(folder, "w1", [make_trial(0)])
    path = folder.journal / "w1.jsonl"
    content = path.read_bytes().rpartition(b'{"t":"close"')[0] + b'{"t":"trial","id":"ha'
    path.write_bytes(content)  # its owner is this very process
    assert repair(folder) == []
    assert path.read_bytes() == content


FULL_DISK = """
import asyncio, resource, sys
sys.path.insert(0, sys.argv[2])
from storekit import make_trial
from weigh.records.errors import StoreError
from weigh.store.journal import JournalWriter
from weigh.store.layout import Store
counted = []
async def main():
    async with JournalWriter(Store(sys.argv[1]).open("demo-00000001"), "w1", counted.extend) as journal:
        for n in range(100_000):
            await journal.append(make_trial(n))
            if n % 20 == 0:
                await asyncio.sleep(0.005)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    asyncio.run(main())
except StoreError as error:
    print(len(counted))
    print(error)
"""


def test_a_full_disk_stops_the_run_and_keeps_what_was_counted(folder: RunFolder, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "store"), str(HERE)],
        capture_output=True,
        text=True,
        check=True,
    )
    counted, message = done.stdout.split("\n", 1)
    assert int(counted) > 0
    ids = stored_ids(folder)
    assert len(ids) == int(counted)
    assert str(folder.journal) in message and "safe" in message and "repeat the command" in message
    assert (folder.journal / "w1.jsonl").read_bytes().endswith(b"\n")


async def test_a_removed_journal_is_noticed(folder: RunFolder) -> None:
    counted: list[object] = []
    with pytest.raises(StoreError, match="removed while it was written"):
        async with JournalWriter(folder, "w1", counted.extend) as journal:
            await journal.append(make_trial(0))
            await journal.flush()
            journal.path.unlink()
            await journal.append(make_trial(1))
            await journal.flush()
    assert len(counted) == 1


async def test_a_counter_that_raises_is_not_hidden(folder: RunFolder) -> None:
    def count(trials: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with JournalWriter(folder, "w1", count) as journal:
            await journal.append(make_trial(0))
    assert len(stored_ids(folder)) == 1


@pytest.mark.parametrize(
    "trial",
    [
        make_trial(0, metadata={"what": object()}),
        make_trial(0, metadata={"text": "\ud83d"}),
        make_trial(
            0,
            trajectory=Trajectory(
                request=LoglikelihoodRequest(context="a", continuations=("b",)),
                output=Output(continuations=(Continuation(logprob=float("-inf"), num_tokens=1),)),
            ),
        ),
    ],
    ids=["foreign type", "half a character", "infinite log-probability"],
)
def test_what_json_cannot_hold_becomes_a_failure_that_says_so(folder: RunFolder, trial: object) -> None:
    [stored] = write(folder, "w1", [trial])  # type: ignore[list-item]
    assert stored.status == "error" and stored.error is not None
    assert stored.error.kind == "internal" and "cannot be stored" in stored.error.message
    assert stored_ids(folder) == [stored.id]


def test_unicode_and_large_texts_survive(folder: RunFolder) -> None:
    text = "Größe 重さ ⚖️ \x00 \u2028 null " + "y" * 1_000_000
    write(folder, "w1", [make_trial(0, metadata={"text": text})])
    [line] = [x for x in journal_lines(folder.journal / "w1.jsonl") if x.data.startswith(b'{"t":"trial"')]
    assert msgspec.json.decode(line.data)["metadata"]["text"] == text


def test_native_traces_lie_beside_the_trial(folder: RunFolder, tmp_path: Path) -> None:
    text = '{"type":"session"}\r\nGröße \udc80'
    trial = make_trial(0)
    assert trial.trajectory
    trial = msgspec.structs.replace(
        trial, trajectory=msgspec.structs.replace(trial.trajectory, artifacts={"session.jsonl": text})
    )
    [stored] = write(folder, "w1", [trial])
    path = folder.artifacts / trial.id / "session.jsonl"
    assert path.read_bytes() == text.encode("utf-8", "surrogateescape")
    assert text.encode("utf-8", "surrogateescape") == read_artifact(folder, stored, "session.jsonl")

    other = Store(tmp_path / "store").create(make_run("other-00000002"))
    [reused] = write(other, "w1", [msgspec.structs.replace(stored, id="copy", run="other-00000002", reused=stored.id)])
    Store(tmp_path / "store").remove(folder.run.id)
    assert read_artifact(other, reused, "session.jsonl") == text.encode("utf-8", "surrogateescape")
    with pytest.raises(StoreError, match=r"it has: session\.jsonl"):
        read_artifact(other, reused, "nothing")


def test_what_trials_were_given_is_kept_once_a_run(folder: RunFolder, tmp_path: Path) -> None:
    def given(number: int, **texts: str) -> Trial:
        trial: Trial = make_trial(number)
        assert trial.trajectory
        artifacts = {f"given/{name}": text for name, text in texts.items()}
        return msgspec.structs.replace(trial, trajectory=msgspec.structs.replace(trial.trajectory, artifacts=artifacts))

    odd = "artifact:../given/../../run.json"
    trials = [given(0, system="You help.", odd=odd), given(1, system="You help."), given(2, system="You do not.")]
    stored = [*write(folder, "w1", trials), *write(folder, "w2", [given(3, system="You help.")])]
    assert sorted(path.read_text() for path in folder.given.iterdir()) == [
        "You do not.", "You help.", odd,
    ]  # fmt: skip
    read = [read_given(folder, trial.trajectory.artifacts) for trial in stored if trial.trajectory]
    one, two = {"system": "You help."}, {"system": "You do not."}
    assert read == [{**one, "odd": odd}, one, two, one]

    store = Store(tmp_path / "store")
    other = store.create(make_run("other-00000002"))
    copies = [
        msgspec.structs.replace(one, id=f"copy{n}", run="other-00000002", reused=one.id) for n, one in enumerate(stored)
    ]
    reused = write(other, "w1", copies)
    store.remove(folder.run.id)
    assert [read_given(other, trial.trajectory.artifacts) for trial in reused if trial.trajectory] == read
    assert verify(store, other.run.id) == []
    for path in other.given.iterdir():
        path.unlink()
    assert reused[0].trajectory and read_given(other, reused[0].trajectory.artifacts) == {}
    assert any("artifact of trial copy0 is missing" in finding.message for finding in verify(store, other.run.id))


async def test_later_scores_are_lines_of_their_own(folder: RunFolder) -> None:
    async with JournalWriter(folder, "w1") as journal:
        await journal.append(failed(1))
        await journal.append_scores(failed(1).id, failed(1).key, {"f1": Score(value=0.5)}, status="ok")
    kinds = [msgspec.json.decode(x.data)["t"] for x in journal_lines(folder.journal / "w1.jsonl")]
    assert kinds == ["open", "trial", "scores", "close"]
