"""The tick of a second: one timer a hub, for all timeouts of all connections in it."""

from __future__ import annotations

import logging
from time import monotonic
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from gevent import get_hub

from razorg.hubs.here import is_destroyed

log = logging.getLogger("razorg")

TICK = 1.0
#: A tick that comes this late says that the hub was blocked: what the peers sent meanwhile lies
#: unread in the kernel, so nobody is judged before it was read.
LATE = 2 * TICK
#: What is worth to be told: a hub that was blocked for so long.
NOTICEABLE = 0.25


class Member(Protocol):
    """What is ticked."""

    def on_tick(self, now: float) -> None:
        """Runs in the hub once a second: must not block."""

    def __hash__(self) -> int: ...


class Blocked(NamedTuple):
    """A time in which a hub did not run, because something in its thread did not wait."""

    seconds: float
    until: float
    #: What kept it, as ``file.py:42``, where somebody looked (``link/watch.py``).
    where: str

    def __str__(self) -> str:
        return f"for {self.seconds:.1f} s or more" + (f" in {self.where}" if self.where else "")


class Ticker:
    """Calls ``on_tick(now)`` of its members each second, in the hub; holds them weakly."""

    def __init__(self, hub: Any) -> None:
        self._timer = hub.loop.timer(TICK, TICK)
        #: In the order in which they came: what happens is the same each time.
        self._members: WeakKeyDictionary[Member, None] = WeakKeyDictionary()
        self._last = 0.0
        #: Whether it ticks.
        self.is_running = False
        #: The last time that the hub was blocked.
        self.blocked: Blocked | None = None
        #: For how long the hub was blocked so far, all times together.
        self.blocked_seconds = 0.0
        #: Written by who looks into the thread meanwhile.
        self.seen_in = ""

    def add(self, member: Member) -> None:
        """Tick the member from now on; the timer runs while there is one."""
        self._members[member] = None
        if not self.is_running:
            self.is_running = True
            self._last = monotonic()
            # update: the loop's own clock stands still while the hub does not run
            self._timer.start(self._tick, update=True)

    def discard(self, member: Member) -> None:
        """Tick the member no more."""
        self._members.pop(member, None)
        self._stop_if_alone()

    def late_by(self, now: float) -> float:
        """How long the next tick is overdue, in seconds; 0 when it is not.  From any thread."""
        return max(now - self._last - TICK, 0.0) if self.is_running else 0.0

    def blocked_since(self, then: float) -> Blocked | None:
        """For how long the hub was blocked since then, also when that ends only now."""
        self._note(monotonic())
        if self.blocked is None:
            return None
        seconds = min(self.blocked.seconds, self.blocked.until - then)
        return self.blocked._replace(seconds=seconds) if seconds > NOTICEABLE else None

    def _note(self, now: float) -> None:
        late = self.late_by(now)
        if late > NOTICEABLE:
            self.blocked = Blocked(late, now, self.seen_in)

    def _tick(self) -> None:
        now = monotonic()
        self._note(now)
        late = self.late_by(now)
        if late > NOTICEABLE:
            self.blocked_seconds += late
        self.seen_in = ""
        was_blocked = now - self._last > LATE
        self._last = now
        if not was_blocked:
            for member in list(self._members):
                try:
                    member.on_tick(now)
                except Exception:  # one that fails must not keep the others from their ticks
                    log.exception("the tick of %r failed", member)
        self._stop_if_alone()

    def _stop_if_alone(self) -> None:
        if not self._members and self.is_running:
            self.is_running = False
            self._timer.stop()


_tickers: WeakKeyDictionary[Any, Ticker] = WeakKeyDictionary()


def current_ticker() -> Ticker:
    """The ticker of this thread's hub."""
    hub = get_hub()
    ticker = _tickers.get(hub)
    if ticker is None:
        ticker = _tickers[hub] = Ticker(hub)
    return ticker


def all_tickers() -> list[tuple[Any, Ticker]]:
    """The hubs of this process that razorg has used, with their tickers."""
    found = []
    for ref in _tickers.keyrefs():  # a list made in one step: other threads make hubs meanwhile
        hub = ref()
        ticker = _tickers.get(hub) if hub is not None and not is_destroyed(hub) else None
        if ticker is not None:
            found.append((hub, ticker))
    return found
