"""Many trials of a real agent: nothing stays behind and memory does not grow (minutes of work, so in CI alone)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MEASURE = Path(__file__).parents[2] / "perf" / "agents.py"


@pytest.mark.slow
def test_three_hundred_trials_leave_nothing_behind(pi: str) -> None:
    command = [sys.executable, str(MEASURE), "--alone", "--trials", "300", "--concurrency", "8"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "left behind: 0 zombies, 0 processes, 0 folders" in done.stdout
