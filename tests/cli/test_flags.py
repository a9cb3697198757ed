"""One flag, three places: the command line wins over the environment, the environment over the file."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import ModuleType

import pytest

from weigh.cli import flags


def command() -> ModuleType:
    module = ModuleType("example")
    module.HELP = "An example."  # type: ignore[attr-defined]

    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("what", nargs="?")
        parser.add_argument("-m", "--model", action="append", default=[])
        parser.add_argument("-o", "--option", action="append", default=[])
        parser.add_argument("--concurrency", type=int, default=4)
        parser.add_argument("--allow-errors", type=int, default=0)
        parser.add_argument("-y", "--yes", action="store_true")
        flags.add_format(parser)

    module.add_arguments = add_arguments  # type: ignore[attr-defined]
    return module


def parse(*words: str) -> argparse.Namespace:
    return flags.parse(flags.build("example", command()), words)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODEL", "CONCURRENCY", "CONFIG", "YES", "FORMAT"):
        monkeypatch.delenv(f"WEIGH_{name}", raising=False)


def test_defaults_hold_when_nothing_is_given() -> None:
    args = parse()
    assert (args.model, args.concurrency, args.yes, args.format, args.config) == ([], 4, False, "table", None)


def test_underscore_and_dash_are_alike() -> None:
    assert parse("--allow_errors", "3").allow_errors == parse("--allow-errors=3").allow_errors == 3
    assert parse("--option=a_b=c_d").option == ["a_b=c_d"]


def test_the_environment_sets_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGH_CONCURRENCY", "8")
    monkeypatch.setenv("WEIGH_MODEL", "scripted/echo 'openai/a::base_url=http://x'")
    monkeypatch.setenv("WEIGH_YES", "1")
    args = parse()
    assert args.concurrency == 8
    assert args.model == ["scripted/echo", "openai/a::base_url=http://x"]
    assert args.yes is True
    assert parse("--concurrency", "2", "-m", "b").concurrency == 2
    assert parse("-m", "b").model == ["b"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", 'model = ["x", "y"]\nconcurrency = 16\nyes = true\n[option.limits]\nseconds = 60\n'),
        ("a.yaml", "model: [x, y]\nconcurrency: 16\nyes: true\noption:\n  limits:\n    seconds: 60\n"),
    ],
)
def test_a_file_sets_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    args = parse("-c", str(file))
    assert (args.model, args.concurrency, args.yes, args.option) == (["x", "y"], 16, True, ["limits.seconds=60"])
    monkeypatch.setenv("WEIGH_CONCURRENCY", "8")
    assert parse("-c", str(file)).concurrency == 8


def test_mistakes_name_the_place_and_the_closest_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(flags.UsageError, match=r"unknown flag '--concurency'; did you mean '--concurrency'"):
        parse("--concurency", "3")
    with pytest.raises(flags.UsageError, match=r"unexpected argument 'two'"):
        parse("one", "two")
    file = tmp_path / "a.toml"
    file.write_text("concurency = 3\n")
    with pytest.raises(flags.UsageError, match=r"a\.toml: .*no flag 'concurency'; did you mean 'concurrency'"):
        parse("-c", str(file))
    file.write_text("concurrency = 'many'\n")
    with pytest.raises(flags.UsageError, match=r"a\.toml: concurrency: .*many"):
        parse("-c", str(file))
    file.write_text("concurrency = \n")
    with pytest.raises(flags.UsageError, match=r"not valid TOML"):
        parse("-c", str(file))
    with pytest.raises(flags.UsageError, match=r"cannot read .*missing\.toml"):
        parse("-c", str(tmp_path / "missing.toml"))
    monkeypatch.setenv("WEIGH_FORMAT", "tabel")
    with pytest.raises(flags.UsageError, match=r"WEIGH_FORMAT: 'tabel' is not one of .*did you mean 'table'"):
        parse()
