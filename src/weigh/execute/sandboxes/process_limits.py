"""Limits that the kernel holds for each process: how a shell sets them, and how a command that met one is known."""

from __future__ import annotations

import signal

from weigh.execute.sandboxes.spec import SandboxSpec

MET = {128 + signal.SIGXFSZ: "file_size", 128 + signal.SIGXCPU: "cpu"}
"""Exit code, as a shell reports it of what it ran -> the limit that was met."""


def limits_in_shell(spec: SandboxSpec) -> list[str]:
    """Commands of a shell that set the limits of the processes it becomes or starts."""
    lines = [f"ulimit -c 0; ulimit -f {spec.file_size_mb * 2048}"]
    if spec.cpu_seconds is not None:
        # The signal that names the limit comes at the soft one; at the hard one it is a SIGKILL like any other.
        lines.append(f"ulimit -H -t {spec.cpu_seconds + 1}; ulimit -S -t {spec.cpu_seconds}")
    return lines
