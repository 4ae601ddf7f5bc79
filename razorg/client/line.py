"""Callers that wait for a place in a window, first come, first served."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any
from weakref import WeakMethod

from gevent import get_hub, getcurrent
from gevent.hub import Waiter

from razorg.errors import LocalProtocolError


class WaitingLine(deque[Any]):
    """One entry for each greenlet that waits, so it holds no more than the callers do.

    Who comes while somebody waits goes to the end: a permit that is given back belongs to the
    first in the line.  ``place()`` gives what the next one may have, or None; it is a method of
    the line's owner, which is held weakly.
    """

    def __init__(self, place: Callable[[], Any]) -> None:
        super().__init__()
        self._place = WeakMethod(place)
        self._is_waking = False

    def wait(self, deadline: float) -> Any:
        """Block until served; returns what ``place()`` gave, None when the deadline came first.

        Raises what ``fail`` was given.
        """
        hub = get_hub()
        if getcurrent() is hub:
            raise LocalProtocolError("there is no room now, and a callback in the hub cannot wait")
        waiter = Waiter(hub)
        timer = hub.loop.timer(max(deadline - monotonic(), 0))
        given = None
        self.append(waiter)
        try:
            timer.start(waiter.switch, None, update=True)
            given = waiter.get()
            return given
        finally:
            timer.close()
            if given is None:
                self._leave(waiter)

    def wake(self) -> None:
        """There may be room: serve those who wait, soon, in the hub."""
        if self and not self._is_waking:
            self._is_waking = True
            self[0].hub.loop.run_callback(self._serve)

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
            # It runs at once, and has taken its place when it blocks again.
            self.popleft().switch(given)
        self.wake()  # they may be back at the end of the line already

    def _leave(self, waiter: Waiter[Any]) -> None:
        try:
            self.remove(waiter)
        except ValueError:
            pass  # sent away
        self.wake()  # what was to be its place is the next one's


def _throw(waiting: list[Waiter[Any]], make_error: Callable[[], BaseException]) -> None:
    for waiter in waiting:
        if waiter.greenlet is not None:
            waiter.throw(make_error())
