"""``connect``: the client's front door."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from razorg.api.following import FollowingPool
from razorg.api.pools import ClientPool, FailoverPool
from razorg.codec.base import Codec
from razorg.config import ClientConfig
from razorg.core.chain import Interceptor
from razorg.core.figures import Observer
from razorg.core.routing import Mode, check_mode
from razorg.discovery.registry import is_resolved
from razorg.transport.address import AddressLike


@overload
def connect(
    address: AddressLike,
    *,
    config: ClientConfig | None = None,
    mode: Mode = "round_robin",
    codec: str | Codec = "msgpack",
    interceptors: Sequence[Interceptor] = (),
    observer: Observer | None = None,
    **settings: Any,
) -> ClientPool: ...


@overload
def connect(
    address: list[AddressLike] | list[str] | list[tuple[str, int]],
    *,
    config: ClientConfig | None = None,
    mode: Mode = "round_robin",
    codec: str | Codec = "msgpack",
    interceptors: Sequence[Interceptor] = (),
    observer: Observer | None = None,
    **settings: Any,
) -> FailoverPool: ...


def connect(
    address: Any,
    *,
    config: ClientConfig | None = None,
    mode: Mode = "round_robin",
    codec: str | Codec = "msgpack",
    interceptors: Sequence[Interceptor] = (),
    observer: Observer | None = None,
    **settings: Any,
) -> ClientPool | FailoverPool:
    """A pool for one address, or for a list of them; it connects at the first call.

    An address is ``tcp://host:port``, ``tls://host:port``, ``unix:///path``, ``memory://name``,
    ``"host:port"`` or ``(host, port)``; settings are the names of ClientConfig, as in
    ``task_timeout=5``.  Use it as ``with connect(…) as pool: pool.client(Service).method(…)``.

    The URL of a resolver (``zk://``, ``etcd://``, ``dns+tcp://``, ``dns+srv://``, ``file://``, or
    one of ``register_resolver``) gives a FailoverPool whose addresses follow what it tells; as the
    only item of a list, type checkers see that, too.

    ``interceptors`` are called around each call, the first outermost:
    ``interceptor(call, proceed)`` gets a ClientCall, and goes on with ``proceed(call)``.
    An ``observer`` counts the calls.

    ``mode`` says how a list is used: ``"round_robin"``, ``"leader"`` (one, until it errs or an
    error's ``failover()`` points to another), ``"least_loaded"`` (the better of two drawn at
    random) or ``"balanced"`` (that by load and latency, new addresses slowly, and those that fail
    much more than the others not for a while).

    ValueError or TypeError for what is no address, no mode or no setting.
    """
    check_mode(mode)
    settings = {"interceptors": interceptors, "observer": observer, **settings}
    single = address[0] if isinstance(address, list) and len(address) == 1 else address
    if is_resolved(single):
        return FollowingPool(str(single), mode=mode, codec=codec, config=config, **settings)
    if isinstance(address, list):
        return FailoverPool(address, mode=mode, codec=codec, config=config, **settings)
    return ClientPool(address, codec=codec, config=config, **settings)
