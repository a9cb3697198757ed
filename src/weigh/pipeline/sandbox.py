"""The sandbox that a harness asks for."""

from __future__ import annotations

from weigh.define.decode import decode
from weigh.define.harness import Harness
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.records.errors import CapabilityError


def sandbox_spec(harness: Harness) -> SandboxSpec:
    """The sandbox a harness asks for; bubblewrap where it leaves it open."""
    mode = harness.sandbox or "bubblewrap"
    if mode == "none":
        raise CapabilityError(
            f"harness '{harness.name}' has no sandbox (sandbox=none), and a task or a tool needs one; "
            "leave it out, or choose another with -o sandbox=bubblewrap"
        )
    return decode({**harness.sandbox_options, "mode": mode}, SandboxSpec, f"harness '{harness.name}': sandbox_options")
