"""razorg through its public face with its defaults: a typed service, a pool, a client, `razorg.submit`, raw blobs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import razorg
from benchlib.bare_futures import oldest_first
from benchlib.contestants import Client
from benchlib.drive import Tally
from benchlib.workloads import Workload

ECHO, PUT, GET = 1, 2, 3
"""The actions with blobs; the Rust peer has the same."""
FUTURES_WINDOW = 1024


@razorg.service
class Bench:
    """The service that is measured."""

    def add(self, a: int, b: int) -> int:
        """a + b."""
        raise NotImplementedError

    def echo(self, data: bytes) -> bytes:
        """The same bytes."""
        raise NotImplementedError

    def put(self, data: bytes) -> int:
        """How many they are."""
        raise NotImplementedError

    def get(self, size: int) -> bytes:
        """So many bytes."""
        raise NotImplementedError


class BenchServer(Bench):
    """Its implementation."""

    def add(self, a: int, b: int) -> int:
        return a + b

    def echo(self, data: bytes) -> bytes:
        return data

    def put(self, data: bytes) -> int:
        return len(data)

    def get(self, size: int) -> bytes:
        return bytes(size)


@razorg.service(name="Plain")
class PlainServer:
    """The same call without annotations, for razorg_untyped.py and razorg_plain.py."""

    def add(self, a, b):  # type: ignore[no-untyped-def]
        """a + b."""
        return a + b


class BlobServer(razorg.Dispatch):
    """The actions with blobs."""

    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        if request.action == ECHO:
            respond.ok(blob=request.blob)
        elif request.action == PUT:
            respond.ok()
        elif request.action == GET:
            respond.ok(blob=bytes(request.decode(int)))
        else:
            raise razorg.DecodeError("unknown action")


def serve(
    announce: Callable[[str], None], workload: Workload, listen: str = "tcp://127.0.0.1:0", **settings: Any
) -> None:
    """Serve on a free port; never returns."""
    services = [BenchServer(), PlainServer()]
    with razorg.RpcServer(listen, services, dispatch=BlobServer(), **settings) as server:
        announce(server.addresses[0])
        server.serve_forever()


def connect(address: str, workload: Workload, **settings: Any) -> Client:
    """Pools with their defaults, except that each is one connection and that futures need a window of 1000."""
    settings["max_connections"] = 1
    if workload.in_flight:
        settings["window"] = max(workload.in_flight, FUTURES_WINDOW)
    _idle.extend(razorg.ClientStream(address) for _ in range(workload.idle))
    pools = [razorg.connect(address, **settings) for _ in range(workload.connections)]
    for pool in pools:
        pool.ping()  # connects
    if workload.in_flight:
        return Client(pipeline=futures_pipeline(pools[0].client(Bench)))
    return Client([_service(pool, workload) for pool in pools])


_idle: list[razorg.ClientStream] = []


def _service(pool: Any, workload: Workload) -> Any:
    if workload.kind == "blob":
        return blob_service(pool)
    bench = pool.client(Bench)
    if workload.kind == "bytes":
        return SimpleNamespace(both=bench.echo, up=bench.put, down=bench.get)
    return bench


def blob_service(pool: Any) -> Any:
    """Payloads as blobs; what comes back is razorg's buffer itself."""
    send = pool.send

    def up(data: bytes) -> int:
        send(PUT, blob=data).get()
        return len(data)

    def down(size: int) -> Any:
        return send(GET, size).get().blob

    return SimpleNamespace(both=lambda data: send(ECHO, blob=data).get().blob, up=up, down=down)


def futures_pipeline(bench: Any) -> Callable[[int, Tally], None]:
    """`razorg.submit` again and again."""
    return oldest_first(partial(razorg.submit, bench.add))
