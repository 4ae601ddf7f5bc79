"""When to try an address again that could not be reached.

The growth is that of gRPC's connection backoff, × 1.6.  The dice take up to half of each delay
away, so that the clients of one server do not come back all at once, and no delay is ever longer
than its cap.
"""

from __future__ import annotations

from collections.abc import Callable

FIRST_SECONDS = 0.1
FACTOR = 1.6
#: Here the longest delay that can be configured (ten years) has long been reached.
_GROWTHS_MAX = 60


def delay_before(failures: int, cap: float, dice: float) -> float:
    """Seconds to wait after so many failures in a row; ``dice`` is in 0 … 1."""
    whole = min(FIRST_SECONDS * FACTOR ** min(max(failures - 1, 0), _GROWTHS_MAX), cap)
    return whole * (1 - dice / 2)


class Backoff:
    """The failures of one address, and when the next attempt is due.

    While calls ask for the address the delay ends at ``wanted_cap``; when none has asked since
    the last attempt it grows to ``idle_cap``.  ``dice()`` gives a number in 0 … 1.
    """

    __slots__ = ("_dice", "_idle_cap", "_rolled", "_wanted_cap", "failures", "is_wanted", "since")

    def __init__(self, wanted_cap: float, idle_cap: float, dice: Callable[[], float]) -> None:
        self._wanted_cap = wanted_cap
        self._idle_cap = max(idle_cap, wanted_cap)
        self._dice = dice
        self._rolled = 0.0
        #: When the last attempt failed, or the last connection was lost.
        self.since = 0.0
        self.failures = 0
        self.is_wanted = False

    def failed(self, now: float) -> None:
        """An attempt has failed."""
        self.failures += 1
        self._wait_from(now)

    def lost(self, now: float) -> None:
        """What had been reached is gone; the first attempt is to come."""
        self.failures = 0
        self._wait_from(now)

    def succeeded(self) -> None:
        """The address has been reached."""
        self.failures = 0

    def asked(self) -> None:
        """A call wants the address."""
        self.is_wanted = True

    def due_at(self) -> float:
        """When the next attempt may be made; moves nearer when the address is asked for."""
        cap = self._wanted_cap if self.is_wanted else self._idle_cap
        return self.since + delay_before(self.failures, cap, self._rolled)

    def _wait_from(self, now: float) -> None:
        self.since = now
        self._rolled = self._dice()
        self.is_wanted = False
