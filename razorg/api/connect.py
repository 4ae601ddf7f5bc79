"""``connect``: the client's front door."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from razorg.api.endpoint import ServiceCalls
from razorg.client.pool import StreamPool
from razorg.codec.base import Codec
from razorg.config import ClientConfig
from razorg.transport.address import AddressLike


class ClientPool(ServiceCalls, StreamPool):
    """Calls to one address: services, untyped calls, raw actions and blobs."""


def connect(
    address: AddressLike | Sequence[AddressLike],
    *,
    config: ClientConfig | None = None,
    codec: str | Codec = "msgpack",
    **settings: Any,
) -> ClientPool:
    """A pool for one address; it connects at the first call.

    ``address`` is ``tcp://host:port``, ``unix:///path``, ``memory://name``, ``"host:port"`` or
    ``(host, port)``; settings are the names of ClientConfig, as in ``task_timeout=5``.  Use it as
    ``with connect(…) as pool: pool.client(Service).method(…)``.  ValueError or TypeError for what
    is no address or no setting.
    """
    if isinstance(address, list):
        if len(address) != 1:
            raise ValueError(f"connect takes one address in this version, not {len(address)}")
        address = address[0]
    return ClientPool(address, codec=codec, config=config, **settings)  # type: ignore[arg-type]
