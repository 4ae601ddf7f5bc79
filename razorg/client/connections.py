"""The connections to one address, as the calls see them.

::

    call ─ current stream with room? ────────────────► stream
         └ no: line ◁── room, or a new connection ───► stream
                    ◁── the address does not answer ─► Unreachable
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from razorg.client.stream import ClientStream
from razorg.client.upkeep import Upkeep
from razorg.errors import CallTimeout, ConnectionLost, Unreachable
from razorg.hubs.forks import FORKED
from razorg.hubs.here import is_destroyed

#: What ``describe`` says before the first call.
UNUSED = "not connected, 0 connections, 0 in flight, 0 queued"


class AddressStats(NamedTuple):
    """One address of a pool, in one thread: what is there now, and how many there were so far."""

    address: str
    is_healthy: bool
    connections: int
    in_flight: int
    queued: int
    opened: int
    lost: int


class Connections(Upkeep):
    """The streams of one address, the line of those who wait for one, and its health.

    Belongs to the hub of the thread that made it.  ``patience``: how long a call may wait
    for a connection, when there are other addresses to turn to.
    """

    _make_closed_error: Callable[[], Exception] | None = None

    def stream(self, timeout: float | None) -> ClientStream:
        """A stream with room; blocks for one.

        Unreachable at once when the address is known not to answer; CallTimeout when there was
        no room in time; LocalProtocolError when closed.
        """
        if self._make_closed_error is not None:
            raise self._make_closed_error()
        if not self.line:
            self.current = self._with_room()
            if self.current is not None:
                return self.current
        now = monotonic()
        self._ask(now)
        seconds = self._config.task_timeout if timeout is None else timeout
        share = seconds
        if self.shares_time and not self._is_answering():
            share /= 2  # and as much is left for the other addresses
        is_exact = timeout is not None
        stream: ClientStream | None = self.line.wait(now + share, is_exact)
        if stream is None and share < seconds and self._is_answering():
            stream = self.line.wait(now + seconds, is_exact)
        if stream is None:
            raise self._too_late(monotonic() - now)
        self.current = stream
        return stream

    def wanted(self) -> None:
        """Calls would come here if it were healthy: look for it more often."""
        self._backoff.asked()
        if not self.is_healthy:
            self._try_when_due(monotonic())

    def may_be_asked(self) -> bool:
        """Whether a call has a chance here: it is healthy, or an attempt is under way or due."""
        if self.is_closed:
            return False
        self._backoff.asked()
        now = monotonic()
        if self._pending.openers:
            return not self._is_impatient(now)
        return self.is_healthy or self._may_probe(now)

    @property
    def is_crowded(self) -> bool:
        """Whether a call would have to wait here."""
        if self.line:
            return True
        return self.current is not None and self.current.is_full() and self._with_room() is None

    @property
    def in_flight(self) -> int:
        """How many calls wait for their response; may be asked in any thread."""
        return sum(stream.in_flight for stream in list(self._streams))

    @property
    def load(self) -> int:
        """How many calls are on their way here."""
        return self.in_flight + len(self.line)

    def close(self, make_error: Callable[[], Exception], timeout: float | None = None) -> None:
        """Refuse new calls with this error, let those in flight end, disconnect.  Idempotent.

        Blocks as ``ClientStream.close`` does; in the hub it waits for nothing.
        """
        if self._make_closed_error is None:
            self._make_closed_error = make_error
        self.is_closed = True
        self.is_healthy = False
        self.current = None
        self._ticker.discard(self)
        self._pending.cancel()
        self.line.fail(self._make_closed_error)
        deadline = monotonic() + (self._config.task_timeout if timeout is None else timeout)
        try:
            for stream in list(self._streams):
                stream.close(max(deadline - monotonic(), 0.0))
        finally:
            for stream in list(self._streams):
                stream.lose(ConnectionError("closed by this side"))

    def abandon(self) -> None:
        """In a forked child: everybody in the line fails at once."""
        self.is_closed = True
        self.is_healthy = False
        self.current = None
        self._make_closed_error = self._forked
        if is_destroyed(self._hub):
            return
        self._ticker.discard(self)
        self._pending.cancel()
        self.line.fail(self._forked)

    def stats(self) -> AddressStats:
        """Its state in numbers."""
        return AddressStats(
            self.address,
            self.is_healthy,
            len(self._streams),
            self.in_flight,
            len(self.line),
            self.opened_count,
            self.lost_count,
        )

    def describe(self) -> str:
        """Health, connections, calls in flight and in the line, as ``repr(pool)`` shows them."""
        if self.is_closed:
            state = "closed"
        elif self._failure:
            state = f"unhealthy ({self._failure})"
        elif self._streams:
            state = "healthy"
        else:
            state = "connecting" if self._pending.openers else "not connected"
        count = len(self._streams)
        connections = "1 connection" if count == 1 else f"{count} connections"
        return f"{state}, {connections}, {self.in_flight} in flight, {len(self.line)} queued"

    def _ask(self, now: float) -> None:
        """A call wants a connection: open what it takes; Unreachable when there is no hope."""
        self._backoff.is_wanted = True
        if self.current is not None or self._is_answering():
            self._grow(now, arriving=1)
        elif self._pending.openers:
            if self._is_impatient(now):
                self._on_impatience()
                raise self._unreachable()
        elif self._may_probe(now):
            self._open(1, now)
        else:
            self._try_when_due(now)
            raise self._unreachable()

    def _is_impatient(self, now: float) -> bool:
        """Whether calls no longer wait for the attempt that is under way."""
        patience = self._patient_seconds()
        return patience is not None and now - self._attempt_since >= patience

    def _too_late(self, seconds: float) -> Exception:
        if self._answering():
            return CallTimeout(
                f"no room in the windows of {len(self._streams)} connections in {seconds:.3g} s",
                sent="no",
                address=self.address,
            )
        seconds = max(seconds, monotonic() - self._attempt_since)
        reason = self._failure or f"no connection within {seconds:.3g} s"
        return Unreachable(reason, sent="no", address=self.address)

    def _forked(self) -> Exception:
        return ConnectionLost(f"connection lost: {FORKED}", sent="maybe", address=self.address)

    def __repr__(self) -> str:
        return f"<Connections {self.address} {self.describe()}>"
