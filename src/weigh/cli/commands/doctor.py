"""`weigh doctor`: what works on this machine, found out by trying it, and how to get the rest."""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from weigh._version import __version__
from weigh.cli.flags import add_format, add_store
from weigh.cli.table import Column, render
from weigh.cli.terminal import bold, is_colour, size
from weigh.execute.agents.install import find_agent, missing
from weigh.execute.agents.registry import NAMES, agent_by_name
from weigh.execute.models import cache_dir, describe
from weigh.execute.providers.registry import list_providers
from weigh.execute.sandboxes.probe import available
from weigh.execute.sandboxes.spec import Mode

HELP = """What works on this machine: providers, sandboxes, agents, models, keys. Sandboxes are really started. What is
missing comes with how to get it. Exits 1 only when weigh itself cannot work."""

TOOLS = (
    ("git", "apt install git"),
    ("uv", "pip install uv (only for studies whose profile says install.tool: uv)"),
    ("node", "apt install nodejs npm (version 20.6 or newer for agents)"),
    ("nvidia-smi", "only for GPUs"),
)
VARIABLES = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HF_TOKEN", "HF_HOME", "HF_HUB_OFFLINE", "WEIGH_CACHE")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_store(parser)
    add_format(parser)


def run(args: argparse.Namespace) -> int:
    rows = [*core(args.store), *providers(), *sandboxes(), *programs(), *models(), *variables()]
    columns = [Column("part", "part"), Column("name", "name"), Column("state", "state"), Column("note", "note")]
    if args.format != "table":
        print(render(columns, rows, args.format))
    else:
        part = ""
        for row in rows:
            if row["part"] != part:
                part = row["part"]
                print(bold(part) if is_colour() else part)
            print(f"  {row['name']:<28} {row['state']:<8} {row['note']}".rstrip())
    broken = [row["name"] for row in rows if row["part"] == "core" and row["state"] == "broken"]
    return 1 if broken else 0


def row(part: str, name: str, state: str, note: str = "") -> dict[str, Any]:
    return {"part": part, "name": name, "state": state, "note": note}


def core(store: str) -> Iterator[dict[str, Any]]:
    """weigh itself, the machine, the store."""
    yield row("core", "weigh", "ok", __version__)
    good = sys.version_info >= (3, 11)
    yield row("core", "python", "ok" if good else "broken", f"{platform.python_version()} at {sys.executable}")
    yield row("core", "machine", "ok", f"{os.cpu_count()} CPUs, {platform.system()} {platform.machine()}")
    folder = Path(store).absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    writable = os.access(folder, os.W_OK)
    note = f"{Path(store).absolute()}, {size(free)} free" if writable else f"{folder} cannot be written"
    yield row("core", "store", "ok" if writable else "broken", note)
    for requirement in importlib.metadata.requires("weigh") or []:
        if "extra ==" in requirement:
            continue
        name = "".join(c if c.isalnum() or c in "-_." else " " for c in requirement).split()[0]
        try:
            yield row("core", name, "ok", importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield row("core", name, "broken", f"pip install '{requirement}'")


def providers() -> Iterator[dict[str, Any]]:
    """Where tokens can come from."""
    for provider in list_providers():
        yield row("providers", provider.name, "ok" if provider.available else "missing", provider.missing or "")


def sandboxes() -> Iterator[dict[str, Any]]:
    """Where commands can run; each is started once."""

    async def probe_all() -> list[dict[str, Any]]:
        rows = []
        for mode in get_args(Mode):
            if mode == "memory":
                continue
            probe = await available(mode)
            took = f", starts in {1000 * probe.seconds:.0f} ms" if probe.seconds is not None else ""
            note = f"{probe.reason or 'works'}{took}" if probe.ok else f"{probe.reason}; {probe.how_to_get}".strip("; ")
            rows.append(row("sandboxes", mode, "ok" if probe.ok else "missing", note))
        return rows

    yield from asyncio.run(probe_all())


def programs() -> Iterator[dict[str, Any]]:
    """Agent programs in weigh's cache, and tools on the PATH."""
    for name in NAMES:
        agent = agent_by_name(name)
        program, problems = find_agent(agent), missing(agent)
        note = "; ".join(problems) if program is None or problems else f"{program.version}, {program.path}"
        yield row("agents", name, "missing" if problems else "ok", note)
    for name, how in TOOLS:
        path = shutil.which(name)
        yield row("tools", name, "ok", version(path) + path) if path else row("tools", name, "missing", how)


def version(path: str) -> str:
    """The first line of `--version` where a program gives one in time, with a comma behind it."""
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=5, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    first = (done.stdout.strip() or done.stderr.strip()).split("\n")[0].strip()
    return f"{first}, " if done.returncode == 0 and first else ""


def models() -> Iterator[dict[str, Any]]:
    """Known models."""
    for model in describe():
        get = f"weigh models get {model['name']} ({size(model['bytes'])}, to {cache_dir()})"
        yield row("models", model["name"], "ok" if model["path"] else "missing", model["path"] or get)


def variables() -> Iterator[dict[str, Any]]:
    """Variables that change what weigh does. Values of secrets are never shown."""
    for name in VARIABLES:
        value = os.environ.get(name)
        secret = name.endswith(("KEY", "TOKEN"))
        yield row("variables", name, "set" if value else "not set", "" if secret or not value else value)
