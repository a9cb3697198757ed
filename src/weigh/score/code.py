"""Running what a model wrote against tests, inside a sandbox.

A small driver runs the program and then each test, and reports over a channel of its own with a token that the
program is not told: printing "passed", leaving with exit code 0, or replacing `print` passes no test. (Code that goes
looking for the token inside its own process could find it; no test that runs in the same process can rule that out.
What it cannot do is leave the sandbox.) Tests that did not report have failed.

`Instance.inputs` holds `tests` (one text or a list of texts, each a test), and may hold `prompt` (what a completion
continues), `entry_point` (the function wanted), `setup` (run before the program) and `timeout`.
"""

from __future__ import annotations

import secrets
from typing import Any, ClassVar

import msgspec

from weigh.protocols import ExecResult, Sandbox, ScoreContext
from weigh.records.errors import Error, Failure
from weigh.records.score import Score
from weigh.score.base import BaseScorer, reply, scorer_error
from weigh.score.driver import DRIVER
from weigh.score.program import python_program, without_fence

_PATIENCE = 2.0
_STARTING = 5.0  # seconds for the interpreter itself, on a machine with much else to do


class TestResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one test ended: `passed`, `failed` (an assertion), `error` (raised), `timeout`, `exit` (left the program)."""

    __test__: ClassVar[bool] = False  # not for pytest to collect

    name: str
    status: str
    message: str = ""
    seconds: float = 0.0


class CodeScorer(BaseScorer, frozen=True, kw_only=True):
    """1 if the program passes all its tests, else 0. Metadata: each test's result.

    Attributes:
        partial: Give the share of tests passed instead.
        seconds: CPU time allowed for each test, and for loading the program; `inputs["timeout"]` overrides it. Wall
            time may be twice that, so that a busy machine fails no program that is only waiting for its turn.
        memory_mb: Address space of the Python process, besides the sandbox's own limit.
        command: For other languages: a command that runs `{file}`, e.g. `("node", "{file}")`. The file holds setup,
            program, tests, and `footer`; it has to leave with exit code 0 and to have reached the footer.
        filename: Name of that file, e.g. `main.js`.
        footer: Code that prints `{token}`, e.g. `console.log("{token}")`.
    """

    name: str = "code"
    partial: bool = False
    seconds: float = 5.0
    memory_mb: int = 1024
    command: tuple[str, ...] = ()
    filename: str = ""
    footer: str = ""
    needs_sandbox: ClassVar[bool] = True
    timeout: ClassVar[float | None] = 600.0

    async def score(self, context: ScoreContext) -> Score:
        tests = _tests(context.instance.inputs)
        sandbox = context.sandbox if context.sandbox is not None else await context.open_sandbox()
        if self.command:
            return await self._run_file(context, sandbox, tests)
        program = python_program(reply(context), context.instance.inputs)
        results, note = await self._run_python(context.instance.inputs, sandbox, program.source, tests)
        return self._score(program.answer, results, note, {"repairs": list(program.repairs)} if program.repairs else {})

    async def _run_python(
        self, inputs: dict[str, Any], sandbox: Sandbox, source: str, tests: list[str]
    ) -> tuple[list[TestResult], str]:
        token = secrets.token_hex(16)
        seconds = float(inputs.get("timeout", self.seconds))
        job = {
            "token": token,
            "setup": str(inputs.get("setup", "")),
            "source": source,
            "tests": tests,
            "seconds": seconds,
            "patience": _PATIENCE * seconds,
            "memory": self.memory_mb << 20,
        }
        ended = await sandbox.exec(
            ["python3", "-I", "-c", DRIVER],
            stdin=msgspec.json.encode(job),
            timeout=_PATIENCE * seconds * (len(tests) + 1) + _STARTING,
            output_limit=200_000,
        )
        reports = _reports(ended.stdout, token)
        if not any("ready" in r for r in reports):
            if ended.timed_out or ended.oom:
                raise _broken("the test driver did not start in time", ended)
            raise _broken("the test driver did not start (is python3 in the sandbox?)", ended)
        loaded = next((r for r in reports if "loaded" in r), None)
        by_index = {r["test"]: r for r in reports if "test" in r}
        note = "" if loaded and loaded["loaded"] else (loaded or {}).get("message") or _why(ended)
        results = []
        for index in range(len(tests)):
            found = by_index.get(index)
            if found is None:
                status = "timeout" if ended.timed_out else "error" if note else "exit"
                results.append(TestResult(name=f"test {index + 1}", status=status, message=note or _why(ended)))
                continue
            results.append(
                TestResult(
                    name=f"test {index + 1}",
                    status=found["status"],
                    message=found.get("message", ""),
                    seconds=found.get("seconds", 0.0),
                )
            )
        return results, note

    async def _run_file(self, context: ScoreContext, sandbox: Sandbox, tests: list[str]) -> Score:
        if not self.filename or "{token}" not in self.footer:
            raise scorer_error(f"{self.name}: a command needs `filename` and a `footer` that prints {{token}}")
        inputs = context.instance.inputs
        token = secrets.token_hex(16)
        answer = without_fence(reply(context))
        parts = [str(inputs.get("setup", "")), answer, *tests, self.footer.replace("{token}", token)]
        await sandbox.write_file(self.filename, "\n".join(p for p in parts if p).encode())
        ended = await sandbox.exec(
            [part.replace("{file}", self.filename) for part in self.command],
            timeout=_PATIENCE * float(inputs.get("timeout", self.seconds)) + _STARTING,
        )
        if ended.exit_code == 127:
            raise _broken(f"{self.command[0]!r} is not in the sandbox", ended)
        passed = ended.exit_code == 0 and token in ended.stdout
        status = "passed" if passed else "timeout" if ended.timed_out else "failed"
        message = "" if passed else _why(ended)
        return self._score(answer, [TestResult(name="all", status=status, message=message)], message, {})

    def _score(self, answer: str, results: list[TestResult], note: str, extra: dict[str, Any]) -> Score:
        passed = sum(r.status == "passed" for r in results)
        value = passed / len(results) if self.partial else float(passed == len(results))
        first = next((r for r in results if r.status != "passed"), None)
        told = note or (f"{first.name}: {first.status} {first.message}".strip() if first else "")
        return Score(
            value=value,
            answer=answer,
            explanation=f"{passed} of {len(results)} tests passed" + (f"; {told}" if told else ""),
            metadata={"tests": [msgspec.to_builtins(r) for r in results], **extra},
        )


def _tests(inputs: dict[str, Any]) -> list[str]:
    tests = inputs.get("tests")
    found = [tests] if isinstance(tests, str) else list(tests or [])
    if not found:
        raise scorer_error("the instance has no tests (inputs['tests'])", code="no_tests")
    entry = inputs.get("entry_point")
    # HumanEval writes its tests as a function of the candidate, which somebody has to call.
    return [f"{t}\n\ncheck({entry})\n" if entry and "def check(" in t else str(t) for t in found]


def _reports(stdout: str, token: str) -> list[dict[str, Any]]:
    reports = []
    for line in stdout.splitlines():
        head, _, rest = line.partition(" ")
        if head == token:
            reports.append(msgspec.json.decode(rest))
    return reports


def _why(ended: ExecResult) -> str:
    if ended.timed_out:
        return f"stopped at its deadline after {ended.seconds:.1f} s"
    if ended.oom:
        return "killed by the memory limit"
    if ended.exit_code is None or ended.exit_code < 0 or ended.exit_code > 128:
        return "killed by a limit"
    tail = ended.stderr.strip().splitlines()[-1:]
    return f"the program ended with exit code {ended.exit_code} before its tests did" + (f": {tail[0]}" if tail else "")


def _broken(message: str, ended: ExecResult) -> Failure:
    detail = f"exit code {ended.exit_code}\n{ended.stderr[-2000:]}"
    return Failure(Error(kind="sandbox", code="driver", message=message, detail=detail, transient=True))
