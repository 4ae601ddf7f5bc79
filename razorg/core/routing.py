"""Which of several addresses a call goes to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Generic, Literal, Protocol, TypeVar, get_args

Mode = Literal["round_robin", "leader", "least_loaded"]


class Place(Protocol):
    """What the choice knows of an address."""

    @property
    def is_healthy(self) -> bool:
        """Whether it can be expected to answer."""

    @property
    def load(self) -> int:
        """How many calls it has to answer."""


PlaceT = TypeVar("PlaceT", bound=Place)


class RoundRobin(Generic[PlaceT]):
    """Each healthy place in its turn."""

    def __init__(self) -> None:
        self.places: list[PlaceT] = []
        self._at = -1

    def use(self, places: Sequence[PlaceT]) -> None:
        """These are the places from now on."""
        self.places = list(places)

    def pick(self) -> PlaceT | None:
        """The place for a new call; None when none is healthy."""
        places = self.places
        for _ in range(len(places)):
            self._at = at = (self._at + 1) % len(places)
            if places[at].is_healthy:
                return places[at]
        return None

    def failed(self, place: PlaceT) -> None:
        """The place could not be reached, or sent a call away."""

    def steer(self, place: PlaceT) -> None:
        """A call was told to go there."""


class LeaderFirst(RoundRobin[PlaceT]):
    """One place, until it errs or points to another one."""

    leader: PlaceT | None = None

    def use(self, places: Sequence[PlaceT]) -> None:
        super().use(places)
        if self.leader not in self.places:
            self.leader = None

    def pick(self) -> PlaceT | None:
        leader = self.leader
        if leader is None or not leader.is_healthy:
            self.leader = leader = super().pick()
        return leader

    def failed(self, place: PlaceT) -> None:
        if place is self.leader:
            self.leader = None
            if place in self.places:
                self._at = self.places.index(place)  # the next one's turn

    def steer(self, place: PlaceT) -> None:
        self.leader = place


class LeastLoaded(RoundRobin[PlaceT]):
    """The less loaded of two healthy places drawn at random (the power of two choices).

    ``dice()`` gives a number from 0 up to but not including 1.
    """

    def __init__(self, dice: Callable[[], float]) -> None:
        super().__init__()
        self._dice = dice

    def pick(self) -> PlaceT | None:
        healthy = [place for place in self.places if place.is_healthy]
        count = len(healthy)
        if count < 2:
            return healthy[0] if healthy else None
        first = int(self._dice() * count)
        second = int(self._dice() * (count - 1))
        if second >= first:
            second += 1
        one, other = healthy[first], healthy[second]
        return one if one.load <= other.load else other


def check_mode(mode: str) -> None:
    """ValueError when there is no such mode."""
    if mode not in get_args(Mode):
        raise ValueError(f"mode is one of {', '.join(get_args(Mode))}, not {mode!r}")


def make_routing(mode: Mode, dice: Callable[[], float]) -> RoundRobin[Any]:
    """How calls are spread in this mode; ValueError when there is none of that name."""
    check_mode(mode)
    if mode == "leader":
        return LeaderFirst()
    return LeastLoaded(dice) if mode == "least_loaded" else RoundRobin()


def pick_another(places: Sequence[PlaceT], tried: Collection[PlaceT]) -> PlaceT | None:
    """Where a call goes that failed at the last of ``tried`` (oldest first, not empty).

    A healthy place that was not tried, the least loaded; else the healthy one that was tried
    the longest ago; None when only the last one is left, or none is healthy.
    """
    order = {id(place): index for index, place in enumerate(tried)}
    last = len(tried) - 1
    healthy = [p for p in places if p.is_healthy and order.get(id(p), -1) != last]
    return min(healthy, key=lambda p: (order.get(id(p), -1), p.load), default=None)
