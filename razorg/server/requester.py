"""What a dispatch knows of the connection that a request came from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from razorg.codec.base import Codec
from razorg.config import ServerConfig
from razorg.link.seldom import Seldom
from razorg.server.peer import Peer
from razorg.wire.heads import Frame


class Requester(Protocol):
    """A session, or what stands before it for one request."""

    peer: Peer
    codec: Codec
    config: ServerConfig
    #: The server's log, for what peers can cause.
    seldom: Seldom

    def answer(self, frame: Frame) -> None:
        """Send the one answer of a request; may block while the peer does not read."""

    def failing(self, error: BaseException) -> None:
        """Hear of the error that the answer will be made of."""

    def call_soon(self, function: Callable[..., Any], *args: Any) -> None:
        """Call it in the hub of the session; from whatever thread, or the garbage collector."""
