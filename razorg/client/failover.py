"""A pool of several addresses: whom a call goes to, and where it goes on when that fails."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence
from time import monotonic

import gevent

from razorg.client.connections import Connections
from razorg.client.journey import Journey
from razorg.client.redirect import target_of
from razorg.client.routed import RoutedCalls
from razorg.codec.base import Codec
from razorg.config import ClientConfig
from razorg.core.balancing import make_routing
from razorg.core.retry import RetryBudget, Step, step_after, strongest, was_answered
from razorg.core.routing import Meter, Mode, RoundRobin, pick_another
from razorg.declared import DeclaredError
from razorg.errors import (
    CallTimeout,
    ConnectionLost,
    InternalError,
    LocalProtocolError,
    RpcError,
    Unreachable,
)
from razorg.link.seldom import EVERY_SECONDS, Seldom
from razorg.link.ticker import current_ticker
from razorg.transport.address import Address

log = logging.getLogger("razorg")

#: How much oftener than once an address a request moves of which nothing was sent.
_MOVES_MORE = 3
#: How long a removed address may drain: its calls end before, each has a time of its own.
_DRAIN_SECONDS = 86400.0
#: What speaks against a node, where they are judged.
_BLAMED = (Unreachable, ConnectionLost, CallTimeout, InternalError)
#: Servers may point to addresses that the pool did not know; it remembers this many.
_LEARNED_MAX = 32


class StreamFailover(RoutedCalls):
    """Connections of one hub to several addresses, of which each call takes a healthy one."""

    def __init__(
        self, addresses: Sequence[Address], mode: Mode, codec: Codec, config: ClientConfig
    ) -> None:
        super().__init__(codec, config)
        self.mode = mode
        self._routing: RoundRobin[Connections] = make_routing(mode, random.random)
        self._budget = RetryBudget(self.config.window)
        self._places: dict[Address, Connections] = {}
        self._learned: list[Address] = []
        self._seldom = Seldom(log)  # of what servers can cause
        self._told_leader: Address | None = None
        self._spares: Sequence[Address] = ()
        self._weights: Mapping[Address, float] = {}
        self._uses_spares = False
        self._calls_seen = 0
        self._is_closed = False
        self._closed_text = ""
        self._draining: set[Connections] = set()
        self._use(addresses)
        self._ticker = current_ticker()
        self._ticker.add(self)

    @property
    def addresses(self) -> list[str]:
        """Where its calls may go, as URLs."""
        return [place.address for place in self._places.values()]

    @property
    def address(self) -> str:
        return ", ".join(self.addresses)

    def places(self) -> list[Connections]:
        return [*self._places.values(), *self._draining]

    def update_addresses(self, addresses: Sequence[Address]) -> None:
        """From now on send calls to these; the others drain.  Never blocks."""
        if self._is_closed:  # since somebody in another thread has told it
            return
        self._learned.clear()
        self._use(addresses)

    def follow(
        self,
        addresses: Sequence[Address],
        spares: Sequence[Address],
        leader: Address | None,
        weights: Mapping[Address, float],
    ) -> None:
        """What a resolver tells: as ``update_addresses``, and the spares while none of these is
        healthy; in leader mode the leader, too; the weights where calls are balanced.

        A leader that is told again moves no calls, unless those they went to are gone: a server
        may have pointed elsewhere since.
        """
        if self._is_closed:
            return
        self._spares = spares
        self._weights = weights
        used = [*addresses, *spares] if self._uses_spares else [*addresses]
        if self.mode != "leader":
            leader = None
        if leader is not None and leader not in used:
            used.append(leader)
        self.update_addresses(used)
        if leader is not None and (leader != self._told_leader or self._routing.leader is None):
            self._routing.steer(self._places[leader])
        self._told_leader = leader

    def close(self, timeout: float | None, text: str) -> None:
        self._ticker.discard(self)
        self._is_closed = True
        self._closed_text = text
        self._routing.use([])
        deadline = monotonic() + (self.config.task_timeout if timeout is None else timeout)
        places = self.places()
        try:
            while places:
                left = max(deadline - monotonic(), 0.0)
                places.pop().close(lambda: LocalProtocolError(text), left)
        finally:
            for place in places:
                place.close(lambda: LocalProtocolError(text), 0.0)

    # routing

    def route(self) -> Connections:
        self._budget.calls += 1
        place = self._routing.pick()
        if place is None:
            return self._spare() or self._route_in_need()
        if place.is_crowded and self.mode != "leader":
            best = self._routing.best()
            free = [other for other in best if not other.is_crowded]
            return min(free or best, key=lambda other: other.load)
        return place

    def next_place(self, journey: Journey, error: Exception) -> Connections | None:
        self._judge(journey.tried[-1].meter, error)
        if isinstance(error, DeclaredError):
            return self._steer(journey, error)
        if not isinstance(error, RpcError):
            return None
        step = step_after(error, is_repeatable=self._is_repeatable(journey))
        journey.sent = error.sent = strongest(journey.sent, error.sent)
        if isinstance(error, (Unreachable, ConnectionLost)):
            self._routing.failed(journey.tried[-1])
        if step is Step.STOP or not journey.time_left():
            return None
        if step is Step.MOVE:
            # Each address once, and those that are new or back by now a few times more.
            moves = len(journey.tried) - 1 - journey.retries
            return self._another(journey) if moves < len(self._places) + _MOVES_MORE else None
        if not self._has_retries(journey):
            return None
        place = self._another(journey)
        if place is None or not self._budget.spend(monotonic()):
            return None
        journey.count_retry()
        return place

    def on_tick(self, now: float) -> None:
        """Once a second, in the hub: what calls ask of the pool, they ask of each address."""
        self._seldom.tell_rest(now - EVERY_SECONDS)
        self._budget.roll(now)
        self._routing.look(now)
        if self._budget.calls != self._calls_seen:
            self._calls_seen = self._budget.calls
            for place in self._places.values():
                place.wanted()
        if self._uses_spares:
            self._spare_no_more()

    def _judge(self, meter: Meter | None, error: Exception) -> None:
        """What the error says of the address, where these are judged."""
        if meter is not None:
            if isinstance(error, _BLAMED):
                meter.failed()
            elif was_answered(error):
                meter.answered()

    def _is_repeatable(self, journey: Journey) -> bool:
        return journey.method.idempotent or self.config.retry == "always"

    def _has_retries(self, journey: Journey) -> bool:
        limit = journey.method.retry_limit
        return journey.retries < (self.config.retry_limit if limit is None else limit)

    def _route_in_need(self) -> Connections:
        """No address is healthy; perhaps one is due to be tried again."""
        if self._is_closed:
            raise LocalProtocolError(self._closed_text)
        for place in sorted(self._routing.places, key=self._routing.rank):
            if place.may_be_asked():
                return place
        raise Unreachable(f"no address answers: {self.describe()}", sent="no")

    def _another(self, journey: Journey) -> Connections | None:
        """Somewhere else, or where it was if there is hope."""
        place = self._routing.pick() or self._spare()
        places = self._routing.places
        if place is None or place in journey.tried:
            place = pick_another(places, journey.tried, self._routing.rank) or place
        if place is None:
            untried = [place for place in places if place not in journey.tried]
            askable = (place for place in untried + journey.tried if place.may_be_asked())
            place = next(askable, None)
        if place is not None:
            self._routing.steer(place)
        return place

    def _steer(self, journey: Journey, error: DeclaredError) -> Connections | None:
        """Where the error says that the call should go."""
        target = None if self._is_closed else target_of(error, journey.tried[-1], self._seldom)
        journey.sent = "yes"
        if target is None or not self._has_retries(journey) or not journey.time_left():
            return None
        if isinstance(target, Address):
            place = self._places.get(target) or self._learn(target)
            self._routing.steer(place)
        else:
            self._routing.failed(journey.tried[-1])
            another = self._another(journey)
            if another is None or another is journey.tried[-1]:
                return None
            place = another
        journey.count_retry()
        return place

    # addresses

    def _spare(self) -> Connections | None:
        """None of the addresses is healthy: take the spares, too, if there are any."""
        if self._uses_spares or not self._spares or self._is_closed:
            return None
        log.warning("no address is healthy, the spares are used: %s", self.describe())
        self._uses_spares = True
        self._use([*self._places, *self._spares])
        return self._routing.pick()

    def _spare_no_more(self) -> None:
        """Leave the spares when another one is healthy again."""
        spares = {address for address in self._spares if address != self._told_leader}
        first = [address for address in self._places if address not in spares]
        if not self._spares or any(self._places[address].is_healthy for address in first):
            self._uses_spares = False
            self._use(first or list(self._places))

    def _learn(self, address: Address) -> Connections:
        """An address that a server told; the oldest of too many is forgotten."""
        self._seldom.info("sent to %s by a server: %s", address, self.describe())
        self._learned.append(address)
        forgotten = self._learned.pop(0) if len(self._learned) > _LEARNED_MAX else None
        self._use([known for known in self._places if known != forgotten] + [address])
        return self._places[address]

    def _use(self, addresses: Sequence[Address]) -> None:
        """Have connections to these addresses; those to others drain."""
        known = self._places
        self._places = {at: known.get(at) or self._connections(at) for at in addresses}
        self._routing.use_weighted(
            [(place, self._weights.get(at, 1.0)) for at, place in self._places.items()]
        )
        for place in self._places.values():
            place.meter = self._routing.meter(place)
            place.shares_time = len(self._places) > 1
        for place in [place for at, place in known.items() if at not in self._places]:
            self._draining.add(place)
            gevent.spawn(_drain, place, self._draining)

    def _connections(self, address: Address) -> Connections:
        return Connections(address, self.codec, self.config, patience=self.config.reconnect_max)

    def describe(self) -> str:
        leader = self._routing.leader
        return "; ".join(
            f"{place.address} {place.describe()}" + (", leader" if place is leader else "")
            for place in list(self._places.values())
        )


def _drain(place: Connections, draining: set[Connections]) -> None:
    text, at = "the address was removed from the pool", place.address
    try:
        place.close(lambda: Unreachable(text, sent="no", address=at), _DRAIN_SECONDS)
    finally:
        draining.discard(place)
