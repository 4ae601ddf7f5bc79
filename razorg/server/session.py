"""Session: one connection of a server.

::

    reader greenlet ─ backlog ─ worker greenlets ─ handler
    writer greenlet ◁───────── outbox ◁─────────── answer

The reader stops reading while ``max_running`` requests wait for their answer, and an answer
blocks while too much of what was answered is unwritten: so nothing in here grows without bound.
"""

from __future__ import annotations

import logging
from collections import deque
from contextvars import Context
from time import monotonic

import gevent
from gevent import get_hub, getcurrent
from gevent.event import Event

from razorg.codec.base import Codec
from razorg.config import ServerConfig
from razorg.errors import RemoteProtocolError
from razorg.link.outbox import Outbox
from razorg.link.reading import FrameReader
from razorg.link.writing import FrameWriter
from razorg.server.dispatch import Dispatch, dropped_frame
from razorg.server.http import START_BYTES, refusal
from razorg.server.workers import Workers
from razorg.transport.base import Connection
from razorg.wire.encoder import response_frame
from razorg.wire.heads import Frame, RequestFields
from razorg.wire.parser import RequestParser

log = logging.getLogger("razorg")

#: How long a session that has said all waits for the peer to close.
LINGER_SECONDS = 1.0


class Session:
    """Reads requests, has them handled, writes the answers, until either side ends."""

    def __init__(
        self,
        conn: Connection,
        dispatch: Dispatch,
        workers: Workers,
        codec: Codec,
        config: ServerConfig,
        context: Context,
    ) -> None:
        self.peer = conn.peer
        self.codec = codec
        self.config = config
        self._conn = conn
        self._dispatch = dispatch
        self._has_inline = dispatch.inline
        self._dispatch_handle = dispatch.handle
        self._copy_context = context.copy
        self._workers = workers
        self._hub = get_hub()
        self._parser = RequestParser(config.limits)
        self._reader = FrameReader(conn, self._parser)
        self._writer = FrameWriter(conn)
        self._outbox = Outbox()
        self._backlog: deque[RequestFields] = deque()
        self._worker_is_coming = False
        self._unanswered = 0  # read and not answered: the backlog and the running ones
        self._unwritten_bytes = 0
        self._awaits_answers = False
        self._answered = Event()  # set while the reader, or the end, awaits answers
        self._written = Event()  # set when answers wait for the writer
        self._is_dead = False
        self.writer: gevent.Greenlet[[], None] | None = None
        self._heard_at = monotonic()
        #: How many requests were read, pings included.
        self.read_requests = 0

    # the reader greenlet

    def run(self) -> None:
        """The whole life of the connection; ends when it is closed and cleaned up."""
        self.writer = writer = gevent.spawn(self._write_loop)
        try:
            self._read_requests()
            self._wait_while_unanswered(1)
            self._outbox.close()
            writer.join()
            if not self._is_dead:
                self._linger()
        except OSError as error:
            log.debug("connection of %s ended: %s", self.peer, error)
        finally:
            self.abort()

    def _read_requests(self) -> None:
        try:
            while (frames := self._reader.read()) is not None:
                self._heard_at = monotonic()
                self.read_requests += len(frames)
                for fields in frames:
                    self._take(fields)
                if self._backlog and not self._worker_is_coming:
                    self._wake_worker()
                if self._unanswered >= self.config.max_running:
                    self._wait_while_unanswered(self.config.max_running)
                    self._heard_at = monotonic()
        except RemoteProtocolError as error:
            log.warning("%s broke the protocol, closing: %s", self.peer, error)
            self._refuse_http()

    def _refuse_http(self) -> bool:
        """Tell a peer that began with HTTP what this is; whether it did."""
        response = None if self.read_requests else refusal(self._parser.start_of_rest(START_BYTES))
        if response is not None:
            self._put(response)
        return response is not None

    def _take(self, fields: RequestFields) -> None:
        if self._is_dead:
            return  # nobody is left to hear the answer
        action = fields[1]
        if action == 0 and not fields[3]:
            self._put(response_frame(fields[0], b""))  # a ping
            return
        self._unanswered += 1
        if self._has_inline and self._dispatch.runs_inline(action):
            self._handle(fields)
        else:
            self._backlog.append(fields)

    def _wait_while_unanswered(self, count: int) -> None:
        self._awaits_answers = True
        while self._unanswered >= count and not self._is_dead:
            self._answered.clear()
            self._answered.wait()
        self._awaits_answers = False

    def _linger(self) -> None:
        """Say that all was said, and let the peer read it: closing with unread input would
        make the kernel throw away what is still on the way."""
        self._conn.shutdown_write()
        with gevent.Timeout(LINGER_SECONDS, False):
            while self._conn.read(64 * 1024) != b"":
                self._conn.wait_readable()

    # worker greenlets

    def run_backlog(self) -> None:
        """Handle requests of the backlog until it is empty or enough of them run."""
        self._worker_is_coming = False
        backlog = self._backlog
        while backlog and self._unanswered - len(backlog) < self.config.max_running:
            fields = backlog.popleft()
            if backlog and not self._worker_is_coming:
                self._wake_worker()
            self._handle(fields)

    def _wake_worker(self) -> None:
        self._worker_is_coming = True
        self._workers.wake(self)

    def _handle(self, fields: RequestFields) -> None:
        try:
            # A context of its own: what one handler sets, the next in this greenlet must not see.
            self._copy_context().run(self._dispatch_handle, self, fields)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:
            pass  # answered and logged; also a Timeout or GreenletExit ends with its handler

    # answers

    def answer(self, frame: Frame) -> None:
        """Send the one answer of a request; blocks while the peer does not take the earlier
        ones.  Dropped when the connection has ended."""
        try:
            if self._unanswered == 1 and type(frame) is bytes and self._outbox.is_idle:
                self._write_at_once(frame)
            else:
                self._put(frame)
        finally:  # only now: a handler that waits in here still counts as running
            self._unanswered -= 1
            if self._backlog and not self._worker_is_coming:
                self._wake_worker()
            if self._awaits_answers:
                self._answered.set()

    def answer_from_anywhere(self, seq: int, action: int | str) -> None:
        """The answer for a dropped Respond; may be called by the garbage collector."""
        self._hub.loop.run_callback_threadsafe(self._answer_dropped, seq, action)

    def _answer_dropped(self, seq: int, action: int | str) -> None:
        self.answer(dropped_frame(seq, action))

    def _write_at_once(self, frame: bytes) -> None:
        """Nothing else is under way: spare the switch to the writer."""
        try:
            written = self._conn.write(frame)
        except OSError as error:
            log.debug("cannot write to %s: %s", self.peer, error)
            self.abort()
            return
        self._heard_at = monotonic()
        if written < len(frame):
            self._put((memoryview(frame)[written:],))

    def _put(self, frame: Frame) -> None:
        if self._is_dead or self._outbox.is_closed:
            return
        if type(frame) is bytes:
            self._unwritten_bytes += len(frame)
        else:
            self._unwritten_bytes += sum(map(len, frame))  # type: ignore[arg-type]
        self._outbox.put(frame)
        if self._unwritten_bytes > self.config.max_unwritten_bytes:
            self._wait_for_writer()

    def _wait_for_writer(self) -> None:
        while (
            self._unwritten_bytes > self.config.max_unwritten_bytes
            and not self._is_dead
            and getcurrent() is not self._hub
        ):
            self._written.clear()
            self._written.wait()

    # the writer greenlet

    def _write_loop(self) -> None:
        is_done = False
        try:
            while (batch := self._outbox.take()) is not None:
                written = self._writer.write(batch)  # blocks: others add meanwhile
                self._unwritten_bytes -= written
                self._outbox.wrote()
                self._written.set()
                self._heard_at = monotonic()  # the peer reads: it is there
            is_done = True
        except OSError as error:
            log.debug("cannot write to %s: %s", self.peer, error)
        finally:
            if not is_done:
                self.abort()

    # endings

    def drain(self) -> None:
        """Read no more requests; what was read is answered, then the connection is closed."""
        self._reader.stop()

    def abort(self) -> None:
        """Close at once.  Handlers that run go on; their answers are dropped.  Idempotent."""
        if not self._is_dead:
            self._is_dead = True
            self._unanswered -= len(self._backlog)
            self._backlog.clear()
            self._conn.close()
            self._outbox.close()
            self._answered.set()
            self._written.set()

    def on_tick(self, now: float) -> None:
        """Once a second, in the hub: close what has taken too long."""
        config = self.config
        if self._reader.is_late(now, config.read_timeout, config.limits):
            reason = "stopped in the middle of a request"
            if self._refuse_http():  # one that is shorter than a frame's head
                log.info("closing the connection of %s: it speaks HTTP", self.peer)
                self.drain()
                return
        elif self._writer.is_late(now, config.write_timeout, config.limits):
            reason = "does not read its responses"
        elif self._is_idle and now - self._heard_at > config.idle_timeout:
            reason = f"was idle for {config.idle_timeout:g} s"
        else:
            return
        log.info("closing the connection of %s: it %s", self.peer, reason)
        self.abort()

    @property
    def _is_idle(self) -> bool:
        return not self._unanswered and self._outbox.is_idle

    @property
    def running(self) -> int:
        """How many requests were read and wait for their answer."""
        return self._unanswered
