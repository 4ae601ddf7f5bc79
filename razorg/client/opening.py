"""The greenlet that opens a connection for an address."""

from __future__ import annotations

from typing import Any, Protocol
from weakref import ref

from gevent import Timeout, getcurrent

from razorg.client.stream import ClientStream
from razorg.codec.base import Codec
from razorg.config import ClientConfig
from razorg.core.heartbeat import UNANSWERED_SECONDS
from razorg.errors import RpcError
from razorg.transport.address import Address


class Owner(Protocol):
    """Who wants the connection; it may be gone when it is there."""

    def opened(self, opener: Any, stream: ClientStream) -> None:
        """Here it is."""

    def not_opened(self, opener: Any, reason: str) -> None:
        """There is none."""


def open_stream(
    owner_ref: ref[Owner], address: Address, codec: Codec, config: ClientConfig, must_answer: bool
) -> None:
    """Connect, and hand the stream to the owner; ``must_answer``: once it has answered a ping."""
    stream: ClientStream | None = None
    reason = "the attempt was stopped"
    try:
        stream = ClientStream(address, codec=codec, config=config)
        if must_answer:
            stream.ping(UNANSWERED_SECONDS)
        reason = ""
    except RpcError as error:
        reason = error.message or type(error).__name__
    except (Exception, Timeout) as error:  # a transport of the user's own may fail with anything
        reason = f"{type(error).__name__}: {error}"
    finally:
        owner = owner_ref()
        if stream is not None and (reason or owner is None):
            stream.lose(ConnectionError("closed by this side"))
        if owner is not None and reason:
            owner.not_opened(getcurrent(), reason)
        elif owner is not None and stream is not None:
            owner.opened(getcurrent(), stream)
