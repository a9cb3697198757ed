"""Leases: one holder at a time, whoever dies, and however many try at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from weigh.store.leases import FolderCabinet, Lease, Leases
from weigh.store.owner import Owner, is_dead, this_process


def age(folder: Path, seconds: float) -> None:
    """Make lease files look older."""
    for path in folder.glob("*.json"):
        then = time.time() - seconds
        os.utime(path, (then, then))


def test_a_claimed_shard_is_held_until_released(tmp_path: Path) -> None:
    a, b = Leases(tmp_path, "a"), Leases(tmp_path, "b")
    assert a.claim("arm.sums..0") and a.claim("arm.sums..0")
    assert not b.claim("arm.sums..0")
    assert b.claim("arm.sums..1")
    holder = b.holder("arm.sums..0")
    assert holder is not None and holder.writer == "a"
    a.release("arm.sums..0")
    assert b.holder("arm.sums..0") is None
    assert b.claim("arm.sums..0") and not a.claim("arm.sums..0")
    b.release_all()
    assert b.held == frozenset() and a.claim("arm.sums..1")


def test_names_that_look_alike_are_different_shards(tmp_path: Path) -> None:
    a, b = Leases(tmp_path, "a"), Leases(tmp_path, "b")
    assert a.claim("task:mc/1") and b.claim("task_mc_1")


def test_an_expired_lease_is_taken_over_and_its_holder_told(tmp_path: Path) -> None:
    a, b = Leases(tmp_path, "a", ttl=60), Leases(tmp_path, "b", ttl=60)
    assert a.claim("s") and a.claim("kept")
    age(tmp_path, 30)
    assert not b.claim("s")
    assert a.renew() == []
    age(tmp_path, 61)
    assert b.claim("s")
    assert a.renew() == ["s"] and a.held == {"kept"}
    a.release("s")  # no longer its own: nothing happens
    assert not a.claim("s")
    assert not b.claim("kept")


def test_a_dead_process_is_replaced_at_once(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from weigh.store.leases import Leases;"
    code += "assert Leases(Path(sys.argv[1]), 'gone').claim('s')"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert Leases(tmp_path, "a").claim("s")


def test_a_process_that_took_over_the_number_is_not_its_owner() -> None:
    me = this_process()
    assert is_dead(me) is False
    assert is_dead(Owner(host=me.host, pid=me.pid, start="1")) is (me.start is not None)
    assert is_dead(Owner(host="elsewhere", pid=me.pid, start=me.start)) is None


def test_a_holder_on_another_host_is_believed_until_it_expires(tmp_path: Path) -> None:
    a = Leases(tmp_path, "a", ttl=60)
    assert a.claim("s")
    [path] = tmp_path.glob("*.json")
    there = Lease(shard="s", writer="far", owner=Owner(host="elsewhere", pid=1))
    path.write_bytes(msgspec.json.encode(there))
    b = Leases(tmp_path, "b", ttl=60)
    assert not b.claim("s")
    age(tmp_path, 61)
    assert b.claim("s")


def test_half_a_lease_file_counts_as_held_until_it_expires(tmp_path: Path) -> None:
    assert Leases(tmp_path, "a").claim("s")
    [path] = tmp_path.glob("*.json")
    path.write_bytes(b"")
    assert not Leases(tmp_path, "b", ttl=60).claim("s")
    age(tmp_path, 61)
    assert Leases(tmp_path, "b", ttl=60).claim("s")


RACE = """
import sys, time
from pathlib import Path
from weigh.store.leases import Leases
leases = Leases(Path(sys.argv[1]), sys.argv[2])
sys.stdin.readline()
print(*(s for s in range(40) if leases.claim(str(s))), flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("takeover", [False, True])
def test_of_many_processes_exactly_one_gets_each_shard(tmp_path: Path, takeover: bool) -> None:
    if takeover:  # every lease belongs to somebody who has expired: all see the same state and try at once
        old = Leases(tmp_path, "old")
        assert all(old.claim(str(s)) for s in range(40))
        age(tmp_path, 1000)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(tmp_path), f"w{i}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(5)
    ]
    won: list[str] = []
    try:
        for process in processes:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            assert process.stdout
            won += process.stdout.readline().split()
    finally:
        for process in processes:
            process.communicate("end\n")
    assert sorted(won, key=int) == [str(s) for s in range(40)]
    assert not [p.name for p in tmp_path.iterdir() if p.suffix != ".json"]


def test_a_cabinet_of_ones_own_may_take_the_folders_place(tmp_path: Path) -> None:
    cabinet = FolderCabinet(tmp_path)
    assert Leases(cabinet, "a").claim("s") and not Leases(cabinet, "b").claim("s")
