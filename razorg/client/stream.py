"""ClientStream: one connection, on which any number of greenlets call at once.

::

    call ─ window ─ in-flight ─ outbox ─ writer greenlet ─ connection
    call ◁───────── in-flight ◁───────── reader greenlet ─ connection

Every ending of a call (response, timeout, cancel, connection loss) goes through ``_settle``:
there it leaves the in-flight table, and there its permit of the window is given back.
"""

from __future__ import annotations

import weakref
from time import monotonic
from typing import Any

import gevent
from gevent import get_hub, getcurrent
from gevent.event import AsyncResult, Event
from gevent.lock import BoundedSemaphore

from razorg.client.calls import BlockingCall, Call, ClientTask, Outcome, located, sent_of, value_of
from razorg.client.channel import Channel
from razorg.client.future import RpcFuture
from razorg.client.loops import Remainder, read_loop, write_loop
from razorg.client.raw import RawActions
from razorg.codec.base import Codec
from razorg.codec.registry import resolve_codec
from razorg.config import ClientConfig, configured
from razorg.core.inflight import InFlight
from razorg.core.method import Method
from razorg.errors import CallTimeout, ConnectionLost, LocalProtocolError, Sent, Unreachable
from razorg.link.outbox import Outbox
from razorg.link.reading import FrameReader
from razorg.link.ticker import current_ticker
from razorg.link.writing import FrameWriter
from razorg.transport import registry
from razorg.transport.address import AddressLike
from razorg.wire.encoder import as_blob, check_sizes, request_frame
from razorg.wire.heads import PING, Buffer, ResponseFields
from razorg.wire.parser import ResponseParser

#: After this long without a call the peer may have gone unnoticed, where the hub does not run
#: between calls.
_QUIET_SECONDS = 0.05


