"""The user's channel for finished tasks, and what happens while it is full."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any
from weakref import WeakValueDictionary

import gevent
from gevent import get_hub, getcurrent
from gevent.event import Event
from gevent.queue import Channel as Handover
from gevent.queue import Full, Queue, SimpleQueue

from razorg.errors import LocalProtocolError
from razorg.hubs.forks import after_this_fork
from razorg.hubs.native import sleep

log = logging.getLogger("razorg")

#: A target's failure is its own, also a Timeout: it must not end the greenlet that delivers.
_FAILURES = (Exception, gevent.Timeout, gevent.GreenletExit)

#: What has a ``put`` that blocks no more than its greenlet.
_BLOCK_GREENLETS = (Queue, SimpleQueue, Handover)

#: How often a full channel of another kind is tried again.
_RETRY_SECONDS = 0.01
#: That of a forked child, which may never be read from.
_RETRY_MAX_SECONDS = 1.0


def check_target(target: Any) -> Callable[[Any], Any]:
    """What takes the tasks of a ``notify`` target without blocking; LocalProtocolError."""
    put = getattr(target, "put_nowait", None) or (target if callable(target) else None)
    if put is None:
        raise LocalProtocolError(
            f"notify takes something with put_nowait, or a callable, not {target!r}"
        )
    return put  # type: ignore[no-any-return]


class Channels(WeakValueDictionary[int, "Channel"]):
    """The channels that are in use, one for each ``notify`` target."""

    def of(self, target: Any, release: Callable[[], None]) -> Channel:
        """The channel for a target, made with ``release`` when there is none."""
        channel = self.get(id(target))
        if channel is None:
            channel = self[id(target)] = Channel(target, release)
        return channel

    def leave_hub(self) -> None:
        """In a forked child, when their hub stayed with the parent: from now on what waits is
        handed over by native threads, after the fork."""
        for channel in list(self.values()):
            channel.leave_hub()
            after_this_fork(channel.deliver)


class Channel:
    """One ``notify`` target of one stream.

    While it is full, tasks wait here and keep their permit of the window, so that the stream
    sends no more than the user consumes; the reader goes on.  They wait in the order in which
    they finished, and there are never more than the window has permits.
    """

    def __init__(self, target: Any, release: Callable[[], None]) -> None:
        self._target = target
        self._put = check_target(target)
        self._is_called = self._put is target
        self._run_callback: Callable[..., Any] = get_hub().loop.run_callback
        self._release = release
        self._waiting: deque[Any] = deque()
        self._holds_permits = True
        self._taken = Event()

    def put(self, task: Any) -> bool:
        """Hand the finished task over; False when it has to wait, with its permit."""
        if self._is_called:  # in the hub, where it cannot wait: the reader has others to serve
            if not self._waiting:
                self._run_callback(self._call)
        elif not self._waiting:
            try:
                self._give(task)
                return True
            except Full:
                pass
            except _FAILURES:
                log.exception("the notify target %r failed for %r", self._target, task)
                return True
            gevent.spawn(self._deliver)
        self._waiting.append(task)
        return not self._holds_permits

    def is_full(self, limit: int) -> bool:
        """Whether so many tasks wait here."""
        return len(self._waiting) >= limit

    def wait_for_room(self, limit: int, timeout: float) -> bool:
        """Block while it is full; False when the time was over first."""
        deadline = monotonic() + timeout
        while self.is_full(limit):
            if getcurrent() is get_hub():
                raise LocalProtocolError("the notify channel is full, and the hub cannot wait")
            if not self._taken.wait(max(deadline - monotonic(), 0)) and monotonic() >= deadline:
                return False
        return True

    def let_permits_go(self) -> None:
        """The stream has ended: its window protects nothing any more."""
        if self._holds_permits:
            self._holds_permits = False
            for _ in self._waiting:
                self._release()

    def leave_hub(self) -> None:
        """In a forked child, when the hub stayed with the parent: ``put`` hands nothing over any
        more, ``deliver`` does."""
        self._is_called = True
        self._run_callback = _nothing

    def deliver(self) -> None:
        """Hand over what waits; blocks this thread, which has no hub."""
        pause = _RETRY_SECONDS
        while self._waiting:
            try:
                if self._hand_over(self._give):
                    return
                sleep(pause)
                pause = min(2 * pause, _RETRY_MAX_SECONDS)
            except BaseException:  # as that of a SystemExit: the others must not wait for ever
                log.exception("the notify target %r failed", self._target)

    def _give(self, task: Any) -> None:
        if task.context is None:
            self._put(task)
        else:
            task.context.run(self._put, task)

    def _call(self) -> None:
        if not self._hand_over(self._give):
            gevent.spawn(self._deliver)

    def _deliver(self) -> None:
        # Queues of gevent block only this greenlet; those of other makers would block the hub.
        put = self._target.put if isinstance(self._target, _BLOCK_GREENLETS) else self._give
        while not self._hand_over(put):
            gevent.sleep(_RETRY_SECONDS)

    def _hand_over(self, put: Callable[[Any], Any]) -> bool:
        """Those that wait, in their order; False when the target is full before all are gone."""
        while self._waiting:
            task = self._waiting[0]
            try:
                put(task)
            except Full:
                return False
            except _FAILURES:
                log.exception("the notify target %r failed for %r", self._target, task)
            except BaseException:  # it is for the hub; the others must not wait here for ever
                self._forget_first()
                if self._waiting:
                    self._run_callback(self._call)
                raise
            self._forget_first()
        return True

    def _forget_first(self) -> None:
        self._waiting.popleft()
        self._taken.set()
        self._taken.clear()
        if self._holds_permits:
            self._release()


def _nothing(*_: Any) -> None:
    pass
