"""How a session answers: at once where nothing else is under way, else by its writer.

Also what that has to know: how many requests wait for an answer, how much of what was answered
the peer has not taken, and whether it is still there.
"""

from __future__ import annotations

import logging
from collections import deque
from time import monotonic

from gevent import get_hub, getcurrent
from gevent.event import Event

from razorg.config import ServerConfig
from razorg.link.outbox import Outbox
from razorg.link.reading import FrameReader
from razorg.link.writing import FrameWriter
from razorg.server.peer import Peer
from razorg.server.quotas import Share
from razorg.server.workers import Workers
from razorg.transport.base import Connection
from razorg.wire.encoder import response_seq
from razorg.wire.heads import Frame, RequestFields
from razorg.wire.parser import RequestParser

log = logging.getLogger("razorg")


class SessionAnswers:
    """What Session is built on: answers are given and written, until the connection ends."""

    def __init__(
        self, conn: Connection, peer: Peer, share: Share, config: ServerConfig, workers: Workers
    ) -> None:
        self.peer = peer
        self.share = share
        self.config = config
        self._conn = conn
        self._hub = get_hub()
        self._parser = RequestParser(config.limits)
        self._reader = FrameReader(conn, self._parser)
        self._writer = FrameWriter(conn)
        self._outbox = Outbox()
        self._workers = workers
        self._worker_is_coming = False
        self._backlog: deque[RequestFields] = deque()
        self._unanswered = 0  # read and not answered: the backlog and the running ones
        self._unwritten_bytes = 0
        self._awaits_answers = False
        self._answered = Event()  # set while the reader, or the end, awaits answers
        self._written = Event()  # set when answers wait for the writer
        self._owed = 0  # in a drain: those without an answer, of the ones that were read before it
        self._late: set[int] = set()  # and the seqs of those that came since
        self._is_dead = False
        self._heard_at = monotonic()

    @property
    def running(self) -> int:
        """How many requests were read and wait for their answer."""
        return self._unanswered

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
                self._note_answered(frame)

    def _note_answered(self, frame: Frame) -> None:
        self._answered.set()
        if not self._owed:
            return
        seq = response_seq(frame)
        if seq in self._late:
            self._late.discard(seq)
        else:
            self._owed -= 1
            if not self._owed:
                self._reader.stop()

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
        if self._unwritten_bytes > self.share.max_unwritten_bytes:
            self._wait_for_writer()

    def _wait_for_writer(self) -> None:
        while (
            self._unwritten_bytes > self.share.max_unwritten_bytes
            and not self._is_dead
            and getcurrent() is not self._hub
        ):
            self._written.clear()
            self._written.wait()

    def _write_loop(self) -> None:
        is_done = False
        try:
            while (batch := self._outbox.take()) is not None:
                written = self._writer.write(batch)  # blocks: others add meanwhile
                self._unwritten_bytes -= written
                self._outbox.wrote()
                self._written.set()
                if self._backlog and not self._worker_is_coming:
                    self._wake_worker()
                self._heard_at = monotonic()  # the peer reads: it is there
            is_done = True
        except OSError as error:
            log.debug("cannot write to %s: %s", self.peer, error)
        finally:
            if not is_done:
                self.abort()

    def run_backlog(self) -> None:
        """What a worker does for it."""
        raise NotImplementedError

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

    def _wake_worker(self) -> None:
        self._worker_is_coming = True
        self._workers.wake(self)
