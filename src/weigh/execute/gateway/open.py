"""Makes a gateway when one is needed: its server's imports cost more than most commands take."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weigh.execute.gateway.server import Gateway


def open_gateway() -> Gateway:
    """A gateway that is not yet started: enter it to start it."""
    gateway: Gateway = import_module("weigh.execute.gateway.server").Gateway()
    return gateway
