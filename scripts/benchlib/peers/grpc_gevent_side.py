"""grpcio under gevent: `grpc.experimental.gevent` after the patches, greenlets as callers."""

from __future__ import annotations

from collections.abc import Callable

import grpc.experimental.gevent as grpc_gevent

from benchlib.contestants import Client
from benchlib.peers import grpc_side
from benchlib.workloads import Workload

grpc_gevent.init_gevent()


def serve(announce: Callable[[str], None], workload: Workload) -> None:
    """Serve for ever."""
    grpc_side.serve(announce, workload)


def connect(address: str, workload: Workload) -> Client:
    """One channel for all."""
    return grpc_side.connect(address, workload, threads=False)
