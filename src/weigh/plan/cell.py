"""A cell is a trial that is planned: arm x task x instance x epoch, with its generation key.

The key is a hash of what the model will be given. It leaves out everything that only decides how the answer is got or
judged (concurrency, URLs, retries, scorers), so that a change there reuses what is stored, and a change of the prompt
runs exactly the cells whose prompt changed.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec

from weigh.records.instance import Instance
from weigh.records.request import LoglikelihoodRequest, Request

_encode = msgspec.json.Encoder(order="deterministic").encode


class Cell(NamedTuple):
    """One planned trial.

    Attributes:
        key: The generation key, 32 hex digits.
        arm, task, variant, instance, instance_digest, epoch: As in `weigh.records.trial.Trial`.
        request: Rendered, with the epoch's seed.
    """

    key: str
    arm: str
    task: str
    variant: str
    instance: Instance
    instance_digest: str
    epoch: int
    request: Request

    @property
    def identity(self) -> tuple[str, str, str, str, int]:
        """What the cell is within its run; equal to `Trial.cell` of the trial that comes of it."""
        return (self.arm, self.task, self.variant, self.instance.id, self.epoch)

    @property
    def named(self) -> dict[str, Any]:
        """What a trial says of the cell it came of, as fields of `Trial`; the key goes with what was generated."""
        return {
            "arm": self.arm,
            "task": self.task,
            "variant": self.variant,
            "instance": self.instance,
            "instance_digest": self.instance_digest,
            "epoch": self.epoch,
        }


def with_epoch_seed(request: Request, epoch: int) -> Request:
    """The request of a later epoch: the same, with the seed moved on by the epoch where a seed is set."""
    if epoch == 0 or isinstance(request, LoglikelihoodRequest) or request.sampling.seed is None:
        return request
    sampling = msgspec.structs.replace(request.sampling, seed=request.sampling.seed + epoch)
    return msgspec.structs.replace(request, sampling=sampling)


def generation_key(
    arm_digest: str, instance_id: str, instance_digest: str, request: Request, epoch: int, workspace: str = ""
) -> str:
    """Hash what the model is given into 32 hex digits.

    Args:
        arm_digest: `Arm.digest`: the resolved model and harness, judges excluded.
        instance_id: The id, so that two instances of equal content are two cells.
        instance_digest: Digest of the instance's content.
        request: As rendered for this epoch: prompt, tools and sampling are all in it.
        epoch: The repeat index.
        workspace: Digest of the files the trial starts with; empty where there are none.
    """
    head = f"{arm_digest}\x00{instance_id}\x00{instance_digest}\x00{epoch}\x00{workspace}\x00".encode()
    return hashlib.sha256(head + _encode(request)).hexdigest()[:32]
