"""The part of a plan that this process works on: the blocks whose lease it holds, less what the store already has.

Several processes may work on one run. Each takes blocks that nobody holds, and comes back for the others once it has
nothing left: they are done by then, or their holder died and the lease is free.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager

from weigh.execute.stop import StopSignal
from weigh.pipeline.reuse import Reuse, copy_block
from weigh.plan.cell import Cell
from weigh.plan.matrix import Block
from weigh.store.journal import JournalWriter
from weigh.store.leases import Leases

LEASE_SECONDS = 60.0
"""How long a lease lasts that is not renewed."""
POLL_SECONDS = 0.2
"""How often a process that has nothing left looks whether a block that another one holds has become free."""


class Claims:
    """Takes blocks, copies what other runs have of them, and gives the cells that are to be run.

    Args:
        run: The run's id.
        cells: Renders the cells of a block.
        reuse: Decides what has to be done about a cell.
        journal: Where copies go; also what has to be durable before a block is given back.
        leases: Of the run.
        stop: Ends the waiting.
    """

    def __init__(
        self,
        run: str,
        cells: Callable[[Block], Iterator[Cell]],
        reuse: Reuse,
        journal: JournalWriter,
        leases: Leases,
        stop: StopSignal,
    ) -> None:
        self.reuse, self.journal = reuse, journal
        self._run, self._cells, self._leases, self._stop = run, cells, leases, stop
        self._copied: set[tuple[str, str, str, str, int]] = set()

    def claim(self, block: Block) -> bool:
        """Take a block; False while another process holds it."""
        return self._leases.claim(block.shard)

    async def give_back(self) -> None:
        """Give all blocks back, once what was done of them is durable."""
        await self.journal.flush()
        self._leases.release_all()

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Say from time to time that this process lives."""
        renewal = asyncio.create_task(self._renew())
        try:
            yield
        finally:
            renewal.cancel()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 4)
            self._leases.renew()

    async def copy(self, blocks: Sequence[Block]) -> list[Block]:
        """Copy what other runs have; returns the blocks in which something is left to run."""
        if not len(self.reuse.generations):
            return list(blocks)
        left: list[Block] = []
        for block in blocks:
            if not self.claim(block):
                left.append(block)
                continue
            self.reuse.refresh()
            fates = [(cell, self.reuse.fate(cell)) for cell in self._cells(block)]
            wanted = [cell for cell, fate in fates if fate == "copy"]
            copied, missing = await copy_block(wanted, self.reuse, self.journal, self._run)
            if missing or any(fate == "run" for _, fate in fates):
                left.append(block)
                self._copied.update(t.cell for t in copied)
            if self._stop.requested:
                return left
        await self.journal.flush()
        return left

    async def rounds(self, blocks: Sequence[Block]) -> AsyncIterator[Iterator[Cell]]:
        """The cells to run: first those of all blocks that are free, then of those that have become free, and so on.

        A round is to be worked through before the next is asked for. There is none after a request to stop.
        """
        waiting = list(blocks)
        while waiting:
            contested: list[Block] = []
            yield self._free_cells(waiting, contested)
            if self._stop.requested:
                return
            # What is done is given back first: two processes that each wait for the other's blocks would wait
            # for ever. Others then finish what they hold, or die and leave it to us.
            await self.give_back()
            waiting = contested
            if waiting and not await self._stop.sleep(POLL_SECONDS):
                return

    def _free_cells(self, waiting: Sequence[Block], contested: list[Block]) -> Iterator[Cell]:
        """The cells to run of every block that this process can lease; blocks of others are noted for later."""
        for block in waiting:
            if not self.claim(block):
                contested.append(block)
                continue
            self.reuse.refresh()
            if self.reuse.nothing_stored:
                yield from self._cells(block)
            else:
                yield from (cell for cell in self._cells(block) if self._remains(cell))

    def _remains(self, cell: Cell) -> bool:
        """Whether a cell is to be run; one that should have been copied is, when the copy was not there after all."""
        fate = self.reuse.fate(cell)
        return fate == "run" or (fate == "copy" and cell.identity not in self._copied)
