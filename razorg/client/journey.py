"""A call of a pool that failed at one place and goes on at another.

Nothing of this is made for a call that succeeds at once.
"""

from __future__ import annotations

import logging
from time import monotonic
from typing import Any, Protocol, Union

import gevent

from razorg.core.method import Method
from razorg.errors import RpcError, Sent
from razorg.wire.heads import Buffer, Msg

log = logging.getLogger("razorg")


class Place(Protocol):
    """What a call knows of an address."""

    address: str

    def stream(self, timeout: float | None) -> Any:
        """A stream with room; blocks for one."""


class Router(Protocol):
    """The pool, which knows the way."""

    is_abandoned: bool
    #: Futures and tasks on their way to another place; they are in no stream.
    travelling: set[Any]

    def next_place(self, journey: Journey, error: Exception) -> Any:
        """Where the call goes on; None when the error is its end.  Never blocks."""


#: What a future or a task of a pool takes along: the pool, the place where it is, msg and blob.
Origin = tuple[Router, Any, Msg, Union[Buffer, None]]


class Traveller(Protocol):
    """A future or a task."""

    method: Method
    deadline: float
    timeout: float
    origin: Origin | Journey | None

    @property
    def is_finished(self) -> bool:
        """Whether the call has ended."""
        ...

    def settle(self, outcome: Any) -> bool:
        """End the call, or go on once more."""
        ...


class Journey:
    """Where a call has been, and what it needs to go on."""

    __slots__ = (
        "blob",
        "deadline",
        "method",
        "msg",
        "retries",
        "router",
        "sent",
        "started",
        "tried",
    )

    def __init__(self, origin: Origin, method: Method, started: float, deadline: float) -> None:
        self.router, place, self.msg, self.blob = origin
        self.method = method
        #: When its first attempt began.
        self.started = started
        self.deadline = deadline
        self.tried: list[Any] = [place]
        #: How many of the attempts so far count against the limit.
        self.retries = 0
        #: The most that is known of the request over all attempts.
        self.sent: Sent = "no"

    def time_left(self) -> float:
        """Seconds until the caller's time is over."""
        return max(self.deadline - monotonic(), 0.0)

    def count_retry(self) -> None:
        """One attempt more that counts against the limit."""
        self.retries += 1
        if self.method.figures is not None:
            self.method.figures.retries += 1

    def next_place(self, error: Exception) -> Any:
        """Where the call goes on after this error; None when it ends here."""
        if self.router.is_abandoned:
            return None
        place = self.router.next_place(self, error)
        if place is not None:
            self.tried.append(place)
        return place


def began(call: Traveller, origin: Origin | Journey | None) -> float:
    """When the first attempt of a future or a task began."""
    return origin.started if isinstance(origin, Journey) else call.deadline - call.timeout


def goes_on(call: Traveller, origin: Origin | Journey, error: Exception) -> bool:
    """Whether a future or a task does not end with this error, but is sent again."""
    started = began(call, origin)
    journey = (
        origin
        if isinstance(origin, Journey)
        else Journey(origin, call.method, started, call.deadline)
    )
    try:
        place = journey.next_place(error)
    except Exception:  # whoever settles the call settles others too
        log.exception("cannot say where %s goes on", call.method.name)
        return False
    if place is None:
        return False
    call.origin = journey
    journey.router.travelling.add(call)
    gevent.spawn(_send_again, call, journey, place)
    return True


def _send_again(call: Traveller, journey: Journey, place: Place) -> None:
    try:
        try:
            since = monotonic()
            seconds = journey.time_left()
            stream = place.stream(seconds)
            if not call.is_finished:  # cancelled meanwhile
                stream.start(call, journey.msg, journey.blob, seconds, since)
        finally:
            journey.router.travelling.discard(call)
    except Exception as error:  # whatever it is, the call must end, or go on once more
        if isinstance(error, RpcError):
            error.located(call.method.name, place.address)
        if not call.is_finished:
            call.settle(error)
