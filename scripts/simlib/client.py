"""A client as razorg's FailoverPool is one: the same objects decide, its calls are events."""

from __future__ import annotations

from random import Random
from typing import Any

from razorg.core.backoff import Backoff
from razorg.core.balancing import Balanced, aperture
from razorg.core.heartbeat import QUIET_SECONDS, UNANSWERED_SECONDS
from razorg.core.retry import RetryBudget, Step, step_after
from razorg.core.routing import pick_another
from razorg.errors import ConnectionLost, RpcError, Unreachable
from simlib.world import HOP_SECONDS, Clock, Server

RETRY_LIMIT = 3
RECONNECT_MAX, RECONNECT_IDLE_MAX = 1.5, 30.0
WINDOW = 128
TIMEOUT = 20.0
#: A server without power is noticed when a ping stays unanswered.
SILENCE_SECONDS = QUIET_SECONDS + UNANSWERED_SECONDS


class Place:
    """One server, as one client knows it."""

    __slots__ = ("backoff", "is_healthy", "life", "load", "pending", "server")

    def __init__(self, server: Server, rng: Random) -> None:
        self.server = server
        self.is_healthy = True
        self.load = 0
        self.life = -1  # of the server that it is connected to
        self.pending: set[Call] = set()
        self.backoff = Backoff(RECONNECT_MAX, RECONNECT_IDLE_MAX, rng.random)


class Call:
    """From its start to its end, however many attempts."""

    __slots__ = ("place", "retries", "since", "tried")

    def __init__(self, since: float) -> None:
        self.since = since
        self.retries = 0
        self.tried: list[Place] = []
        self.place: Place | None = None


class Tally:
    """What all clients came to together."""

    def __init__(self) -> None:
        self.calls = self.failed = self.retries = self.attempts = 0
        self.reasons: dict[str, int] = {}
        self.latencies: list[float] = []


class Client:
    """Calls at random moments, and goes on elsewhere as razorg does."""

    def __init__(
        self, clock: Clock, rng: Random, servers: dict[str, Server], offset: float, width: int,
        rate: float, tally: Tally,
    ) -> None:
        self._clock, self._rng, self._servers = clock, rng, servers
        self._offset, self._width, self._rate, self._tally = offset, width, rate, tally
        self._routing: Balanced[Place] = Balanced(rng.random)
        self._budget = RetryBudget(WINDOW)
        self._places: dict[str, Place] = {}
        self.is_stale = False

    def use(self, names: list[str]) -> None:
        """What the resolver says; an empty list is refused, as razorg does."""
        if not names:
            self.is_stale = True
            return
        self.is_stale = False
        weights = aperture(names, self._offset, self._width)
        kept = {name: self._places.get(name) or Place(self._servers[name], self._rng) for name in weights}
        for name in self._places.keys() - kept.keys():
            self._servers[name].clients.discard(self)  # it drains, and is closed
        self._places = kept
        self._routing.use_weighted([(kept[name], weight) for name, weight in weights.items()])

    def begin(self) -> None:
        """From now on call, and look once a second."""
        self._clock.after(self._rng.expovariate(self._rate), self._call)
        self._clock.after(self._rng.random(), self._look)

    def _look(self) -> None:
        now = self._clock.now
        self._budget.roll(now)
        self._routing.look(now)
        for place in self._places.values():
            if not place.is_healthy and place.backoff.due_at() <= now:
                self._connect(place)
        self._clock.after(1.0, self._look)

    def _call(self) -> None:
        self._clock.after(self._rng.expovariate(self._rate), self._call)
        self._tally.calls += 1
        self._budget.calls += 1
        call = Call(self._clock.now)
        place = self._routing.pick()
        if place is None:  # perhaps one is due to be tried again
            now = self._clock.now
            due = [place for place in self._places.values() if place.backoff.due_at() <= now]
            place = due[0] if due else None
        if place is None:
            self._end(call, Unreachable("no address answers", sent="no"))
        else:
            self._send(call, place)

    def _send(self, call: Call, place: Place) -> None:
        call.tried.append(place)
        if place.life != place.server.lives and not self._connect(place):
            error = Unreachable("cannot be reached", sent="no")
            if place.server.is_dark:  # nobody refuses: it is waited for, for a moment
                self._clock.after(RECONNECT_MAX, self._failed, call, place, error)
            else:
                self._failed(call, place, error)
            return
        call.place = place
        place.load += 1
        place.pending.add(call)
        server, arrives = place.server, self._clock.now + self._hop()
        if not server.is_dark:
            self._clock.at(server.takes(arrives, self._rng) + self._hop(), self._answered, call, place, server.lives)

    def _connect(self, place: Place) -> bool:
        """Whether the server takes the connection."""
        self._tally.attempts += 1
        server = place.server
        if not server.is_up or server.is_dark:
            place.is_healthy = False
            place.backoff.failed(self._clock.now)
            place.backoff.asked()
            return False
        place.life = server.lives
        place.is_healthy = True
        place.backoff.succeeded()
        server.clients.add(self)
        return True

    def _answered(self, call: Call, place: Place, life: int) -> None:
        if call.place is not place or place.server.lives != life:
            return  # its connection was lost meanwhile
        place.load -= 1
        place.pending.discard(call)
        seconds = self._clock.now - call.since
        if place.server.name in self._places:
            self._routing.meter(place).succeeded(seconds)
        if seconds > TIMEOUT:
            self._count_failure("CallTimeout")
        self._tally.latencies.append(seconds)

    def lose(self, server: Server) -> None:
        """The connection to the server has ended: its calls may have run."""
        place = self._places.get(server.name)
        if place is None or place.life < 0:
            return
        place.life = -1
        place.is_healthy = False
        place.backoff.lost(self._clock.now)
        pending, place.pending, place.load = place.pending, set(), 0
        for call in sorted(pending, key=lambda call: call.since):
            call.place = None
            self._failed(call, place, ConnectionLost("the connection ended", sent="maybe"))

    def _failed(self, call: Call, place: Place, error: RpcError) -> None:
        if place.server.name in self._places:
            self._routing.meter(place).failed()
        step = step_after(error, is_repeatable=True)
        now = self._clock.now
        if step is Step.STOP or now - call.since >= TIMEOUT:
            self._end(call, error)
            return
        if step is Step.RETRY:
            if call.retries >= RETRY_LIMIT or not self._budget.spend(now):
                self._end(call, error)
                return
            call.retries += 1
            self._tally.retries += 1
        elif len(call.tried) - call.retries > len(self._places) + 3:
            self._end(call, error)
            return
        another = self._routing.pick()
        if another is None or another in call.tried:
            another = pick_another(list(self._places.values()), call.tried) or another
        if another is None:
            self._end(call, error)
        else:
            self._send(call, another)

    def _end(self, call: Call, error: RpcError) -> None:
        self._count_failure(type(error).__name__)

    def _count_failure(self, reason: str) -> None:
        self._tally.failed += 1
        self._tally.reasons[reason] = self._tally.reasons.get(reason, 0) + 1

    def _hop(self) -> float:
        return HOP_SECONDS * (1 + self._rng.random())

    def connections(self) -> int:
        """How many are open."""
        return sum(place.life == place.server.lives for place in self._places.values())


def clients_of(server: Server) -> list[Any]:
    """In an order that does not depend on addresses in memory."""
    return sorted(server.clients, key=lambda client: client._offset)
