"""The greenlet that opens a connection for an address."""

from __future__ import annotations

from typing import Any, Protocol
from weakref import ref

from gevent import getcurrent

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
    reason = ""
    try:
        stream = ClientStream(address, codec=codec, config=config)
        if must_answer:
            stream.ping(UNANSWERED_SECONDS)
    except RpcError as error:
        reason = error.message
    except Exception as error:  # a transport of the user's own may fail with anything
        reason = f"{type(error).__name__}: {error}"
    except BaseException:
        if stream is not None:
            stream.lose(ConnectionError("closed by this side"))
        raise
    owner = owner_ref()
    if owner is not None and not reason:
        assert stream is not None
        owner.opened(getcurrent(), stream)
    elif stream is not None:
        stream.lose(ConnectionError("closed by this side"))
    if owner is not None and reason:
        owner.not_opened(getcurrent(), reason)
