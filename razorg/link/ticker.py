"""The tick of a second: one timer a hub, for all timeouts of all connections in it."""

from __future__ import annotations

from time import monotonic
from typing import Any, Protocol
from weakref import WeakKeyDictionary, WeakSet

from gevent import get_hub

TICK = 1.0
#: A tick that comes this late says that the hub was blocked: what the peers sent meanwhile lies
#: unread in the kernel, so nobody is judged before it was read.
LATE = 2 * TICK


class Member(Protocol):
    """What is ticked."""

    def on_tick(self, now: float) -> None:
        """Runs in the hub once a second: must not block."""

    def __hash__(self) -> int: ...


class Ticker:
    """Calls ``on_tick(now)`` of its members each second, in the hub; holds them weakly."""

    def __init__(self, hub: Any) -> None:
        self._timer = hub.loop.timer(TICK, TICK)
        self._members: WeakSet[Member] = WeakSet()
        self._is_running = False
        self._last = 0.0

    def add(self, member: Member) -> None:
        """Tick the member from now on; the timer runs while there is one."""
        self._members.add(member)
        if not self._is_running:
            self._is_running = True
            self._last = monotonic()
            # update: the loop's own clock stands still while the hub does not run
            self._timer.start(self._tick, update=True)

    def discard(self, member: Member) -> None:
        """Tick the member no more."""
        self._members.discard(member)
        self._stop_if_alone()

    def _tick(self) -> None:
        now = monotonic()
        was_blocked = now - self._last > LATE
        self._last = now
        if not was_blocked:
            for member in list(self._members):
                member.on_tick(now)
        self._stop_if_alone()

    def _stop_if_alone(self) -> None:
        if not self._members and self._is_running:
            self._is_running = False
            self._timer.stop()


_tickers: WeakKeyDictionary[Any, Ticker] = WeakKeyDictionary()


def current_ticker() -> Ticker:
    """The ticker of this thread's hub."""
    hub = get_hub()
    ticker = _tickers.get(hub)
    if ticker is None:
        ticker = _tickers[hub] = Ticker(hub)
    return ticker
