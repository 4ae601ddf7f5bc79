"""How the connections to one address are kept: judged each second, lost, opened again.

What to do is decided in ``razorg.core``; here it is done.  No greenlet belongs to an address
but those that are opening a connection: the rest are callbacks in the hub, which hold the
object weakly, so that a pool that nobody uses any more leaves nothing behind.
"""

from __future__ import annotations

import random
import weakref
from time import monotonic
from typing import Any

import gevent
from gevent import get_hub

from razorg.client.line import WaitingLine
from razorg.client.opening import open_stream
from razorg.client.pending import Pending, weakly
from razorg.client.stream import ClientStream
from razorg.codec.base import Codec
from razorg.config import ClientConfig
from razorg.core.backoff import Backoff
from razorg.core.heartbeat import UNANSWERED_SECONDS, Heartbeat
from razorg.core.routing import Meter
from razorg.core.scaling import Use, connections_to_close, connections_to_open
from razorg.errors import Unreachable
from razorg.link.ticker import current_ticker
from razorg.transport.address import Address

#: A connection that ends sooner, and never answered, is a failed attempt when it is not the
#: first such one.
_PROVEN_SECONDS = 1.0


class Upkeep:
    """The streams of one address, and what happens to them."""

    def __init__(
        self, address: Address, codec: Codec, config: ClientConfig, patience: float | None = None
    ) -> None:
        self.address = str(address)
        #: The stream that takes the next call, when it is not None and not full.
        self.current: ClientStream | None = None
        self.line = WaitingLine(self._for_the_line)
        #: Whether calls can be expected to be answered: yes, so long as nothing else is known.
        self.is_healthy = True
        #: Whether it takes no more calls.
        self.is_closed = False
        #: Whether a call that waits for its first connection has other addresses to turn to.
        self.shares_time = False
        #: Where its calls are counted, for a pool that judges its addresses.
        self.meter: Meter | None = None
        self._where = (address, codec, config)
        self._config = config
        self._streams: dict[ClientStream, Heartbeat] = {}
        self._patience = patience
        self._attempt_since = 0.0
        self._failure = ""
        #: How many connections there were, and how many of them were lost.
        self.opened_count = self.lost_count = 0
        self._unproven = 0  # connections in a row that were good for nothing
        self._backoff = Backoff(config.reconnect_max, config.reconnect_idle_max, random.random)
        self._pending = Pending()
        self._hub = get_hub()
        self._ticker = current_ticker()
        self._ticker.add(self)
        weakref.finalize(self, self._pending.abandon, self._hub).atexit = False

    # what happens

    def on_tick(self, now: float) -> None:
        """Once a second, in the hub: ping, judge, grow, shrink."""
        for stream, heartbeat in self._streams.items():
            if heartbeat.is_ping_due(now, stream.last_heard_at):
                stream.send_ping()
        answering = self._answering()
        if self._streams and bool(answering) != self.is_healthy:
            if answering:
                self._recovered()
            else:
                self._failed(f"no answer to a ping for {UNANSWERED_SECONDS:g} s")
                self.line.fail(self._unreachable)
        if self.current not in answering:
            self.current = None
        newest = answering[-1] if answering else None
        if newest and newest.has_answered and newest.opened_at >= self._backoff.since:
            self._unproven = 0
            self._backoff.succeeded()
        self.line.expire(now)
        self.line.wake()
        self._close_unneeded(now, answering)
        self._grow(now)

    def opened(self, opener: Any, stream: ClientStream) -> None:
        """An opener has a connection."""
        self._pending.openers.discard(opener)
        if self.is_closed:
            stream.lose(ConnectionError("closed by this side"))
            return
        self._pending.stop_timer()
        self.opened_count += 1
        self._streams[stream] = Heartbeat()
        stream.on_lost = weakly(self._lost)
        stream.line = self.line
        stream.meter = self.meter
        if stream.is_closed:  # meanwhile
            self._lost(stream)
        else:
            self._recovered()

    def not_opened(self, opener: Any, reason: str) -> None:
        """An opener has failed."""
        self._pending.openers.discard(opener)
        if not self.is_closed:
            self._backoff.failed(monotonic())
            self._failed(reason)

    def _lost(self, stream: Any) -> None:
        """A stream has ended, in whatever greenlet."""
        self._streams.pop(stream, None)
        self.lost_count += 1
        if stream is self.current:
            self.current = None
        now = monotonic()
        is_proven = stream.has_answered or now - stream.opened_at >= _PROVEN_SECONDS
        self._unproven = 0 if is_proven else self._unproven + 1
        if self.is_closed:
            return
        if self._answering():
            if self._unproven:
                self._backoff.failed(now)
            self.line.wake()
            return
        self.is_healthy = False
        if self._unproven > 1:
            self._backoff.failed(now)
            self._failed("connections are closed at once")
            return
        self._backoff.lost(now)
        if self._pending.openers:
            self._watch_attempt(now)
        elif self.line:
            self._backoff.asked()
            self._open(1, now)
        else:
            self._try_when_due(now)

    def _recovered(self) -> None:
        self.is_healthy = True
        self._failure = ""
        if not self._unproven:
            self._backoff.succeeded()
        self.line.wake()

    def _failed(self, reason: str) -> None:
        """The address does not answer, unless another connection to it does."""
        if self._answering():
            return
        self.is_healthy = False
        self._failure = reason
        self.current = None
        if not self._pending.openers:
            self.line.fail(self._unreachable)
        self._try_when_due(monotonic())

    # what is done

    def _open(self, count: int, now: float) -> None:
        pending = self._pending
        if count and not pending.openers:
            self._attempt_since = now
            pending.stop_timer()
            self._watch_attempt(now)
        # Only the first one may take calls at once: a stopped process accepts connections, too,
        # and so does a full one.
        must_answer = bool(self._failure or self._streams or self._unproven)
        for _ in range(count):
            owner = weakref.ref(self)
            pending.openers.add(gevent.spawn(open_stream, owner, *self._where, must_answer))

    def _grow(self, now: float, arriving: int = 0) -> None:
        """Beside connections that answer, open what the calls need."""
        config = self._config
        if len(self._streams) + len(self._pending.openers) >= config.max_connections:
            return
        answering = self._answering()
        if not answering or not self._is_due(now):
            return
        missing = connections_to_open(
            self._uses(answering),
            opening=len(self._pending.openers),
            silent=len(self._streams) - len(answering),
            waiting=len(self.line) + arriving,
            window=config.window,
            minimum=config.min_connections,
            maximum=config.max_connections,
        )
        self._open(missing, now)

    def _patient_seconds(self) -> float | None:
        """How long calls wait for an attempt to connect: not long after a failure."""
        return self._config.reconnect_max if self._failure else self._patience

    def _watch_attempt(self, now: float) -> None:
        """Send the line away when the attempt that is under way takes too long."""
        patience = self._patient_seconds()
        if patience is None:
            return
        left = max(self._attempt_since + patience - now, 0.0)
        self._pending.start_timer(self._hub, left, weakly(self._on_impatience))

    def _on_impatience(self) -> None:
        """The attempt goes on, but nobody waits for it any more."""
        if not self.is_closed and not self._answering():
            self.is_healthy = False
            self._failure = self._failure or f"no connection within {self._patience:g} s"
            self.line.fail(self._unreachable)

    def _try_when_due(self, now: float) -> None:
        """Open a connection as soon as the backoff allows it."""
        if self.is_closed or self._pending.openers or self._is_probed:
            return
        delay = self._backoff.due_at() - now
        if delay <= 0:
            self._open(1, now)
        else:
            self._pending.start_timer(self._hub, delay, weakly(self._on_timer))

    def _on_timer(self) -> None:
        if not self._answering():
            self._try_when_due(monotonic())

    def _close_unneeded(self, now: float, answering: list[ClientStream]) -> None:
        """Close what has been idle for long, and silent connections on which nobody waits."""
        config = self._config
        idle = connections_to_close(
            self._uses(answering, now), config.min_connections, config.idle_timeout
        )
        unneeded = [answering[index] for index in idle]
        if answering or self._is_probed:
            unneeded += [
                stream
                for stream, heartbeat in self._streams.items()
                if not heartbeat.is_answering and not stream.in_flight
            ]
        for stream in unneeded:
            self.lost_count -= 1  # it is closed, not lost
            stream.lose(ConnectionError("closed by this side: it was not needed"))

    # what is known

    @property
    def _is_probed(self) -> bool:
        """Beside connections that are silent, one more is enough to see whether it is them."""
        return len(self._streams) > self._config.max_connections

    def _is_due(self, now: float) -> bool:
        return not self._backoff.failures or self._backoff.due_at() <= now

    def _may_probe(self, now: float) -> bool:
        return self._is_due(now) and not self._is_probed

    def _for_the_line(self) -> ClientStream | None:
        stream = self._with_room()
        if stream is None and not self.is_closed:
            self._grow(monotonic())
        return stream

    def _with_room(self) -> ClientStream | None:
        """The first stream with room: so the last ones fall idle when there is less to do."""
        for stream, heartbeat in self._streams.items():
            if heartbeat.is_answering and not stream.is_full():
                return stream
        return None

    def _is_answering(self) -> bool:
        return any(heartbeat.is_answering for heartbeat in self._streams.values())

    def _answering(self) -> list[ClientStream]:
        return [stream for stream, heartbeat in self._streams.items() if heartbeat.is_answering]

    def _uses(self, streams: list[ClientStream], now: float = 0.0) -> list[Use]:
        return [Use(stream.in_flight, now - stream.last_call_at) for stream in streams]

    def _unreachable(self) -> Unreachable:
        return Unreachable(self._failure or "no connection", sent="no", address=self.address)
