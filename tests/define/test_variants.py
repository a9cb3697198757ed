"""What the variants that every task has say of themselves."""

from __future__ import annotations

import pytest

from weigh.define.variants import BUILT_IN, meaning


@pytest.mark.parametrize(
    ("name", "told"), [("rc", "likelihood"), ("mc", "Letters"), ("3shot", "3 examples"), ("zero", "No examples")]
)
def test_variants_say_what_they_do(name: str, told: str) -> None:
    assert told in str(meaning(name)) and "\n" not in str(meaning(name))
    assert meaning(f"my-{name}") is None


def test_each_has_something_to_say() -> None:
    assert all(meaning(name) for name in BUILT_IN)
