"""``connect``: the client's front door."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from razorg.api.endpoint import ServiceCalls
from razorg.client.connections import UNUSED
from razorg.client.failover import StreamFailover
from razorg.client.pool import StreamPool
from razorg.client.shared import SharedPool
from razorg.codec.base import Codec
from razorg.config import ClientConfig
from razorg.core.routing import Mode, check_mode
from razorg.hubs.deadline import bounded
from razorg.transport import registry
from razorg.transport.address import Address, AddressLike


class ClientPool(ServiceCalls, SharedPool[StreamPool]):
    """Calls to one address: services, untyped calls, raw actions and blobs.

    Takes the names of ClientConfig as keywords; does no I/O before the first call.
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
        self._where = registry.checked_address(address)
        self.address = str(self._where)

    def ping(self, timeout: float | None = None) -> float:
        """Wait for a pong; returns the seconds it took.

        Raises CallTimeout after ``timeout`` (default: ``read_timeout``), Unreachable.
        """
        timeout = self.config.read_timeout if timeout is None else timeout
        seconds: float = self._from_elsewhere("ping", bounded(timeout, timeout, "ping"))
        return seconds

    def _make_part(self) -> StreamPool:
        return StreamPool(self._where, self.codec, self.config)

    def _describe(self, parts: list[StreamPool]) -> str:
        states = [part.describe() for part in parts] or [UNUSED]
        return f"{self.address} {' | '.join(states)}"


class FailoverPool(ServiceCalls, SharedPool[StreamFailover]):
    """Calls to several addresses: what one does not answer goes to another, if it may.

    Takes the names of ClientConfig as keywords; does no I/O before the first call.
    """

    def __init__(
        self,
        addresses: Sequence[AddressLike],
        *,
        mode: Mode = "round_robin",
        codec: str | Codec = "msgpack",
        config: ClientConfig | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(codec, config, settings)
        check_mode(mode)
        self.mode = mode
        self._where = _checked(addresses)

    @property
    def addresses(self) -> list[str]:
        """Where its calls may go, as URLs."""
        known = [address for part in self._in_use() for address in part.addresses]
        return list(dict.fromkeys(known or map(str, self._where)))

    @property
    def address(self) -> str:
        """All of them, for texts."""
        return ", ".join(self.addresses)

    def update_addresses(self, addresses: Sequence[AddressLike]) -> None:
        """From now on send calls to these.  Never blocks, and no call is lost.

        Addresses that stay keep their connections; those that are not in the list take no new
        calls and are closed when the last one in flight has ended.  ValueError for an empty
        list, and for what is no address; then nothing changes.
        """
        checked = _checked(addresses)
        with self._lock:
            self._check_open()
            self._where = checked
            self._tell_parts("update_addresses", checked)

    def _make_part(self) -> StreamFailover:
        return StreamFailover(self._where, self.mode, self.codec, self.config)

    def _describe(self, parts: list[StreamFailover]) -> str:
        unused = "; ".join(f"{address} {UNUSED}" for address in self._where)
        states = [part.describe() for part in parts] or [unused]
        return f"{self.mode}: {' | '.join(states)}"


def _checked(addresses: Sequence[AddressLike]) -> list[Address]:
    if isinstance(addresses, str) or not isinstance(addresses, Sequence):
        raise TypeError(f"expected a list of addresses, not {addresses!r}")
    if not addresses:
        raise ValueError("a pool needs at least one address")
    return list(dict.fromkeys(registry.checked_address(address) for address in addresses))


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
