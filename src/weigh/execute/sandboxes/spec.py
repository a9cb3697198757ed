"""What a sandbox allows, as a value that can be hashed into a harness."""

from __future__ import annotations

from typing import Literal

import msgspec

from weigh.records.bounds import Count, Positive, check_bounds

Mode = Literal["bubblewrap", "local", "container", "modal", "memory"]
Network = Literal["none", "gateway", "open"]

WORKSPACE = "/workspace"


class SandboxSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a sandbox allows. The limits hold for each command and all it starts, unless said otherwise.

    Attributes:
        mode: Which kind. `local` gives no protection at all.
        image: Image of a container.
        root: A folder used as the file system's root, read-only, instead of this machine's system folders.
        network: `none`; `gateway`: only the model gateway, through `gateway_socket`; `open`: as the host.
        gateway_socket: Path of the gateway's unix socket on the host; inside it is `/run/weigh/gateway.sock`.
        memory_mb: Memory, of the whole tree where the machine has control groups, else of each process.
        pids: Processes and threads at one time.
        file_size_mb: Size of a single file.
        disk_mb: Size of all files in workspace, home and temp together.
        files: How many files and folders there may be.
        cpu_seconds: CPU time of each process; None leaves it to the deadline.
        wall_seconds: The deadline of a command that is given none.
        env: Variables set inside; nothing else of the host's is.
        path: Folders in front of the program search path inside.
        folder: A folder of the host whose content the workspace starts with.
        readonly: Further host paths that are visible, read-only, at the same place.
        reuse: Whether one sandbox may serve several trials after another. Only for tasks that leave nothing behind.
    """

    mode: Mode = "bubblewrap"
    image: str | None = None
    root: str | None = None
    network: Network = "none"
    gateway_socket: str | None = None
    memory_mb: Count = 1024
    pids: Count = 64
    file_size_mb: Count = 64
    disk_mb: Count = 256
    files: Count = 20_000
    cpu_seconds: Count | None = None
    wall_seconds: Positive = 60.0
    env: dict[str, str] = {}
    path: tuple[str, ...] = ()
    folder: str | None = None
    readonly: tuple[str, ...] = ()
    reuse: bool = False

    def __post_init__(self) -> None:
        check_bounds(self)


class Probe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether a mode works on this machine.

    Attributes:
        ok: It was really started, and it ran a command.
        mode: Which mode.
        reason: Why not, or how it is limited (`memory: cgroup v1, pids: cgroup v1, seccomp`).
        how_to_get: What to install or change.
        seconds: How long one start and one `true` took.
    """

    ok: bool
    mode: str
    reason: str = ""
    how_to_get: str = ""
    seconds: float | None = None
