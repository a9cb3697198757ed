"""The fewest commands that run everything again, and how alike the outcome will be."""

from __future__ import annotations

import msgspec
import pytest

from weigh.pipeline.payload_again import commands_again, how_alike
from weigh.records.arm import Arm
from weigh.records.run import Invocation, Run


def ran(command: str, arms: str, **cells: int) -> Invocation:
    return Invocation(
        id=command,
        started=1.0,
        command=command,
        plan={"cells": cells},
        provenance={"models": {arm: {} for arm in arms}},
    )


def test_what_another_command_asks_for_too_is_left_out() -> None:
    part = ran("weigh study run s.yaml -t x --only model=a", "a", x=4)
    once = ran("weigh study run s.yaml -k 1", "ab", x=1, y=1)
    whole = ran("weigh study run s.yaml --only model=a", "a", x=4, y=4)
    other = ran("weigh study run other.yaml", "ab", x=9, y=9)
    assert commands_again([part, once, whole, whole]) == [once.command, whole.command]
    assert commands_again([part, other]) == [part.command, other.command], "another file is another study"
    assert commands_again([whole, part]) == [whole.command], "also where the whole was run before"
    same = ran("weigh study run s.yaml --only=model=a", "a", x=4, y=4)
    assert commands_again([whole, other, same]) == [other.command, same.command], "the last of equal ones"


def test_the_authors_store_is_no_part_of_it() -> None:
    words = "weigh run -m a -t x --store '/home/me/my store' --name n"
    assert commands_again([ran(words, "a", x=1)]) == ["weigh run -m a -t x --name n"]
    typed = Invocation(id="i", started=1.0, command="weigh rescore n --store=/there")
    assert commands_again([typed]) == ["weigh rescore n"]


@pytest.mark.parametrize(
    ("sampling", "told"),
    [
        ({}, False),
        ({"temperature": 0.0}, False),
        ({"temperature": 0.3, "seed": 7}, False),
        ({"temperature": 0.3}, True),
    ],
)
def test_without_a_seed_outcomes_differ(sampling: dict[str, float], told: bool) -> None:
    arm = Arm(id="a", digest="d", axes={}, config={"sampling": sampling})
    run = Run(id="r-00000001", name="r", created=1.0, arms=(arm,), tasks=())
    said = how_alike(run, [])
    assert (said is not None) is told and (not told or "temperature 0.3 without a seed" in str(said))
    assert how_alike(msgspec.structs.replace(run, arms=()), []) is None
