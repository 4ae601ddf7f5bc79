"""rpyc: its GeventServer, and a connection for each caller, all under gevent's patches."""

from __future__ import annotations

from collections.abc import Callable

import rpyc
from rpyc.utils.server import GeventServer

from benchlib.contestants import Client
from benchlib.peers.shared import Handlers, host_and_port, service_of
from benchlib.workloads import Workload


class BenchService(rpyc.Service):
    """The handlers under the names that rpyc exposes."""

    def __init__(self) -> None:
        handlers = Handlers()
        self.exposed_add = handlers.add
        self.exposed_echo = handlers.echo


def serve(announce: Callable[[str], None], workload: Workload) -> None:
    """Serve for ever."""
    server = GeventServer(BenchService, hostname="127.0.0.1", port=0)
    announce(f"tcp://127.0.0.1:{server.port}")
    server.start()


def connect(address: str, workload: Workload) -> Client:
    """A connection for each caller."""
    host, port = host_and_port(address)
    return Client([service_of(rpyc.connect(host, port).root) for _ in range(workload.callers)])