class ClientStream(RawActions):
    """A connection to one address; connects when made, blocking, and raises Unreachable.

    Belongs to the hub of the thread that made it.  Takes the names of ClientConfig as keywords.
    """

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
        parsed = registry.checked_address(address)
        self.address = str(parsed)
        try:
            self._conn = registry.connect(parsed, self.config.connect_timeout)
        except OSError as error:
            raise Unreachable(f"{error}", sent="no", address=self.address) from error
        self.is_closed = False
        self.last_response_at = monotonic()
        self._last_call_at = self.last_response_at
        self._error: BaseException | None = None
        self._is_closing = False
        self._max_msg_bytes = self.config.limits.max_msg_bytes
        self._hub = get_hub()
        self._run_callback = self._hub.loop.run_callback
        self._window = BoundedSemaphore(self.config.window)
        self._in_flight: InFlight[Call] = InFlight()
        self._pings: dict[int, AsyncResult[float]] = {}
        self._tasks: set[ClientTask] = set()
        self._channels: weakref.WeakValueDictionary[int, Channel] = weakref.WeakValueDictionary()
        self._outbox: Outbox[Call | Remainder] = Outbox()
        self._drained = Event()
        self._reader = FrameReader(self._conn, ResponseParser(self.config.limits))
        self._writer = FrameWriter(self._conn)
        self._ticker = current_ticker()
        self._ticker.add(self)
        # The greenlets hold the stream weakly: one that nobody uses any more is closed.
        ref = weakref.ref(self)
        gevent.spawn(read_loop, ref, self._reader)
        gevent.spawn(write_loop, ref, self._outbox, self._writer)
        run_later = self._hub.loop.run_callback_threadsafe
        # Tasks in flight keep the stream: their channel waits for them, whoever holds it.
        weakref.finalize(
            self, _abandon, run_later, self._conn, self._outbox, self._tasks
        ).atexit = False

    # calls

    def call(
        self, method: Method, msg: bytes, blob: Any = None, timeout: float | None = None
    ) -> Any:
        """Send a request and block this greenlet until the response; its value or its error."""
        hub = self._hub
        current = getcurrent()
        if current is hub:
            raise LocalProtocolError("a callback in the hub cannot block; use submit")
        call = BlockingCall(method, self._run_callback, current.switch)
        self._send(call, msg, blob, timeout)
        timer = None
        try:
            if timeout is not None:  # exact, where the ticker would come up to a second late
                timer = hub.loop.timer(max(call.deadline - monotonic(), 0))
                timer.start(self._expire, call, update=True)
            while hub.switch() is not call:
                pass
        except BaseException as error:
            self.cancel(call, error)
            call.forget()
            raise
        finally:
            if timer is not None:
                timer.close()
        assert call.outcome is not None
        try:
            return value_of(method, call.outcome)
        except Exception as error:
            located(error, method.name, self.address)
            raise

    def submit(
        self, method: Method, msg: bytes, blob: Any = None, timeout: float | None = None
    ) -> RpcFuture[Any]:
        """Send a request; returns its future.  Blocks only while the window is full."""
        future: RpcFuture[Any] = RpcFuture(method, self)
        self._send(future, msg, blob, timeout)
        return future

    def start_task(
        self, method: Method, msg: bytes, blob: Any, timeout: float | None, task: ClientTask
    ) -> ClientTask:
        """Send the request of a task; blocks only while the window is full."""
        self._tasks.add(task)
        try:
            self._send(task, msg, blob, timeout)
        except BaseException:
            self._tasks.discard(task)
            raise
        return task

    def task_finished(self, task: ClientTask) -> None:
        """The task has ended and needs the stream no more."""
        self._tasks.discard(task)

    def channel(self, target: Any) -> Channel:
        """The channel for a ``notify`` target."""
        channel = self._channels.get(id(target))
        if channel is None:
            channel = self._channels[id(target)] = Channel(target, self._window.release)
        return channel

    def cancel(self, call: Call, error: BaseException) -> bool:
        """End a call with ``error`` if it is in flight here; its late reply will be dropped."""
        call.frame = None  # the writer skips it
        return self._settle(call.seq, error)

    def _send(self, call: Call, msg: bytes, blob: Any, timeout: float | None) -> None:
        """Take a permit, register the call, hand its frame over: from here on it will settle."""
        if get_hub() is not self._hub:
            self._check_thread()
        now = monotonic()
        if now - self._last_call_at > _QUIET_SECONDS and not self._in_flight:
            if not self.is_closed and self._conn.end_of_stream():
                self.lose(ConnectionError("the peer closed the connection while it was idle"))
        self._last_call_at = now
        if self.is_closed or self._is_closing:
            self._check_open(call.method)
        if blob is not None:
            blob = as_blob(blob)
        if blob is not None or len(msg) > self._max_msg_bytes:
            check_sizes(msg, blob, self.config.limits)
        call.timeout = timeout if timeout is not None else self.config.task_timeout
        call.deadline = now + call.timeout
        if not self._window.acquire(False):
            self._wait_for_window(call)
        try:
            frame = request_frame(
                call.method.action, self._in_flight.next_seq, self.config.client_id, msg, blob
            )
        except BaseException:
            self._window.release()
            raise
        call.frame = frame
        self._in_flight.register(call)
        if len(self._in_flight) == 1 and frame.__class__ is bytes and self._outbox.is_idle:
            self._write_at_once(call, frame)  # type: ignore[arg-type,unused-ignore]
        else:
            self._outbox.put(call)

    def _write_at_once(self, call: Call, frame: bytes) -> None:
        """Nobody else is calling: spare the switch to the writer."""
        try:
            written = self._conn.write(frame)
        except OSError as error:
            self.lose(error)
            return
        if written == len(frame):
            call.frame = None
        elif written:
            call.frame = None
            self._outbox.put(Remainder((memoryview(frame)[written:],)))
        else:
            self._outbox.put(call)

    def _wait_for_window(self, call: Call) -> None:
        if getcurrent() is self._hub:
            raise LocalProtocolError("the window is full, and a callback in the hub cannot wait")
        if not self._window.acquire(timeout=max(call.deadline - monotonic(), 0)):
            raise CallTimeout(
                f"no room in the window ({self.config.window} in flight) in {call.timeout:g} s",
                sent="no",
                method=call.method.name,
                address=self.address,
            )
        if self.is_closed or self._is_closing:
            self._window.release()
            self._check_open(call.method)

    def _check_thread(self, may_be_hub: bool = True) -> None:
        if get_hub() is not self._hub:
            raise LocalProtocolError(f"{self!r} belongs to another thread")
        if not may_be_hub and getcurrent() is self._hub:
            raise LocalProtocolError("a callback in the hub cannot block")

    def _check_open(self, method: Method) -> None:
        if self._error is not None:
            raise self._lost_error("no", method)
        if self._is_closing:
            raise LocalProtocolError(f"{self!r} is closed")

    # endings

    def _settle(self, seq: int, outcome: Outcome) -> bool:
        """End the call of this seq, if it has not ended yet: the one place where calls end."""
        call = self._in_flight.complete(seq)
        if call is None:
            if self._pings:
                ping = self._pings.pop(seq, None)
                if ping is not None:
                    ping.set(monotonic())
            return False
        if call.settle(outcome):
            self._window.release()
        if self._is_closing and not self._in_flight:
            self._drained.set()
        return True

    def received(self, frames: list[ResponseFields]) -> None:
        """The reader's responses; RemoteProtocolError when one answers no request."""
        self.last_response_at = monotonic()
        settle = self._settle
        for frame in frames:
            settle(frame[0], frame)

    def _expire(self, call: Call) -> None:
        written = call.frame is None
        where = "the request was written" if written else "the request was not yet written"
        self.cancel(
            call,
            CallTimeout(
                f"no response within {call.timeout:g} s ({where})",
                sent=sent_of(call),
                method=call.method.name,
                address=self.address,
            ),
        )

    def lose(self, error: BaseException) -> None:
        """The connection is of no more use: close it and settle every call."""
        if self.is_closed:
            return
        self.is_closed = True
        if self._error is None and not self._is_closing:
            self._error = error
        self._ticker.discard(self)
        self._conn.close()
        self._outbox.close()
        cause = error
        for call in list(self._in_flight.values()):
            lost = self._lost_error(sent_of(call), call.method, cause)
            self._settle(call.seq, lost)
        for ping in self._pings.values():
            ping.set_exception(self._lost_error("maybe", None, cause))
        self._pings.clear()
        for channel in list(self._channels.values()):
            channel.let_permits_go()
        self._drained.set()

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
        limits = self.config.limits
        if self._reader.is_late(now, self.config.read_timeout, limits):
            self.lose(TimeoutError("the peer stopped in the middle of a frame"))
        elif self._writer.is_late(now, self.config.write_timeout, limits):
            self.lose(TimeoutError("the peer does not read"))

    # the rest of its life

    @property
    def in_flight(self) -> int:
        """How many calls wait for their response."""
        return len(self._in_flight)

    def ping(self, timeout: float | None = None) -> float:
        """Wait for the peer's pong; returns the seconds it took.  Takes no room in the window.

        Raises CallTimeout after ``timeout`` (default: ``read_timeout``), ConnectionLost.
        """
        method = self.raw_method(PING)
        self._check_thread(may_be_hub=False)
        self._check_open(method)
        timeout = self.config.read_timeout if timeout is None else timeout
        pong: AsyncResult[float] = AsyncResult()
        seq = self._in_flight.take_seq()
        self._pings[seq] = pong
        frame = request_frame((PING, b""), seq, self.config.client_id, b"", None)
        started = monotonic()
        self._outbox.put(Remainder(frame))
        try:
            pong.wait(timeout)
            if not pong.ready():
                raise CallTimeout(f"no pong within {timeout:g} s", address=self.address)
            pong_at: float = pong.get()
            return max(pong_at - started, 0.0)
        finally:
            self._pings.pop(seq, None)

    def flush(self) -> None:
        """Block until everything queued is with the kernel; ConnectionLost if it cannot be."""
        self._check_thread(may_be_hub=False)
        self._outbox.wait_written()
        if self._error is not None:
            raise self._lost_error("maybe", None)

    def close(self, timeout: float | None = None) -> None:
        """Send no new requests, wait for the replies to those in flight, then disconnect.

        Blocks until they have settled, at most ``timeout`` seconds (default: ``task_timeout``);
        what is left then ends with ConnectionLost.  In the hub it waits for nothing.  Idempotent.
        """
        self._check_thread()
        self._is_closing = True
        try:
            if self.is_closed or getcurrent() is self._hub:
                pass
            elif self._in_flight:
                self._drained.wait(self.config.task_timeout if timeout is None else timeout)
            elif not self._outbox.is_idle:
                self._outbox.wait_written()
        finally:
            self.lose(ConnectionError("closed by this side"))

    def __enter__(self) -> ClientStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.is_closed or self._is_closing else "open"
        return f"<ClientStream {self.address} {state}, {len(self._in_flight)} in flight>"

    def _start(
        self,
        method: Method,
        action: int | str,
        msg: Any,
        data: bytes,
        blob: Buffer | None,
        timeout: float | None,
        notify: Any,
        tag: Any,
    ) -> Any:
        if notify is None:
            return self.submit(method, data, blob, timeout)
        task = ClientTask(method, action, msg, self, notify, tag)
        return self.start_task(method, data, blob, timeout, task)


def _abandon(run_later: Any, conn: Any, outbox: Outbox[Any], _tasks: Any) -> None:
    """The stream was garbage-collected, in whatever thread: end its connection and greenlets."""
    run_later(conn.close)
    run_later(outbox.close)
