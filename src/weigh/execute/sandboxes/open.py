"""From a specification to a sandbox."""

from __future__ import annotations

from importlib import import_module

from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.protocols import Sandbox
from weigh.records.errors import DefinitionError, suggest

_MODES = {
    "bubblewrap": ("bubblewrap", "BubblewrapSandbox"),
    "local": ("local", "LocalSandbox"),
    "memory": ("memory", "MemorySandbox"),
    "container": ("container", "ContainerSandbox"),
    "modal": ("modal", "ModalSandbox"),
}


def make_sandbox(spec: SandboxSpec) -> Sandbox:
    """Return a sandbox that is not yet started: enter it to start it. Raises `DefinitionError` for an unknown mode."""
    if spec.mode not in _MODES:
        raise DefinitionError(f"unknown sandbox {spec.mode!r}{suggest(spec.mode, _MODES)}")
    module, name = _MODES[spec.mode]
    sandbox: Sandbox = getattr(import_module(f"weigh.execute.sandboxes.{module}"), name)(spec)
    return sandbox
