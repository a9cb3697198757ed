from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from weigh.execute.sandboxes.process import run_process
from weigh.records.errors import Failure


def stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["", "0"]


def state(pid: int) -> str:
    """`Z` for one that is dead and waits to be reaped by whoever adopted it; empty for none."""
    return stat(pid)[0]


def parent(pid: int) -> int:
    return int(stat(pid)[1])


ENV = {"PATH": "/usr/bin:/bin"}


async def sh(script, **options):
    return await run_process(["/bin/sh", "-c", script], env=ENV, **options)


async def test_output_exit_code_and_input():
    ended = await sh("cat; echo oops >&2; exit 3", stdin=b"hello")
    assert (ended.returncode, ended.stdout, ended.stderr, ended.limit) == (3, b"hello", b"oops\n", None)
    assert not ended.truncated


async def test_input_larger_than_a_pipe():
    data = os.urandom(1_000_000)
    ended = await sh("cat", stdin=data, output_limit=4_000_000)
    assert ended.stdout == data


async def test_a_silent_command_is_killed_at_the_deadline():
    ended = await sh("sleep 60", timeout=0.2)
    assert ended.limit == "deadline"
    assert ended.seconds < 30


async def test_the_deadline_covers_the_tree_and_ignored_signals():
    ended = await sh("trap '' TERM INT HUP; (trap '' TERM; sleep 61) & sleep 61", timeout=0.2)
    assert ended.limit == "deadline"
    assert ended.seconds < 30


async def test_both_pipes_are_drained_and_the_ends_kept():
    ended = await sh("head -c 5000000 /dev/zero >&2; printf begin; head -c 5000000 /dev/zero; printf end",
                     output_limit=1000, timeout=20)  # fmt: skip
    assert ended.returncode == 0
    assert ended.truncated
    assert ended.stdout.startswith(b"begin")
    assert ended.stdout.endswith(b"end")
    assert len(ended.stdout) < 1100
    assert b"bytes left out" in ended.stderr


async def test_what_a_command_leaves_running_is_killed_with_it():
    began = time.perf_counter()
    ended = await sh("sleep 62 & echo $!")
    assert time.perf_counter() - began < 30
    for _ in range(1500):  # it has been killed; on a busy machine it takes a moment to die
        if state(int(ended.stdout)) in ("", "Z"):
            return
        await asyncio.sleep(0.02)
    pytest.fail("the process that was left behind still runs")


async def test_the_watch_stops_a_command():
    ended = await sh("sleep 60", watch=lambda: "disk", timeout=20)
    assert ended.limit == "disk"


async def test_cancelling_kills_and_leaves_no_zombie():
    def zombies() -> set[str]:
        found = [p.name for p in Path("/proc").glob("[0-9]*")]
        return {p for p in found if state(int(p)) == "Z" and parent(int(p)) == os.getpid()}

    before = zombies()
    task = asyncio.create_task(sh("sleep 63"))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert zombies() <= before


async def test_a_program_that_is_not_there_is_a_failure():
    with pytest.raises(Failure, match="cannot start"):
        await run_process(["/nowhere/x"], env=ENV)
