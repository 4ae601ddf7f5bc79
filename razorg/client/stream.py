"""ClientStream: one connection, on which any number of greenlets call at once.

::

    call ─ window ─ in-flight ─ outbox ─ writer greenlet ─ connection
    call ◁───────── in-flight ◁───────── reader greenlet ─ connection

How calls begin is in ``beginnings.py``, how they end in ``endings.py``.
"""

from __future__ import annotations

from time import monotonic
from typing import Any

from gevent import getcurrent
from gevent.event import AsyncResult

from razorg.client.beginnings import StreamBeginnings
from razorg.client.loops import Remainder
from razorg.client.raw import RawActions, RawRequest
from razorg.errors import CallTimeout
from razorg.wire.encoder import request_frame
from razorg.wire.heads import PING


class ClientStream(StreamBeginnings, RawActions):
    """A connection to one address; connects when made, blocking, and raises Unreachable.

    Belongs to the hub of the thread that made it.  Takes the names of ClientConfig as keywords.
    """

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
        item = Remainder(request_frame((PING, b""), seq, self.config.client_id, b"", None))
        started = monotonic()
        self._outbox.put(item)
        try:
            pong.wait(timeout)
            if not pong.ready():
                raise CallTimeout(f"no pong within {timeout:g} s", address=self.address)
            pong_at: Any = pong.get()
            return float(max(pong_at - started, 0.0))
        finally:
            self._pings.pop(seq, None)
            if item.frame is not None:
                item.frame = None
                self._outbox.unwanted()

    def flush(self) -> None:
        """Block until everything queued is with the kernel; ConnectionLost if it cannot be."""
        self._check_thread(may_be_hub=False)
        if not self._outbox.wait_written() or self._error is not None:
            cause = self._error or ConnectionError("closed by this side")
            raise self._lost_error("maybe", None, cause)

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
        self.start(call, request.data, request.blob, request.timeout, monotonic())
        return call
