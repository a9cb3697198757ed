from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from tests.study.kit import make_library, make_study
from weigh.execute.sandboxes.probe import available


@pytest.fixture(scope="session")
def bubblewrap() -> None:
    probe = asyncio.run(available("bubblewrap"))
    if not probe.ok:
        _missing(f"bubblewrap: {probe.reason}")


def _missing(what: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"has to work in CI: {what}")
    pytest.skip(f"needs {what}")


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("git") is None:
        _missing("git")
    return make_library(tmp_path_factory.mktemp("library") / "greet")


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def cache(session_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The installations of these tests, made once and shared by them."""
    monkeypatch.setenv("WEIGH_CACHE", str(session_cache))
    return session_cache


@pytest.fixture
def study(tmp_path: Path, library: Path) -> Path:
    return make_study(tmp_path / "study", library)
