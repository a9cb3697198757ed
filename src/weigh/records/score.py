"""The judgement of one scorer on one trial."""

from __future__ import annotations

from typing import Any

import msgspec

from weigh.records.errors import Error


class Score(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A value a scorer gave, or the reason why it could give none.

    Attributes:
        value: Finite; None exactly when the scorer failed (`error`) or declined (`explanation` says why).
        digest: The digest of the scorer that gave it; editing a scorer changes it, and the trial is scored anew.
        answer: What the scorer took to be the model's answer.
        explanation: Why this value, for a person.
        error: Set when the scorer failed; such a trial counts as failed, not as 0.
        metadata: Further facts (results of single tests, a judge's votes).
    """

    value: float | None = None
    digest: str = ""
    answer: str | None = None
    explanation: str | None = None
    error: Error | None = None
    metadata: dict[str, Any] = {}
