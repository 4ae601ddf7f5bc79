"""A plugin of pytest, loaded where razorg is installed: the fixture ``razorg_server``."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, TypeVar

import pytest

from razorg.api.pools import ClientPool
from razorg.api.rpcserver import RpcServer
from razorg.testing.scripted import ScriptedFaults

ClientT = TypeVar("ClientT")
_numbers = itertools.count(1)


class Served:
    """A server in memory, a pool that is connected to it, and the faults of that pool."""

    def __init__(self, services: tuple[Any, ...], options: dict[str, Any]) -> None:
        address = options.pop("address", f"memory://razorg-server-{next(_numbers)}")
        settings = {"codec": options.get("codec", "msgpack"), **options.pop("client", {})}
        self.server = RpcServer(address, list(services), **options)
        self.server.start()
        self.address = self.server.addresses[0]
        self.faults = ScriptedFaults()
        around = [self.faults, *settings.pop("interceptors", ())]
        self.pool = ClientPool(self.address, interceptors=around, **settings)

    def client(self, service: type[ClientT]) -> ClientT:
        """The client of a service."""
        return self.pool.client(service)

    def close(self) -> None:
        """The end of the test."""
        self.pool.close(1.0)
        self.server.stop(1.0)


@pytest.fixture
def razorg_server() -> Iterator[Callable[..., Served]]:
    """Makes servers that end with the test: ``served = razorg_server(Shop())``.

    Takes services, and the keywords of RpcServer; ``address=`` for another than ``memory://``,
    ``client={…}``: keywords of ``connect`` for its pool, which has the codec of the server.
    """
    with ExitStack() as opened:

        def serve(*services: Any, **options: Any) -> Served:
            served = Served(services, options)
            opened.callback(served.close)
            return served

        yield serve
