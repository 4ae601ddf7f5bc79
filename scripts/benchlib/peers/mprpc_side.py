"""mprpc: a gevent StreamServer, and a client for each caller."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import mprpc
from gevent.server import StreamServer

from benchlib.contestants import Client
from benchlib.peers.shared import host_and_port
from benchlib.workloads import Workload


class BenchServer(mprpc.RPCServer):
    """The handlers."""

    def add(self, a: int, b: int) -> int:
        """a + b."""
        return a + b

    def echo(self, data: bytes) -> bytes:
        """The same bytes."""
        return data


def serve(announce: Callable[[str], None], workload: Workload) -> None:
    """Serve for ever."""
    server = StreamServer(("127.0.0.1", 0), BenchServer(tcp_no_delay=True))
    server.start()
    announce(f"tcp://127.0.0.1:{server.server_port}")
    server.serve_forever()


def connect(address: str, workload: Workload) -> Client:
    """A connection for each caller."""
    host, port = host_and_port(address)
    calls = [mprpc.RPCClient(host, port, tcp_no_delay=True).call for _ in range(workload.callers)]
    return Client([SimpleNamespace(add=partial(call, "add"), both=partial(call, "echo")) for call in calls])
