"""Plain values become structs; what a struct does not have is told with its place, in lists and tables too."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import pytest

from weigh.define.decode import RawText, decode, replace
from weigh.records.bounds import Amount, Count, Positive, Whole, check_bounds
from weigh.records.errors import DefinitionError


class Part(msgspec.Struct, frozen=True, kw_only=True):
    turns: Count | None = None
    seconds: Positive | None = None
    retries: Whole = 5
    temperature: Amount = 0.0
    kind: Literal["one", "two"] = "one"

    def __post_init__(self) -> None:
        check_bounds(self)


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    part: Part = Part()
    many: tuple[Part, ...] | None = None
    several: list[Part | str] = []
    pair: tuple[int, Part] | None = None
    by: dict[str, Part] | None = None
    env: dict[str, str] = {}
    free: dict[str, Any] = {}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"many": [{}, {"turn": 1}]}, "many[1].turn: unknown key 'turn'; did you mean 'turns'?"),
        ({"many": ({}, {"turn": 1})}, "many[1].turn: unknown key 'turn'; did you mean 'turns'?"),
        ({"several": ["a", {"turn": 1}]}, "several[1].turn: unknown key 'turn'; did you mean 'turns'?"),
        ({"pair": [1, {"turn": 1}]}, "pair[1].turn: unknown key 'turn'; did you mean 'turns'?"),
        ({"by": {"a": {}, "b c": {"turn": 1}}}, "by.b c.turn: unknown key 'turn'; did you mean 'turns'?"),
        ({"pair": [1, {}, 3]}, "pair: expected array of length 2, got [1, {}, 3]"),
        ({"env": {"A": "x", "B": 1}}, "env.B: expected str, got 1"),
        ({"env": {1: "x"}}, "env: key 1 is no text; write it in quotes"),
        ({"by": {"a": {}, "b": {"kind": "tow"}}}, "by.b.kind: expected one or two, got 'tow'; did you mean 'two'"),
        ({"many": [{"seconds": "long"}]}, "many[0].seconds: expected float | null, got 'long'"),
        ({"part": {"turns": 0}}, "part.turns: expected a whole number from 1, got 0"),
        ({"many": [{}, {"seconds": 0}]}, "many[1].seconds: expected a number above 0, got 0"),
        ({"by": {"a": {"retries": -1}}}, "by.a.retries: expected a whole number from 0, got -1"),
        ({"part": {"temperature": -0.5}}, "part.temperature: expected a number from 0, got -0.5"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(value: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError) as told:
        decode(value, Holder, "study.yaml")
    assert str(told.value).startswith(f"study.yaml: {said}")


def test_what_is_right_is_read() -> None:
    made = decode({"several": ["a", {"turns": 2}], "pair": [1, {}], "free": {"a": [{"turn": 1}]}}, Holder, "x")
    assert made == Holder(several=["a", Part(turns=2)], pair=(1, Part()), free={"a": [{"turn": 1}]})


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("turns", 0, "turns: expected a whole number from 1, got 0"),
        ("seconds", -1.5, "seconds: expected a number above 0, got -1.5"),
        ("seconds", float("nan"), "seconds: expected a number above 0, got nan"),
        ("retries", -1, "retries: expected a whole number from 0, got -1"),
    ],
)
def test_a_bound_holds_in_python_and_on_the_command_line_too(key: str, value: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match=f"^Part: {said}"):
        Part(**{key: value})
    if value == value:
        with pytest.raises(DefinitionError, match=f"^-o: part.{said}"):
            replace(Holder(), {f"part.{key}": RawText(str(value))}, "-o")
