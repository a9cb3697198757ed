"""What every sandbox does, run on each kind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.waiting import eventually
from weigh.execute.sandboxes.local import LocalSandbox
from weigh.execute.sandboxes.memory import MemorySandbox
from weigh.execute.sandboxes.open import make_sandbox
from weigh.execute.sandboxes.pool import SandboxPool
from weigh.execute.sandboxes.probe import available
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.protocols import ExecResult, Sandbox
from weigh.records.errors import DefinitionError, Error, Failure


@pytest.fixture(params=["local", pytest.param("bubblewrap", marks=pytest.mark.sandbox)])
def spec(request) -> SandboxSpec:
    if request.param == "bubblewrap":
        request.getfixturevalue("bubblewrap")
    return SandboxSpec(mode=request.param, wall_seconds=20)


async def test_a_command_with_everything(spec):
    async with make_sandbox(spec) as sandbox:
        assert isinstance(sandbox, Sandbox)
        await sandbox.write_file("a/in.txt", b"hello")
        command = ["sh", "-c", "cat in.txt - > out.txt; echo $WORD; echo err >&2; exit 4"]
        result = await sandbox.exec(command, stdin=b" world", cwd="a", env={"WORD": "Ünï"})
        assert (result.exit_code, result.stdout, result.stderr) == (4, "Ünï\n", "err\n")
        assert await sandbox.read_file("/workspace/a/out.txt") == b"hello world"


async def test_files_stay_between_commands_and_python_is_there(spec):
    async with make_sandbox(spec) as sandbox:
        await sandbox.exec(["sh", "-c", "echo 1 > x; echo 2 > $HOME/y; echo 3 > $TMPDIR/z"])
        result = await sandbox.exec(["sh", "-c", "cat x $HOME/y $TMPDIR/z; python3 -c 'print(40 + 2)'"])
        assert result.stdout.split() == ["1", "2", "3", "42"]


async def test_deadline_and_unknown_command(spec):
    async with make_sandbox(spec) as sandbox:
        result = await sandbox.exec(["sleep", "60"], timeout=0.3)
        assert (result.exit_code, result.timed_out, result.limit) == (None, True, "deadline")
        assert (await sandbox.exec(["no-such-command"])).exit_code == 127


@pytest.mark.parametrize(
    "command", [["sh", "-c", "while :; do :; done"], ["sh", "-c", "sh -c 'while :; do :; done'; exit $?"]]
)
async def test_the_limit_of_cpu_time_is_named(spec, command):
    async with make_sandbox(msgspec.structs.replace(spec, cpu_seconds=1)) as sandbox:
        result = await sandbox.exec(command)
        assert (result.limit, result.exit_code) == ("cpu", None)


async def test_limits_of_files_and_disk(spec):
    small = msgspec.structs.replace(spec, file_size_mb=1, disk_mb=3, files=200)
    async with make_sandbox(small) as sandbox:
        result = await sandbox.exec(["sh", "-c", "head -c 9000000 /dev/zero > big"])
        assert result.exit_code != 0
        script = "for i in $(seq 20); do head -c 1000000 /dev/zero > f$i; done; sleep 20"
        result = await sandbox.exec(["sh", "-c", script])
        assert result.limit == "disk"
        assert result.exit_code is None
    async with make_sandbox(small) as sandbox:
        assert (await sandbox.exec(["sh", "-c", "mkdir $(seq 500); sleep 20"])).limit == "files"


async def test_nothing_is_left(spec):
    sandbox = make_sandbox(spec)
    async with sandbox:
        folder = sandbox._folder
        mark = f"sleep 64{os.getpid()}"
        await sandbox.exec(["sh", "-c", f"setsid {mark} & mkdir a; touch a/b; chmod 0 a"])
        await sandbox.exec(["true"])
    assert not folder.exists()
    assert eventually(lambda: not running(mark))
    with pytest.raises(Failure, match="closed"):
        await sandbox.exec(["true"])


PARENT = """
import asyncio
from weigh.execute.sandboxes.open import make_sandbox
from weigh.execute.sandboxes.spec import SandboxSpec
async def main():
    async with make_sandbox(SandboxSpec(mode="{mode}")) as sandbox:
        print(sandbox._folder.parent, flush=True)
        await sandbox.exec(["sh", "-c", "setsid sleep {mark} & sleep {mark}"], timeout=60)
asyncio.run(main())
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_all_is_gone_when_the_parent_dies(spec, end):
    mark = f"6{os.getpid()}.{end}"
    script = PARENT.format(mode=spec.mode, mark=mark)
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert parent.stdout
    home = Path(parent.stdout.readline().decode().strip())
    assert home.is_dir()
    assert eventually(lambda: len(running(f"sleep {mark}")) >= 2)
    parent.send_signal(end)
    parent.wait()
    parent.stdout.close()
    assert eventually(lambda: not running(f"sleep {mark}"))
    assert eventually(lambda: not home.exists())


