"""One start of a benchmark's own program: files in, its address of the gateway and token in its environment, files out.

It runs in a sandbox either way: `local` gives it a folder, a home and an environment of its own and a deadline over the
whole tree; `bubblewrap` also keeps it from the network (a relay inside leads to the gateway's socket) and from files.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from weigh.execute.gateway import relay
from weigh.execute.gateway.session import Session
from weigh.execute.sandboxes.open import make_sandbox
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.execute.venvs import base_python
from weigh.protocols import ExecResult, Sandbox

if TYPE_CHECKING:
    from weigh.execute.gateway.server import Gateway

SOCKET = "/run/weigh/gateway.sock"
INSIDE_PORT = 8080
LARGEST_FILE = 64_000_000
_RELAY = "weigh_relay.py"


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What is started.

    Attributes:
        command: The words.
        inputs: Files of its folder, by name.
        env: Variables besides the gateway's.
        out: The folder below its own that it writes to.
        seconds: Deadline of the whole tree.
        spec: The sandbox.
        path: Folders in front of the program search path.
    """

    command: Sequence[str]
    inputs: Mapping[str, bytes]
    env: Mapping[str, str] = {}
    out: str = "out"
    seconds: float = 3600.0
    spec: SandboxSpec = SandboxSpec(mode="local")
    path: Sequence[str] = ()


def program_url(gateway: Gateway, session: Session, spec: SandboxSpec) -> str:
    """The session's address as the program sees it."""
    return inside_url(session) if spec.mode == "bubblewrap" else gateway.url_of(session)


def inside_url(session: Session) -> str:
    """The session's address in a sandbox whose own loopback leads to the gateway's socket."""
    return f"http://127.0.0.1:{INSIDE_PORT}{session.path}/v1"


async def run_program(program: Program, gateway: Gateway, session: Session, into: Path) -> ExecResult:
    """Run it to its end or its deadline, and copy what it wrote below `out` into the folder `into`.

    What it wrote is also copied when it was killed; when this call is cancelled, nothing is.

    Raises:
        Failure: Kind `sandbox`, when the sandbox itself broke.
    """
    spec = program.spec
    if spec.mode == "bubblewrap":
        spec = msgspec.structs.replace(spec, network="gateway", gateway_socket=gateway.socket)
    command = list(program.command)
    async with make_sandbox(spec) as sandbox:
        for name, data in program.inputs.items():
            await sandbox.write_file(name, data)
        await sandbox.write_file(f"{program.out}/.keep", b"")
        if spec.mode == "bubblewrap":
            await sandbox.write_file(_RELAY, Path(relay.__file__).read_bytes())
            command = [base_python(), _RELAY, str(INSIDE_PORT), SOCKET, *command]
        ended = await sandbox.exec(
            command,
            timeout=program.seconds,
            env={**environment(program, gateway, session), **program.env},
            output_limit=2_000_000,
        )
        await _copy_out(sandbox, program.out, into)
    return ended


def environment(program: Program, gateway: Gateway, session: Session) -> dict[str, str]:
    """What the program is told: where the model is, under the names that OpenAI clients read."""
    url = program_url(gateway, session, program.spec)
    path = [*program.path, str(Path(sys.executable).resolve().parent), "/usr/local/bin", "/usr/bin", "/bin"]
    return {
        "OPENAI_BASE_URL": url,
        "OPENAI_API_BASE": url,
        "OPENAI_API_KEY": session.token,
        "WEIGH_GATEWAY": url.removesuffix("/v1"),
        "WEIGH_TOKEN": session.token,
        "WEIGH_MODEL": session.model,
        "PATH": ":".join(dict.fromkeys(path)),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


async def _copy_out(sandbox: Sandbox, out: str, into: Path) -> None:
    """Copy regular files, one by one and by name; links and whatever else lies there are left."""
    listed = await sandbox.exec(
        ["find", out, "-type", "f", "-size", f"-{LARGEST_FILE // 1024}k", "-print0"],
        timeout=60,
        output_limit=10_000_000,
    )
    for name in listed.stdout.split("\0"):
        below = PurePosixPath(name)
        if not name or ".." in below.parts or below.is_absolute() or below.name == ".keep":
            continue
        target = into / below.relative_to(out)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(await sandbox.read_file(name, limit=LARGEST_FILE))
