"""Who is measured: the contestants, by name. Their modules are imported in the child processes only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from benchlib.drive import Tally
    from benchlib.workloads import Workload


@dataclass(frozen=True)
class Contestant:
    """A (server, client) pair: where its sides live, which kinds of workload it can do, what to know of it."""

    name: str
    server_module: str
    client_module: str
    kinds: frozenset[str]
    note: str = ""
    needs: tuple[str, ...] = ()
    """Packages that have to be importable; `rust` is the Rust peer."""
    patched: bool = False
    """Both sides run under `gevent.monkey.patch_all`."""
    core: bool = True
    """Measured without `--peers`, too."""
    workloads: tuple[str, ...] = ()
    """When not empty: only these, besides `kinds`."""
    compiled: bool = False
    """Its razorg is the one that `scripts/build-compiled` makes of this checkout."""

    def can(self, workload: Workload) -> bool:
        """Whether it has something to show there."""
        return workload.kind in self.kinds and (not self.workloads or workload.name in self.workloads)


@dataclass(frozen=True)
class Client:
    """A connected client.

    Caller n uses `services[n % len(services)]`: what has one connection for each caller offers as many services as there
    are callers. A service has what the workload asks for: `add(a, b)`, or `both(data)`, `up(data)`, `down(size)`; each
    blocks its caller. `pipeline(in_flight, tally)` runs until `tally.stopping`. With `threads` the callers are native
    threads.
    """

    services: Sequence[Any] = ()
    pipeline: Callable[[int, Tally], None] | None = None
    threads: bool = False


class ServerModule(Protocol):
    """What a contestant's server module offers."""

    def serve(self, announce: Callable[[str], None], workload: Workload) -> None:
        """Listen on a free loopback port, announce `tcp://host:port`, then serve for ever (blocks)."""


class ClientModule(Protocol):
    """What a contestant's client module offers."""

    def connect(self, address: str, workload: Workload) -> Client:
        """Connect as the workload asks. Called once, in the greenlet that will do the measuring."""


_CALLS = frozenset({"call", "future"})
_BLOBS = frozenset({"blob", "bytes"})
_UNIX_WORKLOADS = ("W1", "W2", "W3", "W4-blob", "W5")
_MIXED_WORKLOADS = ("W1", "W2", "W4-blob", "W6-8k", "W6-16k")


_PEER_WORKLOADS = ("W1", "W2", "W4-bytes", "W5-bytes")


def _razorg(
    name: str, variant: str, kinds: frozenset[str], note: str = "", compiled: bool = False, workloads: tuple[str, ...] = ()
) -> Contestant:
    where = f"benchlib.razorg_{variant}"
    needs = ("compiled",) if compiled else ()
    return Contestant(name, where, where, kinds, note, needs, compiled=compiled, workloads=workloads)


def _peer(name: str, module: str, needs: tuple[str, ...], note: str, patched: bool = True) -> Contestant:
    where = f"benchlib.peers.{module}"
    kinds = frozenset({"call", "bytes"})
    return Contestant(name, where, where, kinds, note, needs, patched, core=False, workloads=_PEER_WORKLOADS)


