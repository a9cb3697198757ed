"""Runs the scorers of a task on one trial; whatever goes wrong becomes a failed score, never a number.

A scorer that raises, takes too long, or gives NaN or infinity yields a `Score` with an `Error`. A scorer that fails
does not keep the others from their work. Scorers that never wait (`timeout` None) are called without a timer, so a
plain comparison costs a few microseconds.
"""

from __future__ import annotations

import asyncio
import math
import traceback
from collections.abc import Iterable, Mapping

import msgspec

from weigh.protocols import ScoreContext, Scorer
from weigh.records.errors import CapabilityError, Error, ErrorKind, Failure
from weigh.records.score import Score

DEFAULT_TIMEOUT = 60.0


async def score_trial(
    scorers: Mapping[str, Scorer] | Iterable[Scorer], context: ScoreContext, names: Iterable[str] | None = None
) -> dict[str, Score]:
    """Score one trial.

    Args:
        scorers: By name, or in order.
        context: The question, what happened, and what a scorer may use.
        names: Only these; None for all.

    Returns:
        A score for every scorer asked for, by name, each with its scorer's digest.
    """
    every = scorers.values() if isinstance(scorers, Mapping) else scorers
    wanted = None if names is None else frozenset(names)
    return {s.name: await _score(s, context) for s in every if wanted is None or s.name in wanted}


def no_match_scores(scorers: Mapping[str, Scorer] | Iterable[Scorer], reason: str) -> dict[str, Score]:
    """The scores of an outcome that is no answer (timeout, limit, refusal), which counts as no match."""
    every = scorers.values() if isinstance(scorers, Mapping) else scorers
    return {s.name: Score(value=s.no_match, digest=s.digest(), explanation=f"no answer: {reason}") for s in every}


def looks_at_outcomes(scorer: Scorer) -> bool:
    """Whether a scorer is asked about trials that ended without an answer too."""
    return bool(getattr(scorer, "on_outcomes", False))


async def _score(scorer: Scorer, context: ScoreContext) -> Score:
    digest = ""
    timeout: float | None = getattr(scorer, "timeout", DEFAULT_TIMEOUT)
    try:
        digest = scorer.digest()
        if timeout is None:
            score = await scorer.score(context)
        else:
            async with asyncio.timeout(timeout):
                score = await scorer.score(context)
        return _checked(scorer, score, digest)
    except Failure as failure:
        return Score(digest=digest, error=failure.error)
    except CapabilityError as error:
        return _failed(digest, "capability", f"{scorer.name}: {error}")
    except TimeoutError:
        return _failed(digest, "timeout", f"{scorer.name} did not finish within {timeout:g} s")
    except Exception as error:  # noqa: BLE001 - a scorer is anybody's code; its failure is recorded, not swallowed
        message = f"{scorer.name} raised {type(error).__name__}: {error}"
        return _failed(digest, type(error).__name__, message[:500], traceback.format_exc(limit=-6))


def _checked(scorer: Scorer, score: object, digest: str) -> Score:
    if not isinstance(score, Score):
        return _failed(digest, "wrong_type", f"{scorer.name} gave {type(score).__name__}, not a Score")
    value = score.value
    if value is not None and not math.isfinite(value):
        return _failed(digest, "nan", f"{scorer.name} gave {value}, which is no score")
    if value is None and score.error is None and score.explanation is None:
        return _failed(digest, "no_value", f"{scorer.name} gave neither a value nor a reason")
    if score.digest:
        return score
    return msgspec.structs.replace(score, digest=digest)


def _failed(digest: str, code: str, message: str, detail: str | None = None, kind: ErrorKind = "scorer") -> Score:
    return Score(digest=digest, error=Error(kind=kind, code=code, message=message, detail=detail))