def running(command: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip() == command:
                found.append(int(folder.name))
        except OSError:
            continue
    return found


async def test_memory_sandbox_answers_from_a_script():
    async with MemorySandbox(answers={"ls -l": "a\n", "false": ExecResult(exit_code=1)}) as sandbox:
        assert isinstance(sandbox, Sandbox)
        assert (await sandbox.exec(["ls", "-l"])).stdout == "a\n"
        assert (await sandbox.exec(["false"])).exit_code == 1
        assert (await sandbox.exec(["other"])).exit_code == 127
        await sandbox.write_file("x", b"1")
        assert await sandbox.read_file("/workspace/x") == b"1"
        with pytest.raises(Failure):
            await sandbox.read_file("../x")
        assert sandbox.commands == [["ls", "-l"], ["false"], ["other"]]


def test_an_unknown_mode_names_the_closest():
    with pytest.raises(DefinitionError, match="bubblewrap"):
        make_sandbox(SandboxSpec(mode="bubblewarp"))


async def test_probe_says_what_works():
    probe = await available("local")
    assert probe.ok
    assert "no protection" in probe.reason
    assert probe.seconds and probe.seconds > 0


class TestPool:
    def pool(self, made, *, fail=0, **options):
        def make(spec):
            made.append(Fake(spec, fails=len(made) < fail))
            return made[-1]

        return SandboxPool(SandboxSpec(mode="memory", reuse=options.pop("reuse", False)), make=make, **options)

    async def test_nothing_starts_before_it_is_needed(self):
        made = []
        async with self.pool(made):
            await asyncio.sleep(0)
        assert made == []

    async def test_one_is_started_ahead_and_each_is_used_once(self):
        made = []
        async with self.pool(made, size=3, ahead=1) as pool:
            async with pool.lease() as first:
                await asyncio.sleep(0.01)
                assert len(made) == 2
            async with pool.lease() as second:
                assert second is not first
            assert first.closed == 1
        assert all(s.opened == s.closed == 1 for s in made)

    async def test_never_more_than_its_size(self):
        made, most = [], 0
        async with self.pool(made, size=2, ahead=5) as pool:

            async def use():
                nonlocal most
                async with pool.lease():
                    most = max(most, sum(s.opened > s.closed for s in made))
                    await asyncio.sleep(0.002)

            await asyncio.gather(*(use() for _ in range(20)))
            assert pool.state.running == 0
        assert most <= 2
        assert all(s.opened == s.closed for s in made)

    async def test_reuse_only_where_it_is_safe_and_healthy(self):
        made = []
        async with self.pool(made, size=2, ahead=0, reuse=True) as pool:
            async with pool.lease() as first:
                pass
            async with pool.lease() as second:
                assert second is first
                second.broken = True
            async with pool.lease() as third:
                assert third is not first
            assert pool.state.replaced == 1
        assert first.closed == 1

    async def test_a_start_that_fails_is_tried_again_and_then_told(self):
        made = []
        async with self.pool(made, fail=2, ahead=0) as pool, pool.lease() as sandbox:
            assert sandbox is made[2]
        made = []
        async with self.pool(made, fail=9, ahead=0) as pool:
            with pytest.raises(Failure, match="no luck"):
                await pool.acquire()
            assert pool.state.running == 0

    async def test_one_that_was_never_given_back_is_closed_with_the_pool(self):
        made = []
        async with self.pool(made, ahead=0) as pool:
            await pool.acquire()
        assert made[0].closed == 1


class Fake(MemorySandbox):
    def __init__(self, spec, fails):
        super().__init__(spec)
        self.fails, self.broken = fails, False

    async def __aenter__(self):
        await asyncio.sleep(0)
        if self.fails:
            raise Failure(Error(kind="sandbox", message="no luck", transient=True))
        return await super().__aenter__()

    async def exec(self, command, **options):
        if self.broken:
            raise Failure(Error(kind="sandbox", message="broken"))
        return await super().exec(command, **options)


def test_local_is_never_what_one_gets_unasked():
    assert SandboxSpec().mode == "bubblewrap"
    assert LocalSandbox().spec.mode == "local"


@pytest.mark.sandbox
async def test_many_short_commands_never_run_out_of_processes(bubblewrap):
    """Where the machine's first process reaps late, what is dead must not count against the limit."""
    async with make_sandbox(SandboxSpec(mode="bubblewrap", pids=16)) as sandbox:
        for _ in range(40):
            assert (await sandbox.exec(["true"])).exit_code == 0


@pytest.mark.sandbox
async def test_the_first_command_takes_anything_a_later_one_takes(bubblewrap):
    """The first one is handed to a process that waits for it, the others are started anew."""
    odd = 'a\'b "c" $HOME `id` \\ \n * \u00fc'
    long = "x" * 100_000
    for argument in (odd, long):
        async with make_sandbox(SandboxSpec(mode="bubblewrap")) as sandbox:
            for _ in range(2):
                command = ["sh", "-c", 'cat; printf "%s|%s" "$1" "$WORD"; ls /proc/self/fd | wc -l', "sh", argument]
                result = await sandbox.exec(command, stdin=b"in:", env={"WORD": odd})
                assert result.stdout.strip().startswith(f"in:{argument}|{odd}")
                assert result.stdout.strip().endswith("4"), "no descriptor of ours is left open in there"


@pytest.mark.sandbox
async def test_a_sandbox_that_runs_nothing_leaves_nothing(bubblewrap):
    sandbox = make_sandbox(SandboxSpec(mode="bubblewrap"))
    async with sandbox:
        parked = sandbox._parked
    if parked is not None:  # there is one where control groups can be written
        assert parked.process.returncode is not None
