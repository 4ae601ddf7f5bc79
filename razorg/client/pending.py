"""What is under way for the connections of an address, and must end with them."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable
from typing import Any

from razorg.errors import LocalProtocolError
from razorg.hubs.here import call_soon


class Pending:
    """What has to be stopped when the connections are left: openers, and the timer."""

    def __init__(self) -> None:
        self.openers: set[Any] = set()
        self._timer: Any = None

    def start_timer(self, hub: Any, delay: float, callback: Callable[[], None]) -> None:
        """Call back, once, after so many seconds; instead of the timer that runs."""
        self.stop_timer()
        self._timer = hub.loop.timer(delay)
        self._timer.start(callback, update=True)

    def stop_timer(self) -> None:
        """Call back no more."""
        if self._timer is not None:
            self._timer.close()
            self._timer = None

    def cancel(self) -> None:
        """Stop everything.  Never blocks."""
        self.stop_timer()
        for opener in self.openers:
            opener.kill(block=False)
        self.openers.clear()

    def abandon(self, hub: Any) -> None:
        """As ``cancel``, from whatever thread the garbage collector runs in."""
        with contextlib.suppress(LocalProtocolError):  # destroyed: nothing is under way
            call_soon(hub, self.cancel)


def weakly(method: Callable[..., None]) -> Callable[..., None]:
    """Calls the method of an object as long as the object lives."""
    ref = weakref.WeakMethod(method)

    def call(*args: Any) -> None:
        alive = ref()
        if alive is not None:
            alive(*args)

    return call
