"""What code in a sandbox may try. Each attempt is contained and called what it is, and the next command runs clean."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from weigh.execute.sandboxes.bubblewrap import BubblewrapSandbox
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.records.errors import Failure

pytestmark = pytest.mark.sandbox


@pytest.fixture
async def sandbox(bubblewrap):
    spec = SandboxSpec(memory_mb=200, pids=32, file_size_mb=8, disk_mb=24, wall_seconds=20)
    async with BubblewrapSandbox(spec) as sandbox:
        yield sandbox
        result = await sandbox.exec(["python3", "-c", "print(6 * 7)"], timeout=20)
        assert (result.stdout, result.exit_code) == ("42\n", 0), "the next command has to run clean"


async def run(sandbox, code, **options):
    return await sandbox.exec(["python3", "-c", code], **options)


async def test_the_users_home_environment_and_keys(sandbox, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "sk-12345")
    (tmp_path / "key").write_text("sk-12345")
    code = f"""
import os, glob, pathlib
print(os.environ)
for path in ("{tmp_path}/key", "/etc/shadow", "/root/.bashrc", "{Path.home()}/.ssh", "{Path.cwd()}/pyproject.toml"):
    print(path, os.path.exists(path))
for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
    try:
        print(pathlib.Path(path).read_bytes())
    except OSError as error:
        print(error)
print("pids", sorted(int(p) for p in os.listdir("/proc") if p.isdigit()))
"""
    result = await run(sandbox, code)
    assert "sk-12345" not in result.stdout
    assert "SECRET" not in result.stdout
    assert "weigh-sandboxes" not in result.stdout
    assert ") True" not in result.stdout
    assert not [line for line in result.stdout.splitlines() if line.endswith(" True")]
    assert str(os.getpid()) not in result.stdout.rpartition("pids")[2]


async def test_writing_outside(sandbox):
    places = "/x /usr/x /etc/x /root/x /var/x /dev/x /home/x /proc/sys/kernel/core_pattern /proc/sys/vm/swappiness"
    for place in places.split():
        result = await sandbox.exec(["sh", "-c", f"cat {place} > v 2>/dev/null; cat v > {place}"])
        assert "cannot create" in result.stderr, place


async def test_network_and_loopback_services(sandbox):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"""
import socket
for address in (("127.0.0.1", {port}), ("1.1.1.1", 53), ("localhost", {port})):
    try:
        socket.create_connection(address, 2); print("reached", address)
    except OSError as error:
        print("no", error)
try:
    socket.getaddrinfo("example.com", 80); print("reached")
except OSError as error:
    print("no", error)
"""
        result = await run(sandbox, code)
    assert result.stdout.count("no [Errno") == 4
    assert "reached" not in result.stdout


async def test_abstract_sockets_of_the_host(sandbox):
    with socket.socket(socket.AF_UNIX) as server:
        name = f"weigh-test-{os.getpid()}"
        server.bind(f"\0{name}")
        server.listen()
        code = f"import socket; socket.socket(socket.AF_UNIX).connect('\\0{name}')"
        assert "refused" in (await run(sandbox, code)).stderr


async def test_fork_bomb(sandbox):
    code = """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
    result = await run(sandbox, code, timeout=1.5)
    assert result.limit == "deadline"
    assert result.exit_code is None


async def test_filling_memory(sandbox):
    result = await run(sandbox, "x = []\nwhile True: x.append(bytearray(10_000_000))", timeout=20)
    assert result.oom or "MemoryError" in result.stderr
    assert result.exit_code != 0


async def test_filling_memory_through_shared_memory(sandbox):
    code = "f = open('/dev/shm/x', 'wb')\nwhile True: f.write(bytes(1_000_000))"
    result = await run(sandbox, code, timeout=20)
    assert result.exit_code != 0
    assert not result.timed_out


async def test_filling_the_disk(sandbox):
    result = await run(sandbox, "f = open('x', 'wb')\nwhile True: f.write(bytes(1_000_000))", timeout=20)
    assert result.limit == "file_size" or "File too large" in result.stderr
    code = """
i = 0
while True:
    i += 1
    open(f'/tmp/{i}', 'wb').write(bytes(5_000_000))
"""
    result = await run(sandbox, code, timeout=20)
    assert result.limit == "disk"
    assert (await sandbox.exec(["sh", "-c", "rm -rf /tmp/* x"])).exit_code == 0


async def test_ignoring_signals_and_leaving_the_session(sandbox):
    code = """
import os, signal, time
for s in range(1, 32):
    try: signal.signal(s, signal.SIG_IGN)
    except OSError: pass
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(60)
time.sleep(60)
"""
    result = await run(sandbox, code, timeout=0.5)
    assert result.timed_out
    assert result.seconds < 30


async def test_printing_a_gigabyte(sandbox):
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    code = "import os\nfor _ in range(1000): os.write(1, bytes(1_000_000))"
    result = await run(sandbox, code, timeout=30, output_limit=10_000)
    assert result.truncated
    assert len(result.stdout) < 11_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


async def test_links_and_odd_paths_out_of_the_folder(sandbox):
    await sandbox.exec(["sh", "-c", "ln -s /etc/passwd a; ln -s / b; mkfifo c; ln -s ../../.. d"])
    for path in ("a", "b/etc/passwd", "c", "d/etc/passwd", "../etc/passwd", "/etc/passwd"):
        with pytest.raises(Failure):
            await sandbox.read_file(path)
    with pytest.raises(Failure):
        await sandbox.write_file("b/tmp/x", b"x")
    with pytest.raises(Failure):
        await sandbox.exec(["true"], cwd="../..")


async def test_namespaces_mounts_tracing(sandbox):
    attempts = "unshare -Ur true; unshare -n true; mount -t tmpfs x /tmp; mknod z b 7 0; chroot / true"
    result = await sandbox.exec(["sh", "-c", f"{attempts}; nsenter -t 1 -m true"])
    assert result.exit_code != 0
    assert len(result.stderr.splitlines()) >= 6
    code = "import ctypes; l = ctypes.CDLL(None, use_errno=True); print(l.syscall(425, 1, 0), ctypes.get_errno())"
    assert (await run(sandbox, code)).stdout == "-1 1\n"  # io_uring_setup: EPERM


async def test_pretending_to_be_a_broken_sandbox(sandbox):
    result = await sandbox.exec(["sh", "-c", "echo 'bwrap: Something went wrong' >&2; exit 1"])
    assert result.exit_code == 1


async def test_killing_everything_one_can_see(sandbox):
    result = await run(sandbox, "import os; os.kill(-1, 9)", timeout=20)
    assert result.exit_code != 0
