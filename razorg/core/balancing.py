"""Which of many nodes a call goes to: the decisions, without I/O, clock and dice of their own.

- The better of two drawn at random, by calls in flight and latency, over its weight.
- A node that is new, or was ejected, begins with a tenth of its weight (slow start).
- A node that fails much more than the others is left alone for a while (ejection).
- One of weight 0 gets calls when none of the others is healthy, one that is left alone when
  nobody else is at all.
- A client of many servers keeps to some of them (aperture), so that a thousand clients of a
  thousand servers have no million connections.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from razorg.core.routing import (
    LeaderFirst,
    LeastLoaded,
    Meter,
    Mode,
    Place,
    RoundRobin,
    check_mode,
)

#: How long a new node takes to its full weight.
SLOW_START_SECONDS = 30.0
_SLOW_START_SHARE = 0.1
#: A node is judged when it has had so many calls since the last look, …
_JUDGED_CALLS = 10
#: … and ejected when this share of them failed, and …
_FAILED_SHARE = 0.5
#: … so much more than of all nodes together.
_FAILED_EXCESS = 0.3
#: Ejected for this long the first time, twice as long the next, up to the maximum.
EJECTION_SECONDS = 10.0
EJECTION_MAX_SECONDS = 300.0
#: Never so many that less than this share of the nodes is left: then it is not the nodes.
_LEFT_SHARE = 0.5


PlaceT = TypeVar("PlaceT", bound=Place)


class Node(Generic[PlaceT]):
    """A place, and what is known of it."""

    __slots__ = ("ejected_until", "ejections", "meter", "place", "since", "weight")

    def __init__(self, place: PlaceT, weight: float, since: float) -> None:
        self.place = place
        self.weight = weight
        #: Since when it is used; minus infinity for those that were there from the beginning.
        self.since = since
        self.meter = Meter()
        self.ejected_until = -math.inf
        self.ejections = 0

    def share(self, now: float) -> float:
        """Its weight now: less than the whole during its slow start."""
        age = (now - self.since) / SLOW_START_SECONDS
        return self.weight * min(max(age, _SLOW_START_SHARE), 1.0)


class Balanced(RoundRobin[PlaceT]):
    """The better of two drawn at random; see the top of this file.

    ``dice()`` gives a number from 0 up to but not including 1.  ``use`` and ``look`` come with the
    time; in between the shares stand still.
    """

    def __init__(self, dice: Callable[[], float]) -> None:
        super().__init__()
        self._dice = dice
        self._nodes: dict[int, Node[PlaceT]] = {}
        self._now = 0.0
        self._usual_latency = 0.0  # taken for nodes of which nothing is known
        self._bounds: list[float] = []  # cumulated shares of those that can be drawn
        self._drawable: list[Node[PlaceT]] = []

    def use(self, places: Sequence[PlaceT]) -> None:
        self.use_weighted([(place, 1.0) for place in places])

    def use_weighted(self, places: Sequence[tuple[PlaceT, float]]) -> None:
        """These are the places from now on, with their weights; 0 for one of last resort."""
        since = self._now if self._nodes else -math.inf
        nodes = {}
        for place, weight in places:
            node = self._nodes.get(id(place)) or Node(place, weight, since)
            node.weight = weight
            nodes[id(place)] = node
        self._nodes = nodes
        self.places = [place for place, _ in places]
        self._draw_up()

    def meter(self, place: PlaceT) -> Meter:
        """Where the calls of the place are counted."""
        return self._nodes[id(place)].meter

    def look(self, now: float) -> None:
        """Once a second: eject who fails, let back in, bring the shares up to date."""
        self._now = now
        meters = [node.meter for node in self._nodes.values()]
        failed = sum(meter.failures for meter in meters)
        total = failed + sum(meter.successes for meter in meters)
        for node in self._nodes.values():
            if node.meter.failures + node.meter.successes >= _JUDGED_CALLS:
                self._judge(node, *node.meter.take(), failed, total)
        known = [node.meter.latency for node in self._nodes.values() if node.meter.latency]
        self._usual_latency = sum(known) / len(known) if known else 0.0
        self._draw_up()

    def pick(self) -> PlaceT | None:
        drawable = self._drawable
        if not drawable:
            return self._pick_in_need()
        one = self._draw()
        if len(drawable) == 1:
            return one.place if one.place.is_healthy else self._pick_in_need()
        other = self._draw()
        for _ in range(3):
            if other is not one:
                break
            other = self._draw()
        if not one.place.is_healthy:
            one, other = other, one
        if not one.place.is_healthy:
            return self._pick_in_need()
        if other.place.is_healthy and self._cost(other) < self._cost(one):
            return other.place
        return one.place

    def rank(self, place: PlaceT) -> int:
        node = self._nodes[id(place)]
        if node.ejected_until > self._now:
            return 2
        return 0 if node.weight > 0 else 1

    def ejected(self) -> list[PlaceT]:
        """Who is left alone now."""
        return [node.place for node in self._nodes.values() if node.ejected_until > self._now]

    def _pick_in_need(self) -> PlaceT | None:
        """Whoever was drawn is not healthy: one of those that are, of the best rank."""
        places = self.best()
        if not places:
            return None
        if self.rank(places[0]):
            self._at += 1
            return places[self._at % len(places)]
        shares = [self._nodes[id(place)].share(self._now) for place in places]
        left = self._dice() * sum(shares)
        for place, share in zip(places, shares):
            left -= share
            if left < 0:
                return place
        return places[-1]

    def _cost(self, node: Node[PlaceT]) -> float:
        """What one more call would wait for there."""
        latency = node.meter.latency or self._usual_latency or 1.0
        return (node.place.load + 1) * latency / node.weight

    def _draw(self) -> Node[PlaceT]:
        bounds = self._bounds
        wanted = self._dice() * bounds[-1]
        low, high = 0, len(bounds) - 1
        while low < high:
            middle = (low + high) // 2
            if bounds[middle] > wanted:
                high = middle
            else:
                low = middle + 1
        return self._drawable[low]

    def _draw_up(self) -> None:
        self._drawable = [
            node
            for node in self._nodes.values()
            if node.ejected_until <= self._now and node.weight > 0
        ]
        self._bounds = []
        bound = 0.0
        for node in self._drawable:
            bound += node.share(self._now)
            self._bounds.append(bound)

    def _judge(
        self, node: Node[PlaceT], successes: int, failures: int, failed: int, total: int
    ) -> None:
        now, calls = self._now, successes + failures
        if node.ejected_until > now:
            return
        share = failures / calls
        others = total - calls
        others_share = (failed - failures) / others if others else 0.0
        if share < _FAILED_SHARE or share - others_share < _FAILED_EXCESS:
            if node.ejections and now - node.ejected_until > EJECTION_MAX_SECONDS:
                node.ejections = 0
            return
        left = sum(1 for other in self._nodes.values() if other.ejected_until <= now) - 1
        if left < len(self._nodes) * _LEFT_SHARE:
            return
        seconds = min(EJECTION_SECONDS * 2**node.ejections, EJECTION_MAX_SECONDS)
        node.ejections += 1
        node.ejected_until = node.since = now + seconds  # and then its slow start


def make_routing(mode: Mode, dice: Callable[[], float]) -> RoundRobin[Any]:
    """How calls are spread in this mode; ValueError when there is none of that name."""
    check_mode(mode)
    if mode == "leader":
        return LeaderFirst()
    if mode == "balanced":
        return Balanced(dice)
    return LeastLoaded(dice) if mode == "least_loaded" else RoundRobin()


def aperture(names: Sequence[str], offset: float, width: int) -> dict[str, float]:
    """The part of the servers that one of many clients uses, with their weights.

    The ring is in the order of a hash: neighbours in name are often neighbours in a rack.

    ``names`` of the servers, the same for all clients, in any order; ``offset``: where on a ring
    from 0 to 1 this client stands; ``width``: how many servers it uses.  Clients whose offsets are
    spread evenly load all servers alike; at both ends of its part a server counts partly.  When a
    server comes or goes, a client changes few of its own.
    """
    ordered = sorted(set(names), key=_scattered)
    count = len(ordered)
    if width >= count:
        return {name: 1.0 for name in ordered}
    start = (offset % 1.0) * count
    end = start + width
    weights: dict[str, float] = {}
    place = math.floor(start)
    while place < end:
        overlap = min(place + 1, end) - max(place, start)
        if overlap > 1e-9:
            name = ordered[place % count]
            weights[name] = weights.get(name, 0.0) + overlap
        place += 1
    return weights


def _scattered(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=8).digest()
