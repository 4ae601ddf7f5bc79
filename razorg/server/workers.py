"""Resident greenlets that run handlers."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Protocol

import gevent
from gevent.queue import SimpleQueue

from razorg.hubs.forks import OfTheParent

log = logging.getLogger("razorg")

#: Idle workers beyond this number end at the next tick.
IDLE_MAX = 64
#: How long a killed handler may take to end.
KILL_SECONDS = 1.0


class Backlog(Protocol):
    """What a worker knows of a session."""

    def run_backlog(self) -> None:
        """Handle requests until there are none, or enough of them run."""


class Workers:
    """Greenlets that work off the backlogs of sessions; grown on demand, kept for reuse.

    A session with a backlog is handed to one worker.  Before that one starts on a request it
    passes the session on if there is more, so as long as handlers do not block, one worker eats
    the whole burst; when one blocks, the next is already on its way.  Each session bounds how
    many of its requests run at once, so workers are bounded by that times the connections.
    """

    def __init__(self) -> None:
        self._sessions: SimpleQueue[Backlog | None] = SimpleQueue()
        self._greenlets: set[gevent.Greenlet[[], None]] = set()
        self._idle = 0
        self._is_stopped = False

    def wake(self, session: Backlog) -> None:
        """Have a worker run ``session.run_backlog()`` soon.  Never blocks."""
        if self._idle <= self._sessions.qsize():
            self._hire()
        self._sessions.put(session)

    def trim(self) -> None:
        """End idle workers that are too many."""
        for _ in range(self._idle - self._sessions.qsize() - IDLE_MAX):
            self._sessions.put(None)

    def kill(self, readers: Iterable[gevent.Greenlet[[], None]]) -> None:
        """End all workers, and the sessions' readers with what these run inline: GreenletExit.

        Blocks until they have ended; a handler that will not end is left after a second.
        """
        self._is_stopped = True
        greenlets = [*self._greenlets, *readers]
        gevent.killall(greenlets, block=False)
        gevent.joinall(greenlets, timeout=KILL_SECONDS)
        left = sum(not greenlet.dead for greenlet in greenlets)
        if left:
            log.error("%d handlers do not end when they are killed", left)

    def abandon(self) -> None:
        """In a forked child: end all workers but the one that forked, which goes on there.

        Never blocks.  What they do is done by their twins in the parent.
        """
        self._is_stopped = True
        for greenlet in self._greenlets - {gevent.getcurrent()}:
            greenlet.kill(OfTheParent, block=False)

    def __contains__(self, greenlet: object) -> bool:
        return greenlet in self._greenlets

    def __len__(self) -> int:
        return len(self._greenlets)

    def _hire(self) -> None:
        self._idle += 1
        self._greenlets.add(gevent.spawn(self._work))

    def _work(self) -> None:
        is_idle = True
        try:
            while not self._is_stopped:
                session = self._sessions.get()
                self._idle -= 1
                is_idle = False
                if session is None:
                    return
                session.run_backlog()
                self._idle += 1
                is_idle = True
        finally:
            self._greenlets.discard(gevent.getcurrent())
            if is_idle:
                # Struck from outside, as by a Timeout that a handler has forgotten; if it was
                # woken already, a session waits for it.
                self._idle -= 1
                if self._idle < self._sessions.qsize() and not self._is_stopped:
                    self._hire()
