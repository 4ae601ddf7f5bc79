"""ClientStream: one connection, on which any number of greenlets call at once.

::

    call ─ window ─ in-flight ─ outbox ─ writer greenlet ─ connection
    call ◁───────── in-flight ◁───────── reader greenlet ─ connection

How calls end is in ``endings.py``.
"""

from __future__ import annotations

from time import monotonic
from typing import Any

from gevent import getcurrent
from gevent.event import AsyncResult

from razorg.client.calls import BlockingCall, Call, ClientTask, located, value_of
from razorg.client.endings import StreamEndings
from razorg.client.future import RpcFuture
from razorg.client.loops import Remainder
from razorg.client.raw import RawActions, RawRequest
from razorg.core.method import Method
from razorg.errors import CallTimeout, LocalProtocolError
from razorg.wire.encoder import as_blob, check_sizes, request_frame
from razorg.wire.heads import PING

#: After this long without a call the peer may have gone unnoticed, where the hub does not run
#: between calls.
_QUIET_SECONDS = 0.05


class ClientStream(StreamEndings, RawActions):
    """A connection to one address; connects when made, blocking, and raises Unreachable.

    Belongs to the hub of the thread that made it.  Takes the names of ClientConfig as keywords.
    """

    def call(
        self,
        method: Method,
        msg: bytes,
        blob: Any = None,
        timeout: float | None = None,
        since: float | None = None,
    ) -> Any:
        """Send a request and block this greenlet until the response; its value or its error.

        ``since``: when its time began to run, if that was before now.  The caller has to see to
        it that this is the thread of the stream; so for ``start``.
        """
        hub = self._hub
        current = getcurrent()
        if current is hub:
            raise LocalProtocolError("a callback in the hub cannot block; use submit")
        call = BlockingCall(method, self._run_callback, current.switch)
        self._send(call, msg, blob, timeout, since)
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
        outcome, call.outcome = call.outcome, None
        assert outcome is not None
        try:
            return value_of(method, outcome)
        except Exception as error:
            del outcome  # its traceback holds this frame
            located(error, method.name, self.address)
            raise

    def start(
        self,
        call: RpcFuture[Any] | ClientTask,
        msg: bytes,
        blob: Any,
        timeout: float | None,
        since: float | None = None,
    ) -> None:
        """Send the request of a future or a task; blocks only while the window is full."""
        call.carried_by(self)
        try:
            self._send(call, msg, blob, timeout, since)
        except BaseException:
            call.carried_by(None)
            raise

    def _send(
        self, call: Call, msg: bytes, blob: Any, timeout: float | None, since: float | None
    ) -> None:
        """Take a permit, register the call, hand its frame over: from here on it will settle."""
        now = monotonic()
        call.timeout = timeout if timeout is not None else self.config.task_timeout
        call.deadline = (now if since is None else since) + call.timeout
        if now - self.last_call_at > _QUIET_SECONDS and not self._in_flight:
            if not self.is_closed and self._conn.end_of_stream():
                self.lose(ConnectionError("the peer closed the connection while it was idle"))
        self.last_call_at = now
        if self.is_closed or self._is_closing:
            self._check_open(call.method)
        if blob is not None:
            blob = as_blob(blob)
        if blob is not None or len(msg) > self._max_msg_bytes:
            check_sizes(msg, blob, self.config.limits)
        if self._line or not self._window.acquire(False):
            self._wait_for_window(call, is_exact=timeout is not None)
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

    def _wait_for_window(self, call: Call, is_exact: bool) -> None:
        if self._line.wait(call.deadline, is_exact) is None:
            raise CallTimeout(
                f"no room in the window ({self.config.window} in flight) in {call.timeout:g} s",
                sent="no",
                method=call.method.name,
                address=self.address,
            )
        if self.is_closed or self._is_closing:
            self._check_open(call.method)
        self._window.acquire(False)  # it was free a moment ago, and nobody ran since

    def send_ping(self) -> None:
        """Queue a ping and do not wait: its pong shows in ``last_heard_at``."""
        seq = self._in_flight.take_seq()
        self._outbox.put(
            Remainder(request_frame((PING, b""), seq, self.config.client_id, b"", None))
        )

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
        timeout = self.config.task_timeout if timeout is None else timeout
        try:
            if self.is_closed or getcurrent() is self._hub:
                pass
            elif self._in_flight:
                self._drained.wait(timeout)
            elif not self._outbox.is_idle:
                self._outbox.wait_written(timeout)
        finally:
            self.lose(ConnectionError("closed by this side"))

    def __enter__(self) -> ClientStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.is_closed or self._is_closing else "open"
        return f"<ClientStream {self.address} {state}, {len(self._in_flight)} in flight>"

    def _start(self, request: RawRequest) -> Any:
        self._check_thread()
        call = request.call(self.address, self._hub)
        self.start(call, request.data, request.blob, request.timeout)
        return call
