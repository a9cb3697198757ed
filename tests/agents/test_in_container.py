"""The real pi in a real container of Docker or Podman, where this machine has an engine and an image."""

from __future__ import annotations

import asyncio

import pytest

from tests.agents.kit import DONE, AgentBench, bash
from weigh.execute.sandboxes.container import ContainerSandbox, find_engine, installed_engines
from weigh.execute.sandboxes.probe import available
from weigh.execute.sandboxes.spec import SandboxSpec

NEEDED = "node --version && python3 -c 'import json'"
LOOKS = "id -u; ls -A /root /home/user; cat /proc/net/dev | tail -n +3 | cut -d: -f1; cat given.txt"


@pytest.fixture
def image() -> str:
    """An image with node and Python's standard library."""
    return asyncio.run(find_image())


async def find_image() -> str:
    probe = await available("container")
    if not probe.ok:
        pytest.skip(f"needs Docker or Podman with an image: {probe.reason}")
    _, images = await find_engine(installed_engines())
    for name in images:
        async with ContainerSandbox(SandboxSpec(mode="container", image=name)) as sandbox:
            if (await sandbox.exec(["sh", "-c", NEEDED])).exit_code == 0:
                return name
    pytest.skip(f"needs an image with node and python3: none of {', '.join(images)}")


@pytest.mark.sandbox
def test_pi_works_in_a_container(image: str, bench: AgentBench, pi: str) -> None:
    overrides = ("sandbox=container", f"sandbox_options.image={image}")
    trial = bench.run({"work": [bash(LOOKS), DONE]}, overrides=overrides, files={"given.txt": "a red fox\n"})["work"]
    assert trial.status == "ok", trial.error
    assert trial.trajectory is not None and trial.usage.calls == 2
    (seen,) = trial.trajectory.steps[1].observations
    words = seen.content.split()
    assert words[0] == "1000" and "a red fox" in seen.content
    assert not {"eth0", ".ssh", ".bashrc"} & set(words), words
    assert bench.artifact(trial, "session.jsonl").startswith('{"type":"session"')
