"""Who is measured: the contestants, by name. Their modules are imported in the child processes only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from benchlib.drive import Tally
    from benchlib.workloads import Workload


@dataclass(frozen=True)
class Contestant:
    """A (server, client) pair: where its sides live and which workloads it can do."""

    name: str
    server_module: str
    client_module: str
    workloads: frozenset[str]


@dataclass(frozen=True)
class Client:
    """A connected client. `service.add(a, b)` blocks; `pipeline(in_flight, tally)` runs until `tally.stopping`."""

    service: Any = None
    pipeline: Callable[[int, Tally], None] | None = None


class ServerModule(Protocol):
    """What a contestant's server module offers."""

    def serve(self, announce: Callable[[str], None]) -> None:
        """Listen on a free loopback port, announce `tcp://host:port`, then serve for ever (blocks)."""


class ClientModule(Protocol):
    """What a contestant's client module offers."""

    def connect(self, address: str, workload: Workload) -> Client:
        """Connect as the workload asks. Called once, in the greenlet that will do the measuring."""


CONTESTANTS: dict[str, Contestant] = {
    contestant.name: contestant
    for contestant in (
        Contestant("bare", "benchlib.bare_server", "benchlib.bare_client", frozenset({"W1", "W2", "W3"})),
        Contestant("bare-overlap", "benchlib.bare_server", "benchlib.bare_overlap", frozenset({"W2", "W3"})),
        Contestant("bare-futures", "benchlib.bare_server", "benchlib.bare_futures", frozenset({"W3"})),
        Contestant("raw", "benchlib.raw", "benchlib.raw", frozenset({"W1"})),
        Contestant("razorg", "benchlib.razorg_side", "benchlib.razorg_side", frozenset({"W1", "W2", "W3"})),
    )
}
