"""The container sandbox against a stand-in for the engine, and against a real one where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from weigh.execute.sandboxes.container import ContainerSandbox
from weigh.execute.sandboxes.probe import available
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.records.errors import CapabilityError, Failure

ENGINE = """#!/bin/sh
# Stands in for docker: runs everything right here, and writes down what it was asked for.
echo "$@" >> {log}
case "$1" in
run)
  for part in "$@"; do case "$part" in *:/workspace) echo "${{part%:/workspace}}" > {log}.folder;; esac; done
  echo ready; exec cat > /dev/null;;
exec)
  shift
  while :; do case "$1" in
    -i) shift;;
    -w) cd "$(cat {log}.folder)/${{2#/workspace}}"; shift 2;;
    -e) shift 2;;
    *) break;;
  esac; done
  shift; exec "$@";;
image) echo "some/image:1";;
rm) ;;
esac
"""


@pytest.fixture
def engine(tmp_path):
    path = tmp_path / "engine"
    path.write_text(ENGINE.format(log=tmp_path / "log"))
    path.chmod(0o755)
    return path


async def test_commands_files_and_deadlines(engine, tmp_path):
    spec = SandboxSpec(mode="container", image="img", memory_mb=300, pids=10, env={"A": "1"}, disk_mb=50)
    async with ContainerSandbox(spec, engine=str(engine)) as sandbox:
        await sandbox.write_file("a/x.txt", b"hello")
        command = ["sh", "-c", "cat x.txt -; echo $WORD; echo err >&2; exit 3"]
        result = await sandbox.exec(command, stdin=b" world ", cwd="a", env={"WORD": "word"})
        assert (result.exit_code, result.stdout, result.stderr) == (3, "hello world word\n", "err\n")
        assert await sandbox.read_file("a/x.txt") == b"hello"
        result = await sandbox.exec(["sleep", "60"], timeout=0.2)
        assert (result.limit, result.exit_code) == ("deadline", None)
        assert (await sandbox.exec(["echo", "again"])).stdout == "again\n"
    log = (tmp_path / "log").read_text().splitlines()
    first = log[1]
    for part in ("--network none", "--memory 300m", "--pids-limit 10", "--read-only", "--cap-drop ALL", "-e A=1"):
        assert part in first
    assert "docker.sock" not in first
    words = [line.split()[0] for line in log]
    late = ["exec"] if words[3] == "exec" else []  # it may be killed before it has written this
    assert words == ["image", "run", "exec", *late, "rm", "run", "exec", "rm"]
    assert "word" not in log[2].replace("$WORD", "").replace("-e WORD", ""), "values stay off the command line"


async def test_a_container_that_does_not_start_is_a_failure(tmp_path):
    path = tmp_path / "engine"
    path.write_text('#!/bin/sh\n[ "$1" = image ] && exit 0\necho "no such image" >&2; exit 125\n')
    path.chmod(0o755)
    with pytest.raises(Failure, match="no such image"):
        async with ContainerSandbox(SandboxSpec(mode="container", image="img"), engine=str(path)):
            pass
    with pytest.raises(CapabilityError, match="has no image"):
        async with ContainerSandbox(SandboxSpec(mode="container"), engine=str(path)):
            pass


async def test_an_engine_that_does_not_answer_is_named(tmp_path):
    path = tmp_path / "engine"
    path.write_text("#!/bin/sh\necho 'no daemon' >&2; exit 125\n")
    path.chmod(0o755)
    with pytest.raises(CapabilityError, match="does not answer: no daemon"):
        async with ContainerSandbox(SandboxSpec(mode="container"), engine=str(path)):
            pass


@pytest.mark.sandbox
async def test_a_real_container():
    probe = await available("container")
    if not probe.ok:
        pytest.skip(f"needs Docker or Podman with an image: {probe.reason}")
    async with ContainerSandbox(SandboxSpec(mode="container")) as sandbox:
        await sandbox.write_file("x", b"1")
        result = await sandbox.exec(["sh", "-c", "cat x; id -u; touch /y || touch y; env"])
        assert result.stdout.startswith("11000")
        assert os.environ.get("HOME", "/root") not in result.stdout
        assert await sandbox.read_file("y") == b""
        assert (await sandbox.exec(["sleep", "60"], timeout=1)).timed_out
        assert not list(Path("/").glob("y"))
