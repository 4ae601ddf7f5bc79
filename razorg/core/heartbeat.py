"""Whether a connection answers: told by pings, and never by how long a handler takes."""

from __future__ import annotations

#: Nothing heard for this long: ping.
QUIET_SECONDS = 1.0
#: A ping unanswered for this long, and nothing else heard: the connection takes no new calls.
UNANSWERED_SECONDS = 3.0
#: Ticks come a little early or late.
_SLACK = 0.1


class Heartbeat:
    """The pings of one connection, judged once a second.

    ``is_answering`` goes both ways: whatever is heard later brings it back.
    """

    __slots__ = ("_pinged_at", "is_answering")

    def __init__(self) -> None:
        self._pinged_at: float | None = None
        self.is_answering = True

    def is_ping_due(self, now: float, heard_at: float) -> bool:
        """Judge the connection by when it was heard last; whether to ping it now."""
        if self._pinged_at is not None and heard_at >= self._pinged_at:
            self._pinged_at = None
        if self._pinged_at is None:
            self.is_answering = True
            if now - heard_at < QUIET_SECONDS - _SLACK:
                return False
            self._pinged_at = now
            return True
        if now - self._pinged_at >= UNANSWERED_SECONDS - _SLACK:
            self.is_answering = False
        return False
