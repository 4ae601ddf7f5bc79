"""How the calls of a stream begin: a permit, a seq, a place in the outbox.

How they end is in ``endings.py``.
"""

from __future__ import annotations

from time import monotonic
from typing import Any

from gevent import getcurrent

from razorg.client.calls import BlockingCall, Call, ClientTask, located, value_of
from razorg.client.endings import StreamEndings
from razorg.client.future import RpcFuture
from razorg.client.loops import Remainder
from razorg.core.method import Method
from razorg.errors import CallTimeout, LocalProtocolError
from razorg.wire.encoder import as_blob, check_sizes, request_frame
from razorg.wire.heads import Frame, Msg

#: After this long without a call the peer may have gone unnoticed, where the hub does not run
#: between calls.
_QUIET_SECONDS = 0.05


class StreamBeginnings(StreamEndings):
    """What ClientStream is built on: calls that block their greenlet, futures and tasks are sent.

    The callers see to it that they are in the thread of the stream.
    """

    def call(
        self,
        method: Method,
        msg: Msg,
        blob: Any,
        timeout: float | None,
        since: float,
    ) -> Any:
        """Send a request and block this greenlet until the response; its value or its error.

        ``since``: when its time began to run.
        """
        hub = self._hub
        current = getcurrent()
        if current is hub:
            raise LocalProtocolError("a callback in the hub cannot block; use submit")
        seconds = self._task_timeout if timeout is None else timeout
        deadline = since + seconds
        frame = self._admit(method, msg, blob, since, seconds, timeout is not None)
        seq = self._in_flight.next_seq
        switch = current.switch
        call = BlockingCall(method, seq, frame, deadline, seconds, self._run_callback, switch)
        self._launch(call, frame)
        timer = None
        try:
            if timeout is not None:  # exact, where the ticker would come up to a second late
                timer = hub.loop.timer(max(deadline - monotonic(), 0))
                timer.start(self._expire, call, update=True)
            while self._pause() is not call:
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
        msg: Msg,
        blob: Any,
        timeout: float | None,
        since: float,
    ) -> None:
        """Send the request of a future or a task; blocks only while the window is full."""
        call.carried_by(self)
        seconds = self._task_timeout if timeout is None else timeout
        call.timeout = seconds
        call.deadline = since + seconds
        try:
            frame = self._admit(call.method, msg, blob, since, seconds, timeout is not None)
        except BaseException:
            call.carried_by(None)
            raise
        call.frame = frame
        call.seq = self._in_flight.next_seq
        self._launch(call, frame)

    def _admit(
        self,
        method: Method,
        msg: Msg,
        blob: Any,
        since: float,
        seconds: float,
        is_exact: bool,
    ) -> Frame:
        """Take a permit for a call; its frame, under the next seq.  Blocks for the permit."""
        if since - self.last_call_at > _QUIET_SECONDS and not self._in_flight:
            if not self.is_closed and self._conn.end_of_stream():
                self.lose(ConnectionError("the peer closed the connection while it was idle"))
        self.last_call_at = since
        if self.is_closed or self._is_closing:
            self._check_open(method)
        if blob is not None:
            blob = as_blob(blob)
        if blob is not None or len(msg) > self._max_msg_bytes:
            check_sizes(msg, blob, self.config.limits)
        if self._line or not self._window.acquire(False):
            self._wait_for_window(method, since, seconds, is_exact)
        try:
            return request_frame(
                method.action, self._in_flight.next_seq, self._client_id, msg, blob
            )
        except BaseException:
            self._window.release()
            raise

    def _launch(self, call: Call, frame: Frame) -> None:
        """Register the call and hand its frame over: from here on it will settle."""
        self._in_flight.register(call)
        if len(self._in_flight) == 1 and type(frame) is bytes and self._outbox.is_idle:
            self._write_at_once(call, frame)
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

    def _wait_for_window(
        self, method: Method, since: float, seconds: float, is_exact: bool
    ) -> None:
        if self._line.wait(since + seconds, is_exact) is None:
            raise CallTimeout(
                f"no room in the window ({self.config.window} in flight) in {seconds:g} s",
                sent="no",
                method=method.name,
                address=self.address,
            )
        if self.is_closed or self._is_closing:
            self._check_open(method)
        self._window.acquire(False)  # it was free a moment ago, and nobody ran since
