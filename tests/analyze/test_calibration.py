"""The calibration script itself, on its smallest sizes: promises hold, and it would notice a test that breaks them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np

SCRIPT = Path(__file__).resolve().parents[2] / "perf" / "calibration.py"


def load(sizes: tuple[int, ...]) -> ModuleType:
    """A fresh copy of the script, with other sizes."""
    spec = importlib.util.spec_from_file_location("calibration_under_test", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.SIZES = sizes
    return module


def test_small_sizes_keep_their_promises(rng: np.random.Generator) -> None:
    script = load((2, 6, 15))
    report = script.Report()
    for part in (script.binary, script.real, script.clusters, script.others):
        part(report, rng, 100)
    assert report.broken == []
    assert any(line.startswith("| 15 | 0.035 | 0.515 |") for line in report.lines), "McNemar beside the Wald sign test"


def test_a_broken_promise_is_noticed() -> None:
    report = load((2,)).Report()
    report.promise("ours", 0.08, 0.005)
    assert report.broken == ["ours: 0.0800"]
