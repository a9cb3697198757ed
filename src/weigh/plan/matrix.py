"""The matrix of a run: every arm with every task, instance and epoch, made one cell at a time.

Cells are generated lazily and nothing of them is kept, so the memory of a run does not grow with its number of trials.
They come in blocks of neighbouring instances; a block is what a writer leases, so that several processes can share
one plan. Blocks are cut by an instance's position in the whole task: a larger limit leaves them where they were.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol

import msgspec

from weigh.plan.cell import Cell, generation_key, with_epoch_seed
from weigh.records.arm import Arm
from weigh.records.instance import Instance
from weigh.records.request import Request

BLOCK = 64
MAX_BLOCKS = 256


class Renderable(Protocol):
    """What the matrix needs of a prepared task (`weigh.define.task.PreparedTask` is one)."""

    name: str
    variant: str

    def render(self, instance: Instance) -> Request: ...

    def instance_digest(self, instance: Instance) -> str: ...


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One task of the matrix with the instances that were selected from it.

    Attributes:
        task: Renders requests.
        instances: (position in the whole task, instance), in the order to run them.
        total: How many instances the task has in all.
        epochs: How often each is asked; None is as often as the run says.
    """

    task: Renderable
    instances: Sequence[tuple[int, Instance]]
    total: int
    epochs: int | None = None


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Neighbouring cells of one arm and task: what is leased.

    Attributes:
        shard: Name of the lease, stable for the same run.
        arm, column: Where the cells lie.
        start, stop: The part of `column.instances`.
    """

    shard: str
    arm: Arm
    column: Column
    start: int
    stop: int


def block_size(total: int) -> int:
    """Instances a block: small enough to share, large enough that leases cost nothing."""
    return max(BLOCK, -(-total // MAX_BLOCKS))


def blocks(arms: Sequence[Arm], columns: Sequence[Column]) -> Iterator[Block]:
    """Every block of the matrix, arm by arm, so that one model is loaded at a time."""
    for arm in arms:
        for column in columns:
            size = block_size(column.total)
            start = 0
            while start < len(column.instances):
                number = column.instances[start][0] // size
                stop = start + 1
                while stop < len(column.instances) and column.instances[stop][0] // size == number:
                    stop += 1
                yield Block(
                    shard=f"{arm.digest[:12]}.{column.task.name}.{column.task.variant}.{number}",
                    arm=arm,
                    column=column,
                    start=start,
                    stop=stop,
                )
                start = stop


Transform = Callable[[Request], Request]


def block_cells(block: Block, epochs: int, transform: Transform | None = None) -> Iterator[Cell]:
    """The cells of one block, the epochs of an instance next to each other.

    Args:
        epochs: Where the block's task does not say its own.
        transform: What the harness adds to a rendered request (system prompt, tools).
    """
    task, arm = block.column.task, block.arm
    for index in range(block.start, block.stop):
        instance = block.column.instances[index][1]
        request = task.render(instance)
        if transform is not None:
            request = transform(request)
        content = task.instance_digest(instance)
        for epoch in range(block.column.epochs or epochs):
            seeded = with_epoch_seed(request, epoch)
            yield Cell(
                generation_key(arm.digest, instance.id, content, seeded, epoch),
                arm.id,
                task.name,
                task.variant,
                instance,
                content,
                epoch,
                seeded,
            )


def count_cells(arms: Collection[Arm], columns: Collection[Column], epochs: int) -> int:
    """How many cells the matrix has."""
    return len(arms) * sum((c.epochs or epochs) * len(c.instances) for c in columns)
