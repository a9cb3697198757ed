"""Tasks that bring their own program: it answers many cells at once, so blocks are taken by task and arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import msgspec

from weigh.define.external import ExternalEval
from weigh.define.prepared import PreparedTask
from weigh.pipeline.claims import Claims
from weigh.pipeline.external import ExternalContext, run_external
from weigh.plan.matrix import Block, Transform


async def run_programs(
    tasks: Sequence[PreparedTask],
    waiting: Sequence[Block],
    claims: Claims,
    context: ExternalContext,
    transforms: Mapping[str, Transform | None],
) -> list[Block]:
    """Work through the blocks of tasks that bring their own program; returns the others.

    Args:
        tasks: Of the run.
        waiting: Blocks of arms of one model.
        claims: Gives what this process may take.
        context: What the programs are given, but for the arm's `transform`.
        transforms: What each arm changes of a rendered request, by the arm's id.
    """
    programs = {(t.name, t.variant): t.task for t in tasks if isinstance(t.task, ExternalEval)}
    left = [b for b in waiting if (b.column.task.name, b.column.task.variant) not in programs]
    for (key, task), arm in product(programs.items(), dict.fromkeys(b.arm.id for b in waiting)):
        if context.stop.requested:
            break
        own = [b for b in waiting if (b.column.task.name, b.column.task.variant) == key and b.arm.id == arm]
        async for cells in claims.rounds(own):
            await run_external(task, cells, msgspec.structs.replace(context, transform=transforms[arm]))
    return left
