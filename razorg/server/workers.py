"""Resident greenlets that run handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent
from gevent.queue import SimpleQueue

if TYPE_CHECKING:
    from razorg.server.session import Session

#: Idle workers beyond this number end at the next tick.
IDLE_MAX = 64


class Workers:
    """Greenlets that work off the backlogs of sessions; grown on demand, kept for reuse.

    A session with a backlog is handed to one worker.  Before that one starts on a request it
    passes the session on if there is more, so as long as handlers do not block, one worker eats
    the whole burst; when one blocks, the next is already on its way.  Each session bounds how
    many of its requests run at once, so workers are bounded by that times the connections.
    """

    def __init__(self) -> None:
        self._sessions: SimpleQueue[Session | None] = SimpleQueue()
        self._greenlets: set[gevent.Greenlet[[], None]] = set()
        self._idle = 0

    def wake(self, session: Session) -> None:
        """Have a worker run ``session.run_backlog()`` soon.  Never blocks."""
        if self._idle <= self._sessions.qsize():
            self._idle += 1
            self._greenlets.add(gevent.spawn(self._work))
        self._sessions.put(session)

    def trim(self) -> None:
        """End idle workers that are too many."""
        for _ in range(self._idle - self._sessions.qsize() - IDLE_MAX):
            self._sessions.put(None)

    def kill(self) -> None:
        """End all workers, the running ones with GreenletExit; blocks until they have ended."""
        gevent.killall([worker for worker in self._greenlets if worker is not gevent.getcurrent()])

    def __len__(self) -> int:
        return len(self._greenlets)

    def _work(self) -> None:
        is_idle = True
        try:
            while True:
                session = self._sessions.get()
                self._idle -= 1
                is_idle = False
                if session is None:
                    return
                session.run_backlog()
                self._idle += 1
                is_idle = True
        finally:
            if is_idle:
                self._idle -= 1
            self._greenlets.discard(gevent.getcurrent())
