"""Makes a gateway when one is needed: its server's imports cost more than most commands take."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weigh.execute.gateway.server import Gateway


def open_gateway(*, port: int = 0) -> Gateway:
    """A gateway that is not yet started: enter it to start it. Port 0 is any free one."""
    gateway: Gateway = import_module("weigh.execute.gateway.server").Gateway(port=port)
    return gateway
