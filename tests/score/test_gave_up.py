"""What counts as giving up, and what only sounds like it."""

from __future__ import annotations

import pytest

from weigh.score.gave_up import declares_impossible

DECLARED = """\
I'm unable to run the model with the available tools.
I cannot complete this task because there is no tool for it.
Unfortunately, I can't classify the sentence without a model.
I am sorry, but I do not have access to a tool that can run transformers models.
I don't have the ability to execute Python code.
The task cannot be completed in this environment.
It is not possible to transcribe the audio with read, bash, edit and write.
None of the available tools can run a model, so I must stop here.
There is no way to do this here.
I give up.
I was unable to find the answer.
After several attempts I still could not load the model.
I cannot help with that.
This is impossible.
I couldn’t complete the request.
I won't be able to answer the question.
**I am unable to proceed** without the command.
I tried three ways. We were not able to install the package.
The result is unknown. I could not run the command.
"""

NOT_DECLARED = """\
The label is POSITIVE.
42
If you cannot install the package, use pip.
I could not load the model at first, but then I used the CLI and it printed POSITIVE.
I could not run it, but the label is POSITIVE.
The error said "I cannot open file".
`I cannot do it` is printed by the program.
It is impossible for a square to be negative, so x = 4.
The function cannot be called twice.
Initially I was unable to run the tests.
You can't divide by zero.
Done. I cannot stress enough that you should add tests.
The file could not be found, so I created it.
I was unable to use the CLI, so I used the pipeline. Answer: NEGATIVE
Users who do not have access should ask.
> I cannot complete this task.
I fixed the bug; the parser could not read tabs.
Whether I can run this does not matter.
"""


@pytest.mark.parametrize("text", DECLARED.splitlines())
def test_these_declare_the_task_impossible(text: str) -> None:
    assert declares_impossible(text)


@pytest.mark.parametrize("text", NOT_DECLARED.splitlines())
def test_these_do_not(text: str) -> None:
    assert declares_impossible(text) is None


def test_code_blocks_are_not_the_speaker() -> None:
    assert declares_impossible("It prints:\n```\nI cannot complete this task.\n```\nAs asked.") is None


def test_the_sentence_is_what_is_given_back() -> None:
    said = declares_impossible("I looked around. I cannot run this model here. Sorry.")
    assert said == "I cannot run this model here."
