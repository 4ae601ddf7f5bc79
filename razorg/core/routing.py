"""Which of several addresses a call goes to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Generic, Literal, Protocol, TypeVar, get_args

Mode = Literal["round_robin", "leader", "least_loaded", "balanced"]


class Meter:
    """What the calls of one place came to."""

    __slots__ = ("failures", "latency", "successes")

    #: A call's share in the average of latencies.
    DECAY = 0.1

    def __init__(self) -> None:
        #: Seconds a call takes, the last ones counting most; 0 as long as nothing is known.
        self.latency = 0.0
        self.successes = 0
        self.failures = 0

    def succeeded(self, seconds: float) -> None:
        """A call has got its response."""
        self.successes += 1
        known = self.latency
        self.latency = known + (seconds - known) * self.DECAY if known else seconds

    def answered(self) -> None:
        """A call has got an error for its response, and the place is as good as any."""
        self.successes += 1

    def failed(self) -> None:
        """A call has got none: the place cannot be reached, or is too slow."""
        self.failures += 1

    def take(self) -> tuple[int, int]:
        """How many calls succeeded and failed since the last look."""
        taken = self.successes, self.failures
        self.successes = self.failures = 0
        return taken


class Place(Protocol):
    """What the choice knows of an address."""

    @property
    def is_healthy(self) -> bool:
        """Whether it can be expected to answer."""
        ...

    @property
    def load(self) -> int:
        """How many calls it has to answer."""
        ...


PlaceT = TypeVar("PlaceT", bound=Place)


class RoundRobin(Generic[PlaceT]):
    """Each healthy place in its turn."""

    #: Where all calls go, in leader mode, once that is settled.
    leader: PlaceT | None = None

    def __init__(self) -> None:
        self.places: list[PlaceT] = []
        self._at = -1

    def use(self, places: Sequence[PlaceT]) -> None:
        """These are the places from now on."""
        self.places = list(places)

    def use_weighted(self, places: Sequence[tuple[PlaceT, float]]) -> None:
        """As ``use``; who does not weigh forgets the weights."""
        self.use([place for place, _ in places])

    def pick(self) -> PlaceT | None:
        """The place for a new call; None when none is healthy."""
        places = self.places
        for _ in range(len(places)):
            self._at = at = (self._at + 1) % len(places)
            if places[at].is_healthy:
                return places[at]
        return None

    def rank(self, place: PlaceT) -> int:
        """0 for a place that calls should go to; the higher, the more it is a last resort."""
        return 0

    def best(self) -> list[PlaceT]:
        """The healthy places of the best rank that any healthy one has."""
        healthy = [place for place in self.places if place.is_healthy]
        best = min(map(self.rank, healthy), default=0)
        return [place for place in healthy if self.rank(place) == best]

    def failed(self, place: PlaceT) -> None:
        """The place could not be reached, or sent a call away."""

    def steer(self, place: PlaceT) -> None:
        """A call was told to go there."""

    def meter(self, place: PlaceT) -> Meter | None:
        """Where the calls of the place are to be counted, if they are."""
        return None

    def look(self, now: float) -> None:
        """Once a second."""


class LeaderFirst(RoundRobin[PlaceT]):
    """One place, until it errs or points to another one."""

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


def pick_another(
    places: Sequence[PlaceT],
    tried: Collection[PlaceT],
    rank: Callable[[PlaceT], int] = lambda _: 0,
) -> PlaceT | None:
    """Where a call goes that failed at the last of ``tried`` (oldest first, not empty).

    A healthy place that was not tried, of the lowest rank, the least loaded; else the healthy
    one that was tried the longest ago; None when only the last one is left, or none is healthy.
    """
    order = {id(place): index for index, place in enumerate(tried)}
    last = len(tried) - 1
    healthy = [p for p in places if p.is_healthy and order.get(id(p), -1) != last]
    return min(healthy, key=lambda p: (order.get(id(p), -1), rank(p), p.load), default=None)
