"""A number that can never be right is told wherever it is written: in Python, in an override, in a flag."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from weigh.cli.main import main
from weigh.define.harness import Harness, Limits, apply_overrides
from weigh.define.spec import parse_model
from weigh.define.task import TaskConfig
from weigh.execute.gateway.meter import GatewayBudget
from weigh.execute.providers.registry import open_provider
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.execute.tools.equip import equip
from weigh.execute.tools.mcp import McpServers
from weigh.pipeline.request import RunRequest
from weigh.pipeline.sandbox import sandbox_spec
from weigh.records.errors import DefinitionError


def run_request(**changes: Any) -> RunRequest:
    return RunRequest(models=("scripted/echo",), tasks=("starter",), **changes)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Limits(turns=0), "Limits: turns: expected a whole number from 1, got 0"),
        (lambda: Limits(dollars=-1.0), "Limits: dollars: expected a number above 0, got -1.0"),
        (lambda: Harness(concurrency=0), "Harness: concurrency: expected a whole number from 1, got 0"),
        (lambda: Harness(retries=-1), "Harness: retries: expected a whole number from 0, got -1"),
        (lambda: SandboxSpec(memory_mb=0), "SandboxSpec: memory_mb: expected a whole number from 1, got 0"),
        (lambda: SandboxSpec(wall_seconds=0.0), "SandboxSpec: wall_seconds: expected a number above 0, got 0.0"),
        (lambda: GatewayBudget(calls=0), "GatewayBudget: calls: expected a whole number from 1, got 0"),
        (lambda: GatewayBudget(seconds=0.0), "GatewayBudget: seconds: expected a number above 0, got 0.0"),
        (lambda: run_request(epochs=0), "RunRequest: epochs: expected a whole number from 1, got 0"),
        (lambda: run_request(temperature=-0.1), "RunRequest: temperature: expected a number from 0, got -0.1"),
        (lambda: run_request(max_seconds=0.0), "RunRequest: max_seconds: expected a number above 0, got 0.0"),
        (lambda: parse_model("scripted/echo::size=0"), "size: expected a number above 0, got 0"),
        (
            lambda: apply_overrides(Harness(), ["limits.tool_calls=0"]),
            "-o: limits.tool_calls: expected a whole number from 1, got 0",
        ),
        (lambda: apply_overrides(Harness(), ["executors=-2"]), "-o: executors: expected a whole number from 1, got -2"),
        (
            lambda: sandbox_spec(apply_overrides(Harness(), ["sandbox_options.pids=0"])),
            "sandbox_options: pids: expected a whole number from 1, got 0",
        ),
        (
            lambda: open_provider(parse_model("server/x::port=70000")),
            "server/x: port: expected a port (0 to 65535), got 70000",
        ),
        (
            lambda: open_provider(parse_model("llamacpp/x::slots=0")),
            "llamacpp/x: slots: expected a whole number from 1, got 0",
        ),
        (
            lambda: McpServers({"s": {"url": "http://x", "timeout": 0}}),
            "mcp.s: timeout: expected a number above 0, got 0",
        ),
        (
            lambda: TaskConfig(name="t").change({"sampling_params.temperature": -1}, "t"),
            "sampling_params.temperature: expected a number from 0, got -1",
        ),
    ],
)
def test_it_is_told(make: Callable[[], object], said: str) -> None:
    with pytest.raises(DefinitionError) as told:
        make()
    assert said in str(told.value)


def test_a_tools_option_is_told_with_all_else_that_is_wrong() -> None:
    _, problems = equip(("bash",), {"bash": {"seconds": -1}}, {})
    assert problems == ["tool_options.bash: seconds: expected a number above 0, got -1"]


def test_what_may_be_zero_may_be() -> None:
    assert Harness(retries=0).retries == 0
    assert run_request(temperature=0.0, allow_errors=0).temperature == 0.0
    assert Limits(seconds=1).seconds == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gateway", "--calls", "0"], "'0' is not a whole number from 1"),
        (["gateway", "--port", "99999"], "'99999' is not a port (0 to 65535)"),
        (["gateway", "--seconds", "nan"], "'nan' is not a number above 0"),
        (["gateway", "--dollars", "-1"], "'-1' is not a number above 0"),
        (["study", "run", "--max-seconds", "0"], "'0' is not a number above 0"),
        (["study", "plan", "-k", "0"], "'0' is not a whole number from 1"),
        (["run", "--temperature", "-1"], "'-1' is not a number from 0"),
        (["duel", "--temperature", "inf"], "'inf' is not a number from 0"),
        (["ls", "runs", "-n", "-3"], "'-3' is not a whole number from 1"),
        (["judge", "check", "x.jsonl", "--level", "2"], "'2' is not a level between 0.5 and 1"),
    ],
)
def test_a_flag_is_told(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err
