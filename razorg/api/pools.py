"""The two pools: of one address, and of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from razorg.api.endpoint import ServiceCalls
from razorg.client.connections import UNUSED
from razorg.client.failover import StreamFailover
from razorg.client.pool import StreamPool
from razorg.client.shared import SharedPool
from razorg.codec.base import Codec
from razorg.config import ClientConfig, check_timeout
from razorg.core.chain import Interceptor
from razorg.core.figures import Observer
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
        interceptors: Sequence[Interceptor] = (),
        observer: Observer | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(codec, config, settings, interceptors, observer)
        self._where = registry.server_address(address, self.config.tls is not None)

    @property
    def address(self) -> str:
        """Where its calls go, as a URL."""
        return str(self._where)

    def ping(self, timeout: float | None = None) -> float:
        """Wait for a pong; returns the seconds it took.

        Raises CallTimeout after ``timeout`` (default: ``read_timeout``), Unreachable.
        """
        check_timeout(timeout)
        timeout = self.config.read_timeout if timeout is None else timeout
        seconds: float = self._elsewhere(
            lambda part, left: part.ping(left), "ping", bounded(timeout, timeout, "ping")
        )
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
        interceptors: Sequence[Interceptor] = (),
        observer: Observer | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(codec, config, settings, interceptors, observer)
        check_mode(mode)
        self.mode: Mode = mode
        self._where = self._checked(addresses)

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
        checked = self._checked(addresses)
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

    def _checked(self, addresses: Sequence[AddressLike]) -> list[Address]:
        if isinstance(addresses, str) or not isinstance(addresses, Sequence):
            raise TypeError(f"expected a list of addresses, not {addresses!r}")
        if not addresses:
            raise ValueError("a pool needs at least one address")
        is_encrypted = self.config.tls is not None
        checked = (registry.server_address(address, is_encrypted) for address in addresses)
        return list(dict.fromkeys(checked))