CONTESTANTS: dict[str, Contestant] = {
    contestant.name: contestant
    for contestant in (
        Contestant("bare", "benchlib.bare_any", "benchlib.bare_any", _CALLS | _BLOBS),
        Contestant(
            "bare-overlap",
            "benchlib.bare_any",
            "benchlib.bare_overlap",
            _CALLS,
            "the bare client's reader takes answers in small parts",
            workloads=("W2", "W3"),
        ),
        Contestant(
            "bare-futures",
            "benchlib.bare_any",
            "benchlib.bare_futures",
            frozenset({"future"}),
            "an object for each call",
        ),
        Contestant(
            "bare-asyncresult",
            "benchlib.bare_any",
            "benchlib.bare_asyncresult",
            frozenset({"future"}),
            "gevent's AsyncResult for each call, which is what razorg's futures are",
        ),
        Contestant(
            "bare-into",
            "benchlib.bare_into",
            "benchlib.bare_into",
            _BLOBS,
            "the bare loop with recv_into for big frames",
        ),
        Contestant(
            "bare-join",
            "benchlib.bare_join",
            "benchlib.bare_join",
            _BLOBS,
            "the loop of the small calls, unchanged: 64 KiB recv, all joined",
        ),
        Contestant(
            "raw",
            "benchlib.raw_any",
            "benchlib.raw_any",
            frozenset({"call"}) | _BLOBS,
            "bytes there and back, no protocol",
            workloads=("W1", "W5", "W5-up", "W5-down", "W5-bytes", "W6-8k", "W6-16k"),
        ),
        _razorg("razorg", "side", _CALLS | _BLOBS, "pure Python"),
        _razorg("razorg-compiled", "side", _CALLS | _BLOBS, "its hot path compiled with Cython", compiled=True),
        Contestant(
            "razorg-untyped",
            "benchlib.razorg_side",
            "benchlib.razorg_untyped",
            frozenset({"call"}),
            "pool.call of a method without annotations",
            workloads=("W2",),
        ),
        Contestant(
            "razorg-pool",
            "benchlib.razorg_side",
            "benchlib.razorg_pool",
            frozenset({"call"}),
            "a pool with all its defaults, up to four connections",
            workloads=("W2",),
        ),
        Contestant(
            "razorg-plain",
            "benchlib.razorg_side",
            "benchlib.razorg_plain",
            frozenset({"call"}),
            "as razorg, with an interface that has no annotations",
            workloads=("W2",),
        ),
        _razorg("razorg-observed", "observed", _CALLS, "an Observer on both sides", workloads=("W2", "W3")),
        _razorg("razorg-intercepted", "intercepted", _CALLS, "an interceptor on both sides", workloads=("W2", "W3")),
        _razorg("razorg-msgspec", "msgspec", _CALLS | {"bytes"}, 'codec="msgspec"'),
        _razorg(
            "razorg-compiled-msgspec", "msgspec", _CALLS, 'compiled, codec="msgspec"', compiled=True, workloads=("W2", "W3")
        ),
        _razorg("razorg-unix", "unix", _CALLS | _BLOBS, "over a Unix socket", workloads=_UNIX_WORKLOADS),
        Contestant(
            "rust", "benchlib.rust_side", "benchlib.rust_side", _CALLS | _BLOBS, "W3: tasks that wait", ("rust",)
        ),
        Contestant(
            "rust-stream",
            "benchlib.rust_side",
            "benchlib.rust_stream",
            frozenset({"future"}),
            "callbacks on a bare stream, one flush for each batch",
            ("rust",),
        ),
        Contestant(
            "razorg>rust",
            "benchlib.rust_side",
            "benchlib.razorg_side",
            _CALLS | _BLOBS,
            "razorg's client, Rust's server",
            ("rust",),
            workloads=_MIXED_WORKLOADS,
        ),
        Contestant(
            "rust>razorg",
            "benchlib.razorg_side",
            "benchlib.rust_side",
            _CALLS | _BLOBS,
            "Rust's client, razorg's server",
            ("rust",),
            workloads=_MIXED_WORKLOADS,
        ),
        _peer("zerorpc", "zerorpc_side", ("zerorpc",), "one client for all callers", patched=False),
        _peer("rpyc", "rpyc_side", ("rpyc",), "GeventServer; a connection for each caller"),
        _peer("mprpc", "mprpc_side", ("mprpc",), "StreamServer; a connection for each caller", patched=False),
        _peer("thriftpy2", "thrift_side", ("thriftpy2",), "framed, binary, Cython; a connection for each caller"),
        _peer("Pyro5", "pyro_side", ("Pyro5",), "msgpack; a connection for each caller"),
        _peer("grpcio", "grpc_side", ("grpc",), "native threads, one channel", patched=False),
        _peer("grpcio-gevent", "grpc_gevent_side", ("grpc",), "grpc.experimental.gevent, one channel"),
        _peer("http-json", "http_side", ("requests",), "gevent.pywsgi, keep-alive; a connection for each caller"),
    )
}
