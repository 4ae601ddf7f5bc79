"""``connect``: the client's front door."""

from __future__ import annotations

from typing import Any, overload

from razorg.api.endpoint import ServiceCalls
from razorg.client.failover import StreamFailover
from razorg.client.pool import StreamPool
from razorg.codec.base import Codec
from razorg.config import ClientConfig
from razorg.core.routing import Mode, check_mode
from razorg.transport.address import AddressLike


class ClientPool(ServiceCalls, StreamPool):
    """Calls to one address: services, untyped calls, raw actions and blobs."""


class FailoverPool(ServiceCalls, StreamFailover):
    """Calls to several addresses: what one does not answer goes to another, if it may."""


@overload
def connect(
    address: AddressLike,
    *,
    config: ClientConfig | None = None,
    mode: Mode = "round_robin",
    codec: str | Codec = "msgpack",
    **settings: Any,
) -> ClientPool: ...


@overload
def connect(
    address: list[AddressLike] | list[str] | list[tuple[str, int]],
    *,
    config: ClientConfig | None = None,
    mode: Mode = "round_robin",
    codec: str | Codec = "msgpack",
    **settings: Any,
) -> FailoverPool: ...


def connect(
    address: Any,
    *,
    config: ClientConfig | None = None,
    mode: Mode = "round_robin",
    codec: str | Codec = "msgpack",
    **settings: Any,
) -> ClientPool | FailoverPool:
    """A pool for one address, or for a list of them; it connects at the first call.

    An address is ``tcp://host:port``, ``unix:///path``, ``memory://name``, ``"host:port"`` or
    ``(host, port)``; settings are the names of ClientConfig, as in ``task_timeout=5``.  Use it as
    ``with connect(…) as pool: pool.client(Service).method(…)``.

    ``mode`` says how a list is used: ``"round_robin"``, ``"leader"`` (one, until it errs or an
    error's ``failover()`` points to another) or ``"least_loaded"`` (the better of two drawn at
    random).  ValueError or TypeError for what is no address, no mode or no setting.
    """
    check_mode(mode)
    if isinstance(address, list):
        return FailoverPool(address, mode=mode, codec=codec, config=config, **settings)
    return ClientPool(address, codec=codec, config=config, **settings)
