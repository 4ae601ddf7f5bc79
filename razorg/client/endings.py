"""The state of a stream, and the ways in which its calls end.

Every ending of a call (response, timeout, cancel, connection loss) goes through ``_settle``:
there it leaves the in-flight table, and there its permit of the window is given back.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

import gevent
from gevent import get_hub, getcurrent
from gevent.event import AsyncResult, Event
from gevent.lock import BoundedSemaphore

from razorg.client.calls import Call, ClientTask, Outcome, sent_of
from razorg.client.channel import Channel, Channels
from razorg.client.line import WaitingLine
from razorg.client.loops import BatchWriter, read_loop, write_loop
from razorg.codec.base import Codec
from razorg.codec.registry import resolve_codec
from razorg.config import ClientConfig, configured
from razorg.core.inflight import InFlight
from razorg.core.method import Method
from razorg.core.routing import Meter
from razorg.errors import CallTimeout, ConnectionLost, LocalProtocolError, Sent, Unreachable
from razorg.hubs.forks import FORKED, Turn, tell_of_forks
from razorg.hubs.here import call_soon, hub_if_any, is_destroyed
from razorg.link.outbox import Outbox
from razorg.link.reading import FrameReader
from razorg.link.ticker import current_ticker
from razorg.transport import registry
from razorg.transport.address import AddressLike
from razorg.wire.heads import ResponseFields
from razorg.wire.parser import ResponseParser


class StreamEndings:
    """What ClientStream is built on: a connection, its calls in flight, and how they end."""

    def __init__(
        self,
        address: AddressLike,
        *,
        codec: str | Codec = "msgpack",
        config: ClientConfig | None = None,
        **settings: Any,
    ) -> None:
        self.config = configured(config, ClientConfig, settings)
        self.codec = resolve_codec(codec)
        parsed = registry.server_address(address, self.config.tls is not None)
        self.address = str(parsed)
        try:
            self._conn = registry.connect(parsed, self.config.connect_timeout, self.config.tls)
        except OSError as error:
            raise Unreachable(f"{error}", sent="no", address=self.address) from error
        self.is_closed = False
        self.opened_at = self.last_response_at = self.last_call_at = monotonic()
        self._error: BaseException | None = None
        self._is_closing = False
        self._task_timeout = self.config.task_timeout
        self._client_id = self.config.client_id
        self._max_msg_bytes = self.config.limits.max_msg_bytes
        self._hub = get_hub()
        self._run_callback = self._hub.loop.run_callback
        self._pause = self._hub.switch
        self._window = BoundedSemaphore(self.config.window)
        #: Whether as many calls are in flight as the window has permits.
        self.is_full: Callable[[], bool] = self._window.locked
        self._line = WaitingLine(self._with_room)
        #: Who is served when a permit is given back: in a pool, the line of all its streams.
        self.line = self._line
        #: Where its calls are counted, in a pool that judges its addresses.
        self.meter: Meter | None = None
        #: Told when the stream is lost; must not block.
        self.on_lost: Callable[[StreamEndings], None] | None = None
        self._in_flight: InFlight[Call] = InFlight()
        self._pings: dict[int, AsyncResult[float]] = {}
        self._tasks: set[ClientTask] = set()
        self._channels = Channels()
        self._outbox = Outbox()
        self._drained = Event()
        self._reader = FrameReader(self._conn, ResponseParser(self.config.limits))
        self._writer = BatchWriter(self._conn)
        self._ticker = current_ticker()
        self._ticker.add(self)
        tell_of_forks(self, Turn.STREAMS)
        # The greenlets hold the stream weakly: one that nobody uses any more is closed.
        ref = weakref.ref(self)
        gevent.spawn(read_loop, ref, self._reader)
        gevent.spawn(write_loop, ref, self._outbox, self._writer)
        # Tasks in flight keep the stream: their channel waits for them, whoever holds it.
        weakref.finalize(
            self, _abandon, self._hub, self._conn, self._outbox, self._tasks
        ).atexit = False

    @property
    def in_flight(self) -> int:
        """How many calls wait for their response."""
        return len(self._in_flight)

    def task_started(self, task: ClientTask) -> None:
        """The task is on its way, and keeps the stream."""
        self._tasks.add(task)

    def task_finished(self, task: ClientTask) -> None:
        """The task has ended and needs the stream no more."""
        self._tasks.discard(task)

    def channel(self, target: Any) -> Channel:
        """The channel for a ``notify`` target."""
        return self._channels.of(target, self._release)

    def cancel(self, call: Call, error: BaseException) -> bool:
        """End a call with ``error`` if it is in flight here; its late reply will be dropped."""
        if call.frame is not None:
            call.frame = None  # the writer skips it
            self._outbox.unwanted()
        return self._settle(call.seq, error)

    def _settle(self, seq: int, outcome: Outcome) -> bool:
        """End the call of this seq, if it has not ended yet: the one place where calls end."""
        call = self._in_flight.pop(seq, None)
        if call is None:
            self._in_flight.check_past(seq)
            if self._pings:
                ping = self._pings.pop(seq, None)
                if ping is not None:
                    ping.set(monotonic())
            return False
        if call.settle(outcome):
            self._window.release()
            if self.line:
                self.line.wake()
        if self._is_closing and not self._in_flight:
            self._drained.set()
        return True

    def _release(self) -> None:
        self._window.release()
        self.line.wake()

    def _with_room(self) -> StreamEndings | None:
        return None if self.is_full() else self

    @property
    def last_heard_at(self) -> float:
        """When the peer last sent a response or a piece of one, or took a piece of a request."""
        return max(self.last_response_at, self._reader.last_piece_at, self._writer.last_progress_at)

    @property
    def has_answered(self) -> bool:
        """Whether anything came back."""
        return self.last_response_at > self.opened_at

    def received(self, frames: Sequence[ResponseFields]) -> None:
        """The reader's responses; RemoteProtocolError when one answers no request."""
        self.last_response_at = monotonic()
        for frame in frames:
            self._settle(frame[0], frame)

    def _expire(self, call: Call) -> None:
        written = call.frame is None
        where = "the request was written" if written else "the request was not yet written"
        blocked = self._ticker.blocked_since(call.deadline - call.timeout)
        if blocked is not None:
            where += f"; the hub of this thread was blocked {blocked}"
        self.cancel(
            call,
            CallTimeout(
                f"no response within {call.timeout:g} s ({where})",
                sent=sent_of(call),
                method=call.method.name,
                address=self.address,
            ),
        )

    def answered(self, started: float) -> None:
        """Count a call that it carried, where its address is judged.

        What is judged is how long calls take, not how long it took to connect.
        """
        if self.meter is not None:
            self.meter.succeeded(monotonic() - max(started, self.opened_at))

    def lose(self, error: BaseException) -> None:
        """The connection is of no more use: close it and settle every call."""
        error.__traceback__ = None  # it is kept, and its frames would keep what they hold
        if self.is_closed:
            return
        self.is_closed = True
        if self._error is None and not self._is_closing:
            self._error = error
        self._ticker.discard(self)
        self._conn.close()
        self._outbox.close()
        self._writer.put_back()
        try:
            self._settle_all(error)
        finally:
            self._drained.set()
            if self.on_lost is not None:
                self.on_lost(self)

    def after_fork(self) -> None:
        """In a forked child: the connection is the parent's, which may still send the requests."""
        self.on_lost = None
        if is_destroyed(self._hub):
            self.is_closed = True
            return
        # A task goes to a channel of the user's: not in here.
        tasks = [task for task in self._tasks if self._in_flight.pop(task.seq, None)]
        self.lose(FORKED)
        is_here = hub_if_any() is self._hub
        if not is_here:
            self._channels.leave_hub()
        for task in tasks:
            error = self._lost_error("maybe", task.method, FORKED)
            if is_here:
                self._hub.loop.run_callback(task.settle, error)
            else:
                task.settle(error)

    def _settle_all(self, cause: BaseException) -> None:
        for call in list(self._in_flight.values()):
            sent = "maybe" if cause is FORKED else sent_of(call)
            self._settle(call.seq, self._lost_error(sent, call.method, cause))
        for ping in self._pings.values():
            ping.set_exception(self._lost_error("maybe", None, cause))
        self._pings.clear()
        for channel in list(self._channels.values()):
            channel.let_permits_go()

    def _lost_error(
        self, sent: Sent, method: Method | None, cause: BaseException | None = None
    ) -> ConnectionLost:
        cause = cause or self._error
        error = ConnectionLost(
            f"connection lost: {cause}",
            sent=sent,
            method=method.name if method else None,
            address=self.address,
        )
        error.__cause__ = cause
        return error

    def on_tick(self, now: float) -> None:
        """Once a second, in the hub: end what has taken too long."""
        for call in self._in_flight.expired(now):
            self._expire(call)
        self._line.expire(now)
        limits = self.config.limits
        if self._reader.is_late(now, self.config.read_timeout, limits):
            self.lose(TimeoutError("the peer stopped in the middle of a frame"))
        elif self._writer.is_late(now, self.config.write_timeout, limits):
            self.lose(TimeoutError("the peer does not read"))

    def _check_thread(self, may_be_hub: bool = True) -> None:
        if hub_if_any() is not self._hub:
            raise LocalProtocolError(f"{self!r} belongs to another thread")
        if not may_be_hub and getcurrent() is self._hub:
            raise LocalProtocolError("a callback in the hub cannot block")

    def _check_open(self, method: Method) -> None:
        if self._error is not None:
            raise self._lost_error("no", method)
        if self._is_closing:
            raise LocalProtocolError(f"{self!r} is closed")


def _abandon(hub: Any, conn: Any, outbox: Outbox, _tasks: Any) -> None:
    """The stream was garbage-collected, in whatever thread: end its connection and greenlets."""
    try:
        call_soon(hub, conn.close)
        call_soon(hub, outbox.close)
    except LocalProtocolError:
        conn.close()
