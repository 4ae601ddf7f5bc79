"""Callers that wait for a place in a window, first come, first served."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any
from weakref import WeakMethod

from gevent import get_hub, getcurrent

from razorg.errors import LocalProtocolError

_NOT_SERVED = object()


class _Waiting:
    """A greenlet in the line; ``greenlet`` is None once it has left."""

    __slots__ = ("deadline", "given", "greenlet", "hub")

    def __init__(self, greenlet: Any, hub: Any, deadline: float) -> None:
        self.greenlet = greenlet
        self.hub = hub
        self.deadline = deadline
        self.given: Any = _NOT_SERVED

    def serve(self, given: Any) -> None:
        """In the hub: it runs at once, and has taken its place when it blocks again."""
        self.given = given
        greenlet = self.greenlet
        try:
            greenlet.switch()
        except BaseException:  # a raw greenlet has died of something: the others are to go on
            self.hub.handle_error(greenlet, *sys.exc_info())

    def send_away(self, error: BaseException) -> None:
        """In the hub: it goes on with the error."""
        greenlet = self.greenlet
        try:
            greenlet.throw(error)
        except BaseException:  # as above
            self.hub.handle_error(greenlet, *sys.exc_info())


class WaitingLine(deque[_Waiting]):
    """One entry for each greenlet that waits, so it holds no more than the callers do.

    Who comes while somebody waits goes to the end: a permit that is given back belongs to the
    first in the line.  ``place()`` gives what the next one may have, or None; it is a method of
    the line's owner, which is held weakly.
    """

    def __init__(self, place: Callable[[], Any]) -> None:
        super().__init__()
        self._place = WeakMethod(place)
        self._is_waking = False

    def wait(self, deadline: float, is_exact: bool) -> Any:
        """Block until served; returns what ``place()`` gave, None when the deadline came first.

        An exact deadline costs a timer, another one is seen by ``expire``.  Raises what ``fail``
        was given.
        """
        current = getcurrent()
        hub = get_hub()
        if current is hub:
            raise LocalProtocolError("there is no room now, and a callback in the hub cannot wait")
        waiting = _Waiting(current, hub, deadline)
        timer = None
        self.append(waiting)
        try:
            if is_exact:
                timer = hub.loop.timer(max(deadline - monotonic(), 0))
                timer.start(waiting.serve, None, update=True)
            while waiting.given is _NOT_SERVED:
                hub.switch()
            return waiting.given
        finally:
            waiting.greenlet = None
            if timer is not None:
                timer.close()
            if waiting.given is None or waiting.given is _NOT_SERVED:
                self._leave(waiting)

    def wake(self) -> None:
        """There may be room: serve those who wait, soon, in the hub."""
        if self and not self._is_waking:
            self._is_waking = True
            self[0].hub.loop.run_callback(self._serve)

    def expire(self, now: float) -> None:
        """In the hub: serve nothing to those whose deadline has passed."""
        for waiting in [waiting for waiting in self if waiting.deadline <= now]:
            if waiting.greenlet is not None:
                waiting.serve(None)

    def fail(self, make_error: Callable[[], BaseException]) -> None:
        """Send everybody who waits now away, soon, each with an error of its own."""
        if self:
            waiting = list(self)
            self.clear()
            waiting[0].hub.loop.run_callback(_throw, waiting, make_error)

    def _serve(self) -> None:
        self._is_waking = False
        place = self._place()
        for _ in range(len(self)):
            given = place() if place is not None and self else None
            if given is None:
                return
            waiting = self.popleft()
            waiting.serve(given)
        self.wake()  # they may be back at the end of the line already

    def _leave(self, waiting: _Waiting) -> None:
        try:
            self.remove(waiting)
        except ValueError:
            pass  # sent away
        self.wake()  # what was to be its place is the next one's


def _throw(everybody: list[_Waiting], make_error: Callable[[], BaseException]) -> None:
    for waiting in everybody:
        if waiting.greenlet is not None:
            waiting.send_away(make_error())
