"""Fixtures that more than one part of the suite uses."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
# A busy machine must not fail a property; and nothing is left behind.
settings.register_profile(
    "weigh", settings(), deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("weigh")


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Skip the slow ones, by name, where nobody asked for everything."""
    if os.environ.get("CI"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="takes long: set CI=true"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real public data beside the project; a test that needs it is skipped by name without it."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("needs the public data folder at ../shared/data")
    return path
