"""What all connections of one peer may have together."""

from __future__ import annotations

from razorg.config import ServerConfig
from razorg.link.seldom import Seldom


class Share:
    """What each connection of one peer may have; one object for all of them."""

    __slots__ = ("connections", "max_running", "max_unwritten_bytes", "origin")

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.connections = 0
        self.max_running = 0
        self.max_unwritten_bytes = 0


class Quotas:
    """Counts connections by where they come from, and shares out what their peer may have.

    Each connection of a peer gets an equal part, so that nothing has to be counted in a call.
    """

    def __init__(self, config: ServerConfig, seldom: Seldom) -> None:
        self._config = config
        self._shares: dict[str, Share] = {}
        self._seldom = seldom

    def enter(self, origin: str) -> Share | None:
        """The share of one more connection; None, and logged, when there are enough."""
        share = self._shares.get(origin)
        if share is None:
            share = self._shares[origin] = Share(origin)
        elif share.connections >= self._config.max_connections_per_peer:
            self._seldom.warning(
                "%s has %d connections: one more was closed", origin, share.connections
            )
            return None
        self._count(share, 1)
        return share

    def leave(self, share: Share) -> None:
        """One less."""
        self._count(share, -1)
        if not share.connections:
            del self._shares[share.origin]

    def _count(self, share: Share, change: int) -> None:
        config = self._config
        share.connections = count = share.connections + change
        if count:
            share.max_running = min(
                config.max_running, max(config.max_running_per_peer // count, 1)
            )
            share.max_unwritten_bytes = min(
                config.max_unwritten_bytes, max(config.max_unwritten_bytes_per_peer // count, 1)
            )
