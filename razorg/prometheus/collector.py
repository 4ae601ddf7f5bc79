"""What Prometheus is told of servers and pools: read when it asks."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any, Union

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from razorg.api.pools import ClientPool, FailoverPool
from razorg.api.rpcserver import RpcServer
from razorg.core.counters import Counters, Labels
from razorg.core.figures import BUCKETS, Figures, Observer, upper_bound
from razorg.hubs.native import allocate_lock
from razorg.link.ticker import all_tickers

Watched = Union[RpcServer, ClientPool, FailoverPool]

#: The buckets that are told, of those that are counted: from 16 µs to 67 s.
_FIRST, _LAST = 4, 26
BOUNDS = [upper_bound(place) for place in range(_FIRST, _LAST + 1)]
#: Of addresses that come and go the counters stay: those beyond so many count together.
ADDRESSES_MAX = 1000


class Collector:
    """A collector of prometheus_client: reads the figures when it is asked."""

    def __init__(self, *watched: Watched) -> None:
        self._served, self._called, self._blocked = Counters(), Counters(), Counters()
        # Native: what is done under it is short and switches to no other greenlet.
        self._lock = allocate_lock()
        #: What is watched, and the observers, which may have counted after they were read last.
        self._servers: dict[weakref.ref[Any], Observer | None] = {}
        self._pools: dict[weakref.ref[Any], Observer | None] = {}
        self.watch(*watched)

    def watch(self, *watched: Watched) -> None:
        """Tell of these, too."""
        with self._lock:
            for one in watched:
                members = self._servers if isinstance(one, RpcServer) else self._pools
                members[weakref.ref(one)] = one.observer

    def collect(self) -> Iterator[Any]:
        """All metrics, as families."""
        with self._lock:
            servers, serving = _present(self._servers)
            pools, calling = _present(self._pools)
            families = [
                *_call_families("server", serving, self._served),
                *_call_families("client", calling, self._called),
                *_server_families(servers, self._served),
                *_pool_families(pools, self._called),
                _hub_family(self._blocked),
            ]
        return iter(families)


def _present(
    watched: dict[weakref.ref[Any], Observer | None],
) -> tuple[list[Any], list[Observer]]:
    """What is still there, and all observers, each once; what is gone is forgotten after that."""
    observers = {id(observer): observer for observer in watched.values() if observer is not None}
    there = [(known, known()) for known in list(watched)]
    for known, one in there:
        if one is None:
            del watched[known]
    return [one for _, one in there if one is not None], list(observers.values())


def _counter(counters: Counters, name: str, text: str, labels: list[str]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"razorg_{name}", text, labels=labels)
    for values, count in counters.of(name).items():
        family.add_metric(values, count)
    return family


def _gauge(
    name: str, text: str, label: str, values: Iterable[tuple[str, float]], join: Any = sum
) -> GaugeMetricFamily:
    """What several have of the same label is joined: Prometheus refuses it twice."""
    found: dict[str, list[float]] = {}
    for key, value in values:
        found.setdefault(key, []).append(value)
    family = GaugeMetricFamily(f"razorg_{name}", text, labels=[label])
    for key, many in found.items():
        family.add_metric([key], join(many))
    return family


def _call_families(side: str, observers: list[Observer], counters: Counters) -> Iterator[Any]:
    for observer in observers:
        counters.read(observer, _counts(side, observer.figures))
    name = f"razorg_{side}_call_seconds"
    times = HistogramMetricFamily(name, "How long calls took", labels=["method"])
    buckets = counters.of(f"{side}_call_buckets")
    for (method,), seconds in counters.of(f"{side}_call_seconds").items():
        counts = [buckets.get((method, str(place)), 0.0) for place in range(BUCKETS)]
        times.add_metric([method], _cumulated(counts), seconds)
    yield times
    yield _counter(counters, f"{side}_errors", "Calls that failed", ["method", "error"])
    if side == "client":
        yield _counter(counters, "client_retries", "Attempts after the first", ["method"])
        return
    running = ((one.action, one.running) for observer in observers for one in observer.figures)
    yield _gauge("server_running", "Calls that run", "method", running)


def _counts(side: str, figures: list[Figures]) -> dict[tuple[str, Labels], float]:
    counts: dict[tuple[str, Labels], float] = {}
    for one in figures:
        counts[f"{side}_call_seconds", (one.action,)] = one.seconds
        for place, count in enumerate(one.buckets):
            if count:
                counts[f"{side}_call_buckets", (one.action, str(place))] = count
        for kind, count in list(one.errors.items()):
            counts[f"{side}_errors", (one.action, kind)] = count
        counts[f"{side}_retries", (one.action,)] = one.retries
    return counts


def _cumulated(buckets: list[float]) -> list[tuple[str, float]]:
    """Counts up to each bound, as Prometheus wants them."""
    sums = list(accumulate(buckets))
    told = [(str(upper_bound(place)), sums[place]) for place in range(_FIRST, _LAST + 1)]
    return [*told, ("+Inf", sums[-1])]


def _server_families(servers: list[RpcServer], counters: Counters) -> Iterator[Any]:
    named = [(", ".join(server.addresses), server) for server in servers]
    for address, server in named:
        read: dict[tuple[str, Labels], float] = {
            ("server_requests_read", (address,)): server.read_requests
        }
        counters.read(server, read, ADDRESSES_MAX)
    connections = ((address, server.connections) for address, server in named)
    yield _gauge("server_connections", "Open connections", "address", connections)
    running = ((address, server.running) for address, server in named)
    yield _gauge("server_requests_running", "Requests read and not answered", "address", running)
    yield _counter(counters, "server_requests_read", "Requests read, pings included", ["address"])


def _pool_families(pools: list[Any], counters: Counters) -> Iterator[Any]:
    stats = []
    for pool in pools:
        of_pool = pool.stats()
        counts: dict[tuple[str, Labels], float] = {}
        for one in of_pool:
            counts["pool_opened", (one.address,)] = one.opened
            counts["pool_lost", (one.address,)] = one.lost
        counters.read(pool, counts, ADDRESSES_MAX)
        stats += of_pool
    for attribute, text, join in (
        ("is_healthy", "Whether it answers", min),
        ("connections", "Open connections", sum),
        ("in_flight", "Calls that wait", sum),
        ("queued", "Calls that wait to be sent", sum),
    ):
        name = f"pool_{attribute.removeprefix('is_')}"
        values = ((one.address, float(getattr(one, attribute))) for one in stats)
        yield _gauge(name, text, "address", values, join)
    yield _counter(counters, "pool_opened", "Connections so far", ["address"])
    yield _counter(counters, "pool_lost", "Connections that ended", ["address"])


def _hub_family(counters: Counters) -> Any:
    for hub, ticker in all_tickers():
        labels = (str(hub.thread_ident),)
        counters.read(ticker, {("hub_blocked_seconds", labels): ticker.blocked_seconds})
    return _counter(counters, "hub_blocked_seconds", "For how long hubs did not run", ["thread"])
