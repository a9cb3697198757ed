"""The shipped study, reduced to one trial: a real model drives the real agent on a real release, in its sandbox."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import yaml

from tests.agents.conftest import get
from weigh.execute.models import fetch
from weigh.records.errors import WeighError
from weigh.store.layout import Store
from weigh.store.reader import read_trials

MODEL = "qwen2.5-coder-0.5b-instruct"


@pytest.fixture(scope="module")
def ready() -> str | None:
    """The agent and the model, in weigh's own cache: they are too large to fetch for each run of the tests."""
    get("pi")
    try:
        asyncio.run(asyncio.to_thread(fetch, MODEL))
    except WeighError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    return os.environ.get("WEIGH_CACHE")


@pytest.mark.model
@pytest.mark.sandbox
@pytest.mark.slow
def test_a_small_model_drives_pi_on_a_released_version(ready: str | None, tmp_path: Path) -> None:
    study = {
        "name": "reduced",
        "profile": "sqlite-utils",
        "models": [{"model": f"llamacpp/{MODEL}::context=8192,slots=1,threads=1", "name": "small", "size": 0.5}],
        "revisions": ["3.38"],
        "tiers": ["bare"],
        "tasks": ["count-tea"],
        "temperature": 0,
        "max_tokens": 60,
        "limits": {"seconds": 900, "turns": 3},
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    env = {key: value for key, value in os.environ.items() if key != "WEIGH_CACHE"}
    if ready is not None:  # the cache of whoever runs the tests, where the agent and the model are
        env["WEIGH_CACHE"] = ready

    def weigh(*words: str) -> str:
        command = [sys.executable, "-m", "weigh", *words, "--store", str(tmp_path / "store")]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=1200, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    weigh("study", "run")
    (run,) = (tmp_path / "store" / "runs").iterdir()
    (trial,) = [msgspec.to_builtins(t) for t in read_trials(Store(str(tmp_path / "store")).open(run.name))]
    trajectory, scores = trial["trajectory"], trial["scores"]
    # What the model can do differs by machine; that it was asked, acted, was metered and judged does not.
    assert trial["status"] in ("ok", "limit:turns") and scores["match"]["value"] in (0.0, 1.0)
    assert {"marker:cli", "marker:memory", "marker:gave-up"} <= set(scores)
    agent = trajectory["metadata"]["agent"]
    assert (agent["name"], agent["version"]) == ("pi", "0.73.1")
    assert agent["reported"] == agent["gateway"] and agent["gateway"]["generated"] > 0
    assert {"session.jsonl"} <= set(trajectory["artifacts"])
    steps = trajectory["steps"]
    assert any(step.get("message") or step.get("tool_calls") for step in steps if step["source"] == "model")
    shown = weigh("trial", trial["id"], "--steps")
    assert "Run the shell command sqlite-utils" in shown
    weigh("study", "run")
    assert [t.id for t in read_trials(Store(str(tmp_path / "store")).open(run.name))] == [trial["id"]]
