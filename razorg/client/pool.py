"""A pool of one address."""

from __future__ import annotations

from time import monotonic

from razorg.client.connections import Connections
from razorg.client.journey import Journey
from razorg.client.routed import RoutedCalls
from razorg.codec.base import Codec
from razorg.config import ClientConfig
from razorg.errors import ConnectionLost, LocalProtocolError
from razorg.transport.address import Address

#: How often a request of which nothing was sent moves to another connection.
_MOVES_MAX = 3


class StreamPool(RoutedCalls):
    """Connections of one hub to one address, as many as its calls need.

    A request of which nothing was sent when its connection ended moves to another one; nothing
    else is sent twice.
    """

    def __init__(self, address: Address, codec: Codec, config: ClientConfig) -> None:
        super().__init__(codec, config)
        self._place = self.only_place = Connections(address, codec, config)

    @property
    def address(self) -> str:
        return self._place.address

    def places(self) -> list[Connections]:
        return [self._place]

    def next_place(self, journey: Journey, error: Exception) -> Connections | None:
        if not isinstance(error, ConnectionLost) or error.sent != "no" or not journey.time_left():
            return None
        if self._place.is_closed:  # by this side: that is what ended it
            return None
        return self._place if len(journey.tried) <= _MOVES_MAX else None

    def ping(self, timeout: float | None) -> float:
        since = monotonic()
        stream = self._place.stream(timeout)
        if timeout is not None:
            timeout = max(timeout - (monotonic() - since), 0.0)
        return stream.ping(timeout)

    def close(self, timeout: float | None, text: str) -> None:
        self._place.close(lambda: LocalProtocolError(text), timeout)

    def describe(self) -> str:
        return self._place.describe()
