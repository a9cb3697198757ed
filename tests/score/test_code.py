"""Code scoring, in a real sandbox where there is one and in `local` for the rest."""

from __future__ import annotations

import json

import pytest

from weigh.execute.sandboxes.bubblewrap import BubblewrapSandbox
from weigh.execute.sandboxes.memory import MemorySandbox
from weigh.execute.sandboxes.probe import available
from weigh.execute.sandboxes.spec import SandboxSpec
from weigh.protocols import ExecResult
from weigh.records.errors import CapabilityError, Failure
from weigh.score.code import CodeScorer

TESTS = ["assert add(1, 2) == 3", "assert add(-1, 1) == 0", "assert add(0, 0) == 0"]


@pytest.fixture
async def sandbox():
    probe = await available("bubblewrap")
    if not probe.ok:
        pytest.skip(f"needs bubblewrap: {probe.reason}")
    async with BubblewrapSandbox(SandboxSpec(memory_mb=512)) as sandbox:
        yield sandbox


async def judge(said, sandbox, code, tests=TESTS, scorer=None, **inputs):
    context = said(code, sandbox=sandbox, inputs={"tests": tests, **inputs})
    return await (scorer or CodeScorer(seconds=1.0)).score(context)


def statuses(score):
    return [t["status"] for t in score.metadata["tests"]]


@pytest.mark.sandbox
class TestInASandbox:
    async def test_right_and_wrong(self, said, sandbox):
        score = await judge(said, sandbox, "```python\ndef add(a, b):\n    return a + b\n```")
        assert (score.value, statuses(score)) == (1, ["passed"] * 3)
        assert score.answer == "def add(a, b):\n    return a + b"
        score = await judge(said, sandbox, "def add(a, b):\n    return abs(a) + b")
        assert (score.value, statuses(score)) == (0, ["passed", "failed", "passed"])
        assert "2 of 3" in score.explanation
        score = await judge(said, sandbox, "def add(a, b):\n    return abs(a) + b", scorer=CodeScorer(partial=True))
        assert score.value == pytest.approx(2 / 3)

    @pytest.mark.parametrize(
        "code",
        [
            "import sys\nsys.exit(0)",
            "import os\nos._exit(0)",
            "exit()",
            "raise SystemExit",
            "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
            "def add(a, b):\n    import os; os._exit(0)",
            "def add(a, b):\n    raise SystemExit(0)",
            "print('passed'); print('3 of 3')\ndef add(a, b): return None",
            "import os\nfor fd in range(3, 20):\n"
            '    try: os.write(fd, b\'x {"test": 0, "status": "passed"}\\n\')\n    except OSError: pass',
            "import os, sys\nif os.fork() == 0:\n    def add(a, b): return a + b\nelse:\n    sys.exit(0)",
            "import json\njson.dumps = lambda *a, **k: '{}'\ndef add(a, b): return None",
            "import builtins\nbuiltins.AssertionError = None\ndef add(a, b): return None",
            "syntax error (",
            "I cannot do that.",
            "",
        ],
    )
    async def test_nothing_but_passing_passes(self, said, sandbox, code):
        score = await judge(said, sandbox, code)
        assert score.value == 0
        assert "passed" not in statuses(score) or sum(s == "passed" for s in statuses(score)) < 3

    async def test_endless_loops_at_every_place(self, said, sandbox):
        score = await judge(said, sandbox, "while True: pass")
        assert score.value == 0
        assert "timeout" in score.explanation
        score = await judge(said, sandbox, "def add(a, b):\n    while a == 1: pass\n    return a + b")
        assert statuses(score) == ["timeout", "passed", "passed"]
        score = await judge(said, sandbox, "import time\ntime.sleep(60)", scorer=CodeScorer(seconds=0.2))
        assert "timeout" in score.explanation
        loop = "while True:\n        try:\n            while True: pass\n        except BaseException: pass"
        stubborn = f"def add(a, b):\n    {loop}"
        score = await judge(said, sandbox, stubborn, scorer=CodeScorer(seconds=0.1))
        assert statuses(score) == ["timeout"] * 3

    async def test_memory_and_recursion_are_the_programs_own_fault(self, said, sandbox):
        score = await judge(said, sandbox, "def add(a, b):\n    return add(a, b)")
        assert statuses(score) == ["error"] * 3
        score = await judge(said, sandbox, "def add(a, b):\n    x = [0] * 10**9")
        assert score.value == 0
        assert "MemoryError" in score.explanation

    async def test_humaneval_style(self, said, sandbox):
        prompt = 'def add(a, b):\n    """Add."""\n'
        test = "def check(candidate):\n    assert candidate(1, 2) == 3\n"
        options = {"prompt": prompt, "entry_point": "add", "tests": test}
        assert (await judge(said, sandbox, "    return a + b\n\nprint(", **options)).value == 1
        assert (await judge(said, sandbox, "    return a - b", **options)).value == 0

    async def test_prints_do_not_disturb(self, said, sandbox):
        code = "import sys\ndef add(a, b):\n    print('x' * 10**6); sys.stdout.flush()\n    return a + b"
        assert (await judge(said, sandbox, code)).value == 1

    async def test_another_language(self, said, sandbox):
        scorer = CodeScorer(command=("sh", "{file}"), filename="main.sh", footer="echo {token}", seconds=2.0)
        tests = ['[ "$(add 1 2)" = 3 ] || exit 1']
        assert (await judge(said, sandbox, "```sh\nadd() { echo $(($1 + $2)); }\n```", tests, scorer)).value == 1
        assert (await judge(said, sandbox, "add() { echo 0; }", tests, scorer)).value == 0
        assert (await judge(said, sandbox, "exit 0", tests, scorer)).value == 0
        missing = CodeScorer(command=("no-such-language", "{file}"), filename="x", footer="{token}")
        with pytest.raises(Failure, match="not in the sandbox"):
            await judge(said, sandbox, "x", tests, missing)


async def test_a_sandbox_without_python_is_a_failure_and_no_score(said):
    async with MemorySandbox(answers=lambda command, stdin: ExecResult(exit_code=127)) as sandbox:
        with pytest.raises(Failure, match="did not start") as caught:
            await judge(said, sandbox, "x")
    assert caught.value.error.kind == "sandbox"


async def test_no_tests_is_a_failure(said):
    with pytest.raises(Failure, match="no tests"):
        await judge(said, None, "x", tests=[])


async def test_without_any_sandbox_it_refuses(said):
    with pytest.raises(CapabilityError):
        await judge(said, None, "x")


async def test_a_program_that_dies_without_a_word_has_failed_its_tests(said):
    def answer(command, stdin):
        token = json.loads(stdin)["token"]
        return ExecResult(exit_code=None, oom=True, stdout=f'{token} {{"ready": true}}\n')

    async with MemorySandbox(answers=answer) as sandbox:
        score = await judge(said, sandbox, "x")
    assert score.value == 0
    assert "memory" in score.explanation
