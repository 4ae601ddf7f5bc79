"""Session: one connection of a server.

::

    reader greenlet ─ backlog ─ worker greenlets ─ handler
    writer greenlet ◁───────── outbox ◁─────────── answer

The reader stops reading while ``max_running`` requests wait for their answer, and an answer
blocks while too much of what was answered is unwritten: so nothing in here grows without bound.
How answers go out is in ``session_answers.py``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any

import gevent

from razorg.errors import RemoteProtocolError
from razorg.server.http import START_BYTES, refusal
from razorg.server.peer import Peer, set_current_peer
from razorg.server.quotas import Share
from razorg.server.serving import Serving
from razorg.server.session_answers import SessionAnswers
from razorg.transport.base import Connection
from razorg.transport.lingering import linger
from razorg.wire.encoder import response_frame
from razorg.wire.heads import RequestFields

log = logging.getLogger("razorg")

#: How long a session that has said all waits for the peer to close.
LINGER_SECONDS = 1.0


class Session(SessionAnswers):
    """Reads requests, has them handled, writes the answers, until either side ends."""

    def __init__(self, conn: Connection, peer: Peer, share: Share, serving: Serving) -> None:
        super().__init__(conn, peer, share, serving.config, serving.workers)
        self.codec = serving.codec
        self.seldom = serving.admission.seldom
        self._admission = serving.admission
        self._dispatch = serving.dispatch
        self._has_inline = serving.dispatch.inline
        self._dispatch_handle = serving.dispatch.handle
        context = serving.context.copy()
        context.run(set_current_peer, peer)
        self._copy_context = context.copy
        self.writer: gevent.Greenlet[[], None] | None = None
        #: How many requests were read, pings included.
        self.read_requests = 0

    # the reader greenlet

    def run(self) -> None:
        """The whole life of the connection; ends when it is closed and cleaned up."""
        try:
            if not self._admission.admit(self._conn, self.peer):
                self._admission.turn_away(self._conn, self.peer)
                linger(self._conn, LINGER_SECONDS)
                return
            self._heard_at = monotonic()
            self.writer = writer = gevent.spawn(self._write_loop)
            self._read_requests()
            self._wait_while_running(at_least=1)
            self._outbox.close()
            writer.join()
            if not self._is_dead:
                linger(self._conn, LINGER_SECONDS)
        except OSError as error:
            log.debug("connection of %s ended: %s", self.peer, error)
        finally:
            self.abort()

    def _read_requests(self) -> None:
        try:
            while (frames := self._reader.read()) is not None:
                self._heard_at = monotonic()
                self.read_requests += len(frames)
                if self._owed:
                    self._late |= {fields[0] for fields in frames if fields[1] or fields[3]}
                for fields in frames:
                    self._take(fields)
                if self._backlog and not self._worker_is_coming:
                    self._wake_worker()
                if self._unanswered >= self.share.max_running:
                    self._wait_while_running()
                    self._heard_at = monotonic()
        except RemoteProtocolError as error:
            self.seldom.warning("%s broke the protocol, closing: %s", self.peer, error)
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

    def _wait_while_running(self, at_least: int = 0) -> None:
        """Wait while so many requests are unanswered, or as many as the share allows by then."""
        self._awaits_answers = True
        while self._unanswered >= (at_least or self.share.max_running) and not self._is_dead:
            self._answered.clear()
            self._answered.wait()
        self._awaits_answers = self._owed > 0

    # worker greenlets

    def run_backlog(self) -> None:
        """Handle requests of the backlog until it is empty, enough of them run, or the peer does
        not take its answers: what is answered then would have to be kept."""
        self._worker_is_coming = False
        backlog, share = self._backlog, self.share
        while (
            backlog
            and self._unanswered - len(backlog) < share.max_running
            and self._unwritten_bytes <= share.max_unwritten_bytes
        ):
            fields = backlog.popleft()
            if backlog and not self._worker_is_coming:
                self._wake_worker()
            self._handle(fields)

    def _handle(self, fields: RequestFields) -> None:
        try:
            # A context of its own: what one handler sets, the next in this greenlet must not see.
            self._copy_context().run(self._dispatch_handle, self, fields)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:
            pass  # answered and logged; also a Timeout or GreenletExit ends with its handler

    # what a dispatch asks for, beside answers

    def failing(self, error: BaseException) -> None:
        """Nobody here has to know."""

    def call_soon(self, function: Callable[..., Any], *args: Any) -> None:
        """Call it in the hub; from whatever thread, or the garbage collector."""
        self._hub.loop.run_callback_threadsafe(function, *args)

    # endings

    def drain(self) -> None:
        """Answer what was read, then read no more, answer the rest, and close the connection.

        What comes meanwhile is handled as ever: the peer does not know that this is the end, and
        would wait for nothing as long as the slowest of its other calls takes.
        """
        if self.writer is None:  # it was not let in yet
            self.abort()
        if self._unanswered:
            self._owed = self._unanswered
            self._late.clear()
            self._awaits_answers = True
        else:
            self._reader.stop()

    def on_tick(self, now: float) -> None:
        """Once a second, in the hub: close what has taken too long, and use what others have left
        of their peer's share."""
        config = self.config
        if self._unanswered and self._unanswered - len(self._backlog) < self.share.max_running:
            self._answered.set()
            if self._backlog and not self._worker_is_coming:
                self._wake_worker()
        if self._reader.is_late(now, config.read_timeout, config.limits):
            reason = "stopped in the middle of a request"
            if self._refuse_http():  # one that is shorter than a frame's head
                self.seldom.info("closing the connection of %s: it speaks HTTP", self.peer)
                self.drain()
                return
        elif self._writer.is_late(now, config.write_timeout, config.limits):
            reason = "does not read its responses"
        elif self._is_idle and now - self._heard_at > config.idle_timeout:
            reason = f"was idle for {config.idle_timeout:g} s"
        else:
            return
        self.seldom.info("closing the connection of %s: it %s", self.peer, reason)
        self.abort()

    @property
    def _is_idle(self) -> bool:
        return not self._unanswered and self._outbox.is_idle
