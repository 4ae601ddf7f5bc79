"""What the child processes of `--memory` do."""

from __future__ import annotations

import argparse
import gc
import importlib
import os
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event

from benchlib.bare_io import open_socket
from benchlib.contestants import CONTESTANTS

IDLE, IN_FLIGHT = 1000, 10_000
WARM_IDLE, WARM_IN_FLIGHT = 100, 100
SETTLE_SECONDS = 1.0

Report = Callable[[dict[str, Any]], None]


def run_server(options: argparse.Namespace, report: Report) -> None:
    """The contestant's server; or one whose handlers wait for ever."""

    def announce(address: str) -> None:
        report({"address": address})

    if options.workload.name == "idle":
        importlib.import_module(CONTESTANTS[options.contestant].server_module).serve(announce, options.workload)
        return
    import razorg

    forever = Event()

    @razorg.service
    class Hold:
        def hold(self, a: int) -> int:
            forever.wait()
            return a

    with razorg.RpcServer("tcp://127.0.0.1:0", [Hold()], max_running=IN_FLIGHT * 2) as server:
        announce(server.addresses[0])
        server.serve_forever()


def run_client(options: argparse.Namespace, report: Report) -> None:
    """Make some, read both sizes, make many, read them again."""
    make = {"idle": _idle_maker, "in-flight": _in_flight_maker}[options.workload.name](options)
    warm, count = (WARM_IDLE, IDLE) if options.workload.name == "idle" else (WARM_IN_FLIGHT, IN_FLIGHT)
    kept = [make() for _ in range(warm)]
    before = _sizes(options.server_pid)
    kept += [make() for _ in range(count)]
    after = _sizes(options.server_pid)
    server, client = ((after[side] - before[side]) / count for side in range(2))
    report({"count": count, "server": server, "client": client, "kept": len(kept)})


def _idle_maker(options: argparse.Namespace) -> Callable[[], Any]:
    """A connection on which one call was made."""
    if options.contestant == "bare":
        from benchlib.raw import REQUEST

        def bare() -> Any:
            sock = open_socket(options.address)
            sock.sendall(REQUEST)
            assert sock.recv(100)
            return sock

        return bare
    import razorg

    def one() -> Any:
        stream = razorg.ClientStream(options.address)
        stream.send("Bench.add", (1, 2)).get()
        return stream

    return one


def _in_flight_maker(options: argparse.Namespace) -> Callable[[], Any]:
    """A future that is never settled."""
    import razorg

    pool = razorg.connect(options.address, max_connections=1, window=IN_FLIGHT * 2, task_timeout=600)
    return lambda: pool.submit("Hold.hold", 1)


def _sizes(server_pid: int) -> tuple[int, int]:
    """(server, this process): resident bytes, when all has settled."""
    gevent.sleep(SETTLE_SECONDS)
    gc.collect()
    return _resident(server_pid), _resident(os.getpid())


def _resident(pid: int) -> int:
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
