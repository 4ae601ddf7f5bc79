"""Waiting for something that happens in another thread."""

from __future__ import annotations

import contextlib
from threading import TIMEOUT_MAX
from typing import Any

from gevent import getcurrent
from gevent.event import Event

from razorg.errors import LocalProtocolError
from razorg.hubs.here import call_soon, hub_here
from razorg.hubs.native import allocate_lock


def keep_waiting(hub: Any) -> Any:
    """Let the hub wait for other threads: gevent does not count what they may do as something to
    wait for.  To be closed when that is over."""
    watcher = hub.loop.async_()
    watcher.start(_nothing)
    return watcher


class Wake:
    """Wakes, once, the one who made it and waits: its greenlet, or a thread that has no hub."""

    def __init__(self) -> None:
        self._hub = hub_here()
        if self._hub is None:
            self._lock = allocate_lock()
            self._lock.acquire()
        elif self._hub is getcurrent():
            raise LocalProtocolError("a callback in the hub cannot wait for another thread")
        else:
            self._event = Event()

    def set(self, *_: Any) -> None:
        """It has happened; from any thread, once."""
        if self._hub is None:
            self._lock.release()
        else:
            with contextlib.suppress(LocalProtocolError):  # destroyed: nobody waits
                call_soon(self._hub, self._event.set)

    def wait(self, timeout: float | None = None) -> bool:
        """Block this greenlet, or this thread where it has no hub; False after ``timeout``."""
        if self._hub is None:
            return bool(
                self._lock.acquire(
                    True, -1 if timeout is None else min(max(timeout, 0.0), TIMEOUT_MAX)
                )
            )
        alive = keep_waiting(self._hub)
        try:
            return bool(self._event.wait(timeout))
        finally:
            alive.close()


def _nothing() -> None:
    pass
