"""Pyro5: its thread pool server under gevent's patches, msgpack, a proxy (a connection) for each caller."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import Pyro5.api
from Pyro5 import config

from benchlib.contestants import Client
from benchlib.peers.shared import Handlers
from benchlib.workloads import Workload

config.SERIALIZER = "msgpack"
config.SERVERTYPE = "thread"
config.THREADPOOL_SIZE = 1000
config.SOCK_NODELAY = True


def serve(announce: Callable[[str], None], workload: Workload) -> None:
    """Serve for ever."""
    daemon = Pyro5.api.Daemon("127.0.0.1", 0)
    announce(str(daemon.register(Pyro5.api.expose(Handlers)(), "bench")))
    daemon.requestLoop()


def connect(address: str, workload: Workload) -> Client:
    """A proxy for each caller, who has to own it."""
    return Client([_service(Pyro5.api.Proxy(address)) for _ in range(workload.callers)])


def _service(proxy: Any) -> Any:
    owned = False

    def own() -> None:
        nonlocal owned
        if not owned:
            proxy._pyroClaimOwnership()
            owned = True

    def add(a: int, b: int) -> Any:
        own()
        return proxy.add(a, b)

    def both(data: bytes) -> Any:
        own()
        return proxy.echo(data)

    return SimpleNamespace(add=add, both=both)
