"""Real agent programs for tests, installed once into weigh's own cache; skipped by name where they cannot be had."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from tests.agents.kit import AgentBench
from weigh.execute.agents.install import install_agent, missing
from weigh.execute.agents.registry import agent_by_name
from weigh.execute.sandboxes.probe import available


def get(name: str) -> str:
    """Install an agent unless it is there; a machine that cannot skips, except in CI."""
    agent = agent_by_name(name)
    probe = asyncio.run(available("bubblewrap"))
    reason = "" if probe.ok else f"bubblewrap: {probe.reason}"
    if not reason and agent.kind == "npm" and missing(agent) and not (shutil.which("npm") and shutil.which("node")):
        reason = "node and npm"
    if reason:
        if os.environ.get("CI"):
            pytest.fail(f"CI has to have {reason}")
        pytest.skip(f"agent {name} needs {reason}")
    asyncio.run(install_agent(agent))
    return name


@pytest.fixture(scope="session")
def pi() -> str:
    return get("pi")


@pytest.fixture
def bench(tmp_path: Path) -> AgentBench:
    return AgentBench(tmp_path)
