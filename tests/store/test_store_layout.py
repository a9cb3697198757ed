"""The folders of a store: made once, found by what people type, removed whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from storekit import make_run, make_trial, write

from weigh.records.arm import Arm
from weigh.records.errors import StoreError
from weigh.records.run import Invocation
from weigh.store.layout import Store


def test_creating_twice_opens_what_is_there(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert store.runs() == []
    first = store.create(make_run(created=1.0))
    again = store.create(make_run(created=2.0, group="later"))
    assert again.path == first.path and again.run.created == 1.0
    with pytest.raises(StoreError, match="other arms or tasks"):
        store.create(make_run(arms=(Arm(id="small", digest="something else"),)))


def test_runs_are_listed_newest_first_and_a_broken_one_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in range(3):
        store.create(make_run(f"r-{number}", created=float(number)))
    assert [r.id for r in store.runs()] == ["r-2", "r-1", "r-0"]
    (tmp_path / "runs" / "r-1" / "run.json").write_text("{")
    runs, problems = store.scan()
    assert [r.id for r in runs] == ["r-2", "r-0"]
    assert len(problems) == 1 and "r-1" in problems[0]


def test_a_run_is_found_by_id_prefix_name_or_latest(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(StoreError, match="no runs in"):
        store.find("latest")
    store.create(make_run("sciq-aaaa1111", name="sciq", created=1.0))
    store.create(make_run("sciq-bbbb2222", name="sciq", created=2.0))
    store.create(make_run("arc-cccc3333", name="arc", created=0.0))
    assert store.find("sciq-aaaa1111").id == "sciq-aaaa1111"
    assert store.find("sciq").id == "sciq-bbbb2222"
    assert store.find("latest").id == "sciq-bbbb2222"
    assert store.find("arc-c").id == "arc-cccc3333"
    with pytest.raises(StoreError, match="could be 2 runs: sciq-bbbb2222, sciq-aaaa1111"):
        store.find("sciq-")
    with pytest.raises(StoreError, match="did you mean 'sciq"):
        store.find("sciqq")


def test_invocations_are_kept_one_file_each(tmp_path: Path) -> None:
    folder = Store(tmp_path).create(make_run())
    folder.begin(Invocation(id="b", started=2.0))
    folder.begin(Invocation(id="a", started=3.0))
    folder.end(Invocation(id="b", started=2.0, ended=2.5, summary={"done": 3}))
    assert [(i.id, i.ended) for i in folder.invocations()] == [("b", 2.5), ("a", None)]
    with pytest.raises(StoreError, match="already has an invocation"):
        folder.begin(Invocation(id="a", started=4.0))


def test_removing_a_run_removes_all_of_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = store.create(make_run())
    write(folder, "w1", [make_trial(0)])
    store.remove(folder.run.id)
    assert list((tmp_path / "runs").iterdir()) == []
    with pytest.raises(StoreError, match="no run 'demo-00000001'"):
        store.remove(folder.run.id)


def test_a_run_that_is_being_written_is_not_removed_by_accident(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = store.create(make_run())
    write(folder, "w1", [make_trial(0)])
    path = folder.journal / "w1.jsonl"
    path.write_bytes(path.read_bytes().rpartition(b'{"t":"close"')[0])  # not closed, and this process lives
    with pytest.raises(StoreError, match="being written by process"):
        store.remove(folder.run.id)
    store.remove(folder.run.id, force=True)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", ".hidden", "a\\b"])
def test_a_name_cannot_leave_the_store(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="cannot name a file"):
        Store(tmp_path).create(make_run(name or "", name="x"))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot create a run in"):
        Store(tmp_path / "file").create(make_run())


def test_listing_runs_needs_no_database(tmp_path: Path) -> None:
    code = "import sys; from weigh.store.layout import Store; Store(sys.argv[1]).runs();"
    code += "assert not {'duckdb', 'numpy', 'weigh.store.journal'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
