"""Finds out what works on this machine by really starting it."""

from __future__ import annotations

import time

from weigh.execute.sandboxes.cgroup import cgroup_parents
from weigh.execute.sandboxes.open import make_sandbox
from weigh.execute.sandboxes.seccomp import seccomp_filter
from weigh.execute.sandboxes.spec import Probe, SandboxSpec
from weigh.records.errors import CapabilityError, Failure

MODES = ("bubblewrap", "local", "container")

_HOW = {
    "bubblewrap": "apt-get install bubblewrap (or your system's package of that name); the kernel has to allow user "
    "namespaces: sysctl kernel.unprivileged_userns_clone=1, and on Ubuntu 24.04 and later "
    "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    "container": "install Docker or Podman, and an image: see docs/sandboxes.md",
    "local": "needs /bin/sh",
}
_found: dict[str, Probe] = {}


async def available(mode: str) -> Probe:
    """Start a sandbox of this mode, run `true` in it, and say what came of it. Known for the life of the process."""
    if mode not in _found:
        _found[mode] = await _probe(mode)
    return _found[mode]


async def _probe(mode: str) -> Probe:
    sandbox = make_sandbox(SandboxSpec(mode=mode))  # type: ignore[arg-type]
    began = time.perf_counter()
    try:
        async with sandbox:
            result = await sandbox.exec(["true"], timeout=120.0)
    except (CapabilityError, Failure) as error:
        return Probe(ok=False, mode=mode, reason=str(error), how_to_get=_HOW.get(mode, ""))
    seconds = time.perf_counter() - began
    if result.exit_code != 0:
        reason = result.stderr.strip() or f"`true` ended with {result.limit or result.exit_code}"
        return Probe(ok=False, mode=mode, reason=reason[:300], how_to_get=_HOW.get(mode, ""))
    return Probe(ok=True, mode=mode, reason=_limits(mode), seconds=seconds)


def _limits(mode: str) -> str:
    if mode == "local":
        return "no protection: for trusted code, by name only"
    if mode != "bubblewrap":
        return ""
    groups = cgroup_parents()
    return "; ".join(
        f"{name} by {'control group' if name in groups else 'process limit'}" for name in ("memory", "pids")
    ) + ("; system calls filtered" if seccomp_filter() else "; system calls not filtered on this processor")
