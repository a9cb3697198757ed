"""From a question's calls and what the program reported of it to a trial."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from weigh.define.external import Reported, finite
from weigh.execute.gateway.session import Call
from weigh.execute.trials import trial_id
from weigh.pipeline.external_calls import steps
from weigh.pipeline.scoring import Scoring
from weigh.plan.cell import Cell
from weigh.records.errors import Error
from weigh.records.request import Output
from weigh.records.score import Score
from weigh.records.trajectory import Trajectory
from weigh.records.trial import ERROR, Attempt, Timing, Trial
from weigh.records.usage import Usage, add_usage


class ProgramTrials:
    """Makes the trials of one start of a program, which begins now.

    Args:
        run: The run's id.
        program: Names the start; it is in the trials' metadata.
        scoring: Judges them.
    """

    def __init__(self, run: str, program: str, scoring: Scoring) -> None:
        self._run, self._program, self._scoring = run, program, scoring
        self._began, self._clock = time.time(), time.monotonic()

    async def judged(self, cell: Cell, result: Reported, own: Sequence[Call]) -> Trial:
        """A question for which the program reported a result, scored."""
        trajectory = self._trajectory(cell, own, result)
        scores = await self._scoring.score(cell, trajectory, None)
        failed = next((s.error for s in scores.values() if s.error is not None), None)
        return self.trial(
            cell,
            self._scoring.status(cell, trajectory, scores) if failed is None else ERROR,
            own,
            error=failed,
            result=result,
            trajectory=trajectory,
            scores=scores,
        )

    async def outcome(self, cell: Cell, status: str, own: Sequence[Call]) -> Trial:
        """A question that ended without a result, as `status` says; it counts as no match."""
        trajectory = msgspec.structs.replace(self._trajectory(cell, own, None), stop_reason=status)
        scores = await self._scoring.no_match(cell, trajectory)
        return self.trial(cell, status, own, trajectory=trajectory, scores=scores)

    def _trajectory(self, cell: Cell, own: Sequence[Call], result: Reported | None) -> Trajectory:
        last = own[-1] if own else None
        output = (last.output if last else None) or Output()
        metadata: dict[str, Any] = {}
        if result is not None:
            metadata["reported"] = finite(result.scores)
            if result.answer is not None:
                metadata["answer"] = result.answer
                if not own:
                    output = Output(text=result.answer)
        return Trajectory(
            request=last.request if last else cell.request,
            output=output,
            steps=steps(own, self._began) if len(own) > 1 else (),
            usage=_usage(own),
            metadata=metadata,
        )

    def trial(
        self,
        cell: Cell,
        status: str,
        own: Sequence[Call],
        *,
        error: Error | None = None,
        result: Reported | None = None,
        trajectory: Trajectory | None = None,
        scores: dict[str, Score] | None = None,
    ) -> Trial:
        """The trial of a question as it is known.

        Args:
            cell: What was asked.
            status: How it ended.
            own: The question's calls of the model.
            error: Why it failed; None when it did not.
            result: What the program reported.
            trajectory, scores: What came of it.
        """
        model = sum(c.seconds for c in own)
        seconds = result.seconds if result else None
        if seconds is None and own:
            seconds = own[-1].at + own[-1].seconds - own[0].at
        if seconds is None:
            seconds = time.monotonic() - self._clock  # of the whole program: nobody knows this question's own
        started = own[0].at if own else self._began
        metadata: dict[str, Any] = {"program": self._program, "model_calls": len(own)}
        if result is not None and result.metadata:
            metadata["reported"] = result.metadata
        return Trial(
            id=trial_id(),
            run=self._run,
            key=cell.key,
            **cell.named,
            status=status,
            error=error,
            trajectory=trajectory,
            scores=scores or {},
            attempts=(Attempt(started=started, seconds=round(seconds, 6), error=error),),
            timing=Timing(started=started, total=round(seconds, 6), model=round(model, 6) if own else None),
            usage=_usage(own),
            metadata=metadata,
        )


def _usage(own: Sequence[Call]) -> Usage:
    return add_usage([c.output.usage for c in own if c.output is not None]) if own else Usage()
