"""Sandboxes for tests; those that need bubblewrap are skipped by name where it does not work, except in CI."""

from __future__ import annotations

import asyncio
import os

import pytest

from weigh.execute.sandboxes.probe import available


@pytest.fixture(scope="session")
def bubblewrap() -> str:
    probe = asyncio.run(available("bubblewrap"))
    if not probe.ok:
        if os.environ.get("CI"):
            pytest.fail(f"bubblewrap has to work in CI: {probe.reason}")
        pytest.skip(f"needs bubblewrap: {probe.reason}")
    return "bubblewrap"
