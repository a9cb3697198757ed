"""The names are where the package says, and looking at the package loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

import weigh.analyze as analyze


def test_every_name_resolves() -> None:
    for name in analyze.__all__:
        assert callable(getattr(analyze, name)), name
    with pytest.raises(AttributeError, match="no attribute"):
        analyze.nothing  # noqa: B018


def test_importing_the_package_loads_no_numpy_and_nothing_ever_scipy_stats() -> None:
    code = (
        "import sys, weigh.analyze as a; assert 'numpy' not in sys.modules; "
        "[getattr(a, n) for n in a.__all__]; assert 'scipy.stats' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
