from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.study.kit import make_library, make_study


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("git") is None:
        pytest.skip("needs git")
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
