"""Installs agent programs into a folder of ours, one a version; never without being asked.

A folder `agents/NAME-VERSION` in weigh's cache counts only once its last file is written; it is made under a lock, so
two processes may ask at once. Install scripts of packages are not run.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from weigh.execute.agents.agent import Agent, Installation
from weigh.execute.models import cache_dir
from weigh.execute.sandboxes.folder import home
from weigh.execute.sandboxes.process import run_process
from weigh.execute.venvs import INSTALL_SECONDS, find_venv, install_venv
from weigh.records.errors import CapabilityError

_READY = "weigh-agent.json"


def agents_dir() -> Path:
    """The folder of installed agents."""
    return cache_dir().parent / "agents"


def agent_path(agent: Agent, version: str | None = None) -> Path:
    """Where a version of an agent is or would be."""
    return agents_dir() / f"{agent.name}-{version or agent.version}"


def find_agent(agent: Agent, version: str | None = None) -> Installation | None:
    """The installed agent, if it is there and whole."""
    path = agent_path(agent, version)
    if agent.kind == "pip":
        venv = find_venv(_pins(agent, version), path)
        if venv is None:
            return None
        return Installation(name=agent.name, version=version or agent.version, path=venv.path, packages=venv.packages)
    try:
        found = msgspec.json.decode((path / _READY).read_bytes(), type=Installation)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return None
    # Looked up anew: a node that was updated since is another one.
    node = find_node()
    return msgspec.structs.replace(found, path=str(path), node=node[0] if node else None)


def missing(agent: Agent, version: str | None = None) -> list[str]:
    """What keeps an agent from working here, in words for the user; empty when nothing does."""
    found = []
    if agent.kind == "npm":
        node = find_node()
        if node is None:
            found.append(
                f"agent {agent.name} needs node {agent.node} or newer, which is not on the PATH "
                "(apt-get install nodejs npm)"
            )
        elif node[1] < (agent.node,):
            shown = ".".join(map(str, node[1]))
            found.append(f"agent {agent.name} needs node {agent.node} or newer; {node[0]} is {shown}")
    if find_agent(agent, version) is None:
        wanted = agent.name if version is None else f"{agent.name}@{version}"
        found.append(
            f"agent {agent.name} {version or agent.version} is not installed; get it with "
            f"`weigh agents install {wanted}`"
        )
    return found


async def install_agent(agent: Agent, version: str | None = None) -> Installation:
    """Install an agent, or return it if it is there.

    Raises:
        CapabilityError: It cannot be installed; says the package manager's reason.
    """
    import fcntl

    path = agent_path(agent, version)
    if agent.kind == "pip":
        await install_venv(_pins(agent, version), path)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (path.parent / f"{path.name}.lock").open("w") as lock:
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
            if find_agent(agent, version) is None:
                shutil.rmtree(path, ignore_errors=True)
                try:
                    await _npm(agent, version or agent.version, path, lock.fileno())
                except BaseException:
                    shutil.rmtree(path, ignore_errors=True)
                    raise
    installed = find_agent(agent, version)
    assert installed is not None
    return installed


async def _npm(agent: Agent, version: str, path: Path, lock: int) -> None:
    npm, node = shutil.which("npm"), find_node()
    if npm is None or node is None:
        raise CapabilityError(f"agent {agent.name} needs node and npm: apt-get install nodejs npm")
    path.mkdir(parents=True)
    wanted = [f"{agent.package}@{version}", *agent.extra_packages]
    # npm needs the user's settings (registry, proxy, certificates); it is the user's own action. It holds the lock too,
    # and the reaper ends it: whoever comes after a process that was killed does not meet it at work.
    ended = await run_process(
        [npm, "install", "--prefix", str(path), "--no-fund", "--no-audit", "--ignore-scripts", "--omit=dev",
         "--loglevel=error", *wanted],
        env={**os.environ, **home().environment()},
        cwd=str(path),
        timeout=INSTALL_SECONDS,
        pass_fds=(lock,),
    )  # fmt: skip
    if ended.returncode != 0:
        lines = [
            re.sub(r"^npm (error|ERR!)\s*", "", line) for line in ended.stderr.decode(errors="replace").splitlines()
        ]
        told = [line for line in lines if line and not line.startswith(("code ", "A complete log", "    "))]
        raise CapabilityError(f"cannot install {wanted[0]}: {ended.limit or (told[0] if told else 'npm failed')}")
    locked: dict[str, Any] = msgspec.json.decode((path / "package-lock.json").read_bytes())
    packages = sorted(
        f"{name.rpartition('node_modules/')[2]}=={entry['version']}"
        for name, entry in locked["packages"].items()
        if name and "version" in entry
    )
    ready = Installation(name=agent.name, version=version, path=str(path), packages=tuple(packages))
    (path / _READY).write_bytes(msgspec.json.encode(ready))


def _pins(agent: Agent, version: str | None) -> tuple[str, ...]:
    return (f"{agent.package}=={version or agent.version}", *agent.extra_packages)


@lru_cache(maxsize=1)
def find_node() -> tuple[str, tuple[int, ...]] | None:
    """The node on the PATH and its version; None where there is none that starts."""
    path = shutil.which("node")
    if path is None:
        return None
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=120, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    numbers = re.match(r"v(\d+)\.(\d+)\.(\d+)", said)
    return (os.path.realpath(path), tuple(map(int, numbers.groups()))) if numbers else None
