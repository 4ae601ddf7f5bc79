"""A pool of one address."""

from __future__ import annotations

from typing import Any, TypeVar

from razorg.client.connections import Connections
from razorg.client.journey import Journey
from razorg.client.routed import RoutedCalls
from razorg.codec.base import Codec
from razorg.config import ClientConfig
from razorg.errors import ConnectionLost, LocalProtocolError
from razorg.transport import registry
from razorg.transport.address import AddressLike

PoolT = TypeVar("PoolT", bound="StreamPool")

#: How often a request of which nothing was sent moves to another connection.
_MOVES_MAX = 3


class StreamPool(RoutedCalls):
    """Connections to one address, as many as its calls need.  The constructor does no I/O.

    A request of which nothing was sent when its connection ended moves to another one; nothing
    else is sent twice.
    """

    def __init__(
        self,
        address: AddressLike,
        *,
        codec: str | Codec = "msgpack",
        config: ClientConfig | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(codec, config, settings)
        place = Connections(registry.checked_address(address), self.codec, self.config)
        self._place = self.only_place = place
        self.address = place.address

    def next_place(self, journey: Journey, error: Exception) -> Connections | None:
        if not isinstance(error, ConnectionLost) or error.sent != "no" or not journey.time_left():
            return None
        return self._place if len(journey.tried) <= _MOVES_MAX else None

    @property
    def in_flight(self) -> int:
        """How many calls wait for their response."""
        return self._place.in_flight

    def ping(self, timeout: float | None = None) -> float:
        """Wait for a pong; returns the seconds it took."""
        stream, timeout = self._place.stream(timeout)
        return stream.ping(timeout)

    def close(self, timeout: float | None = None) -> None:
        """Take no more calls, wait for the replies to those in flight, then disconnect.

        Blocks until they have settled, at most ``timeout`` seconds (default: ``task_timeout``);
        what is left then ends with ConnectionLost.  Idempotent.
        """
        text = f"{self!r} is closed"
        self._place.close(lambda: LocalProtocolError(text), timeout)

    def __enter__(self: PoolT) -> PoolT:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.address} {self._place.describe()}>"
