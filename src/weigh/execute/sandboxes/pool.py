"""Sandboxes kept ready: started lazily and ahead of need, used once unless reuse is declared safe, gone at the end."""

from __future__ import annotations

from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.protocols import Sandbox


class SandboxPool:
    """Leases sandboxes of one specification. An asynchronous context manager: leaving closes every sandbox.

    Args:
        spec: What they allow.
        size: How many may live at one time.
        ahead: How many to start before they are asked for, once the first one was.
    """

    def __init__(self, spec: SandboxSpec, *, size: int = 4, ahead: int = 1) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> SandboxPool:
        raise NotImplementedError

    async def __aexit__(self, *exc: object) -> None:
        raise NotImplementedError

    async def acquire(self) -> Sandbox:
        """A started, healthy sandbox; waits when `size` are out. Raises `Failure` (kind sandbox) if none starts."""
        raise NotImplementedError

    async def release(self, sandbox: Sandbox) -> None:
        """Give one back. It is closed, unless reuse is declared safe and it is still healthy."""
        raise NotImplementedError
