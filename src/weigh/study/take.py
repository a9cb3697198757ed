"""Installations that a run has taken into use: made where they are not there, and not removed until it ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Sequence
from contextlib import ExitStack

from weigh.records.errors import CapabilityError
from weigh.study.cache import locked
from weigh.study.holds import Hold
from weigh.study.installations import Installation, Notice, Recipe, build, find_installation


async def take(recipe: Recipe, holds: ExitStack, who: str, study: str, notice: Notice) -> Installation:
    """Make the installation where it is not there, and see that nobody removes it until `holds` is left."""
    while True:
        await build(recipe, notice)
        async with locked(recipe.path):
            found = find_installation(recipe.path)
            if found is not None:  # nobody removed it in between
                holds.enter_context(Hold(recipe.path, who, study))
                return found


async def take_all(
    recipes: Sequence[Recipe],
    holds: ExitStack,
    who: str,
    study: str = "",
    notice: Notice = lambda text: None,
    *,
    parallel: int = 0,
) -> list[Installation]:
    """Make several, some at a time (as many as there are cores, up to 4, unless said), and hold them.

    Raises:
        CapabilityError: All that cannot be built, one a line; the others are built.
    """
    gate = asyncio.Semaphore(parallel or min(4, os.cpu_count() or 1))

    async def one(recipe: Recipe) -> Installation:
        async with gate:
            return await take(recipe, holds, who, study, notice)

    return await together([one(recipe) for recipe in recipes])


async def together(work: Sequence[Awaitable[Installation]]) -> list[Installation]:
    """Do all of it, and only then tell what failed."""
    done = await asyncio.gather(*work, return_exceptions=True)
    failed = [str(d) for d in done if isinstance(d, CapabilityError)]
    if failed:
        raise CapabilityError("\n".join(dict.fromkeys(failed)))
    for one in done:
        if isinstance(one, BaseException):
            raise one
    return [d for d in done if isinstance(d, Installation)]
