"""Leases: which writer works on which part of a plan. See `Leases`."""

from __future__ import annotations

from pathlib import Path


class Leases:
    """Claims on shards by one owner (a writer). `folder` is `RunFolder.leases`."""

    def __init__(self, folder: Path, owner: str, ttl: float = 60.0) -> None: ...

    def claim(self, shard: str) -> bool:
        """Try to get a shard; never waits. After True, look again at what is done: another may have worked on it."""
        raise NotImplementedError

    def renew(self) -> list[str]:
        """Say that this owner lives; call it a few times per `ttl`. Returns shards that another has taken over."""
        raise NotImplementedError

    def release(self, shard: str) -> None:
        """Give a shard back."""
        raise NotImplementedError

    def release_all(self) -> None:
        """Give everything back."""
        raise NotImplementedError
