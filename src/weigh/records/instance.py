"""One question of a task, and nothing about how it is asked."""

from __future__ import annotations

from typing import Any

import msgspec


class Instance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One question of a task.

    Attributes:
        question: What is asked, as plain text; formatters turn it into a request.
        gold_answer: The target. A string, a number, or for multiple choice the index of the right choice.
        choices: The options of a multiple-choice question, in order.
        inputs: Whatever else a formatter, template or scorer needs (tests of a programming problem, files, ...).
        id: Names the instance within its task. Empty: taken from `metadata["id"]`, else derived from the content.
        cluster: Questions that share a passage or a source share a cluster; standard errors then allow for it.
        metadata: Free fields to filter and group by; never shown to the model and no part of its identity.
    """

    question: str = ""
    gold_answer: Any = None
    choices: tuple[str, ...] = ()
    inputs: dict[str, Any] = {}
    id: str = ""
    cluster: str | None = None
    metadata: dict[str, Any] = {}
