"""zerorpc: gevent inside, one client (one socket) for all callers."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import zerorpc

from benchlib.contestants import Client
from benchlib.peers.shared import Handlers, free_port
from benchlib.workloads import Workload

NO_HEARTBEAT = None
"""A heartbeat greenlet for each call is dear and of no use here."""


def serve(announce: Callable[[str], None], workload: Workload) -> None:
    """Serve for ever."""
    server = zerorpc.Server(Handlers(), heartbeat=NO_HEARTBEAT, pool_size=1000)
    address = f"tcp://127.0.0.1:{free_port()}"
    server.bind(address)
    announce(address)
    server.run()


def connect(address: str, workload: Workload) -> Client:
    """One client."""
    client = zerorpc.Client(heartbeat=NO_HEARTBEAT, timeout=30)
    client.connect(address)
    return Client([SimpleNamespace(add=client.add, both=client.echo)])
