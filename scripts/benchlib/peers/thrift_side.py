"""thriftpy2: framed transport and binary protocol in Cython, threads that gevent's patches turn into greenlets."""

from __future__ import annotations

import io
from collections.abc import Callable

import thriftpy2
from thriftpy2.protocol import TCyBinaryProtocolFactory
from thriftpy2.rpc import make_client
from thriftpy2.server import TThreadedServer
from thriftpy2.thrift import TProcessor
from thriftpy2.transport import TCyFramedTransportFactory, TServerSocket

from benchlib.contestants import Client
from benchlib.peers.shared import Handlers, free_port, host_and_port, service_of
from benchlib.workloads import Workload

SOURCE = "service Bench { i64 add(1: i64 a, 2: i64 b), binary echo(1: binary data) }"
bench_thrift = thriftpy2.load_fp(io.StringIO(SOURCE), "bench_thrift")


def serve(announce: Callable[[str], None], workload: Workload) -> None:
    """Serve for ever."""
    port = free_port()
    listener = TServerSocket("127.0.0.1", port, client_timeout=None)
    processor = TProcessor(bench_thrift.Bench, Handlers())
    server = TThreadedServer(
        processor,
        listener,
        iprot_factory=TCyBinaryProtocolFactory(),
        itrans_factory=TCyFramedTransportFactory(),
        daemon=True,
    )
    listener.listen()
    announce(f"tcp://127.0.0.1:{port}")
    listener.listen = lambda: None  # it listens already
    server.serve()


def connect(address: str, workload: Workload) -> Client:
    """A connection for each caller."""
    host, port = host_and_port(address)
    clients = [
        make_client(
            bench_thrift.Bench,
            host,
            port,
            proto_factory=TCyBinaryProtocolFactory(),
            trans_factory=TCyFramedTransportFactory(),
            timeout=None,
        )
        for _ in range(workload.callers)
    ]
    return Client([service_of(client) for client in clients])
