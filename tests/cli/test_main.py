"""The frame: commands are found, only the one asked for is imported, failures become exit codes."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from weigh.cli import flags
from weigh.cli.commands import ALIASES, COMMANDS
from weigh.cli.main import main


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", text, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_builds_and_documents_each_flag(name: str) -> None:
    parser = flags.build(name, importlib.import_module(COMMANDS[name].module))
    for action in parser._actions:
        assert action.help, f"{name}: {action.dest} has no help"
    names = [flags.long_name(a) for a in flags.options(parser)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_its_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*name.split(), "--help"])
    assert ended.value.code == 0
    assert f"usage: weigh {name}" in " ".join(capsys.readouterr().out.split())


def test_every_command_is_in_the_reference() -> None:
    reference = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    for name in COMMANDS:
        assert f"## weigh {name}\n" in reference, f"docs/cli.md lacks `weigh {name}` (make docs writes it)"


def test_aliases_point_at_commands() -> None:
    assert set(ALIASES.values()) <= set(COMMANDS)


def test_unknown_command_gets_the_closest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctr"]) == 2
    assert (
        capsys.readouterr().err == "weigh: unknown command 'doctr'; did you mean 'doctor'? (weigh --help lists them)\n"
    )
    assert main(["ls", "taks"]) == 2
    assert "did you mean 'tasks'?" in capsys.readouterr().err


def test_a_group_alone_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 2
    assert "runs verify" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"weigh \d+\.\d+.*\n", capsys.readouterr().out)


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from weigh.cli.main import main; main(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    for module in ("msgspec", "argparse", "rich", "numpy", "duckdb", "asyncio", "aiohttp", "weigh.pipeline"):
        assert f"'{module}'" not in loaded, module


def test_a_reader_that_leaves_is_no_error() -> None:
    command = f"{sys.executable} -m weigh.cli.main --help | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
