"""Running something in the hub of another thread."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextvars import copy_context
from time import monotonic
from typing import Any

import gevent
from gevent import getcurrent

from razorg.errors import LocalProtocolError
from razorg.hubs.here import call_soon, hub_if_any, is_destroyed
from razorg.hubs.wake import Wake

#: A hub that does not start a job for so long is not running: its thread does something else.
PATIENCE_SECONDS = 1.0


class NotRunning(LocalProtocolError):
    """The hub of another thread does not run; nothing was done there."""


class Job:
    """Something that a greenlet of another hub runs, in the context of the one who made it."""

    def __init__(self, hub: Any, function: Callable[..., Any], *args: Any) -> None:
        self._hub = hub
        self._function = function
        self._args = args
        self._value: Any = None
        self._error: BaseException | None = None
        self._done: Callable[[], Any] = _nothing
        self._greenlet: Any = None
        self._context = copy_context()
        self._tickets = [self]  # whoever takes it, in one step, starts the job or calls it off

    def start(self, done: Callable[[], Any]) -> None:
        """Have it run soon; ``done`` is called there when it has ended."""
        self._done = done
        call_soon(self._hub, self._spawn)

    def result(self) -> Any:
        """Once it has ended: what the function returned, or raises what it raised."""
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
            return self._value
        finally:
            del error  # its traceback holds this frame

    def cancel(self) -> None:
        """End it with GreenletExit, from any thread: nobody waits for it any more."""
        if not self.call_off():
            with contextlib.suppress(LocalProtocolError):  # destroyed: it has ended
                call_soon(self._hub, self._kill)

    def call_off(self) -> bool:
        """Let it never start; False when it has started.  From any thread."""
        try:
            self._tickets.pop()
        except IndexError:
            return False
        return True

    @property
    def is_stuck(self) -> bool:
        """Whether it has not been started, or never will end."""
        return bool(self._tickets) or is_destroyed(self._hub)

    def _spawn(self) -> None:
        if self._tickets:
            self._greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        if not self.call_off():  # this takes the ticket
            return
        try:
            self._value = self._context.run(self._function, *self._args)
        except BaseException as error:  # whatever it is: it is for the one who waits
            self._error = error
        finally:
            self._done()

    def _kill(self) -> None:
        if self._greenlet is not None:
            self._greenlet.kill(block=False)


def run_in_hub(
    hub: Any, function: Callable[..., Any], *args: Any, patience: float = PATIENCE_SECONDS
) -> Any:
    """Call the function in a greenlet of another thread's hub; what it returns or raises.

    Blocks this greenlet, or this thread where it has no hub.  LocalProtocolError when that hub
    does not run for so many seconds: then the function was not called, and will not be; or when
    it is destroyed meanwhile.
    """
    wake = Wake()
    job = Job(hub, function, *args)
    job.start(wake.set)
    try:
        if not wake.wait(patience):
            if job.call_off():
                raise NotRunning(f"the thread of {hub!r} does not run its greenlets now")
            while not wake.wait(PATIENCE_SECONDS):
                if is_destroyed(hub):
                    raise LocalProtocolError("the hub of that thread was destroyed")
    except BaseException:
        job.cancel()
        raise
    return job.result()


def run_in_hubs(
    work: list[tuple[Any, Callable[..., Any], tuple[Any, ...]]], timeout: float
) -> Callable[[], None]:
    """Start something in each of several hubs; the function returned waits until all have ended.

    It waits until the timeout, and for a hub that does not run a second; there the work is done
    when the hub runs.  In a callback of the hub it waits for nothing.  Errors are dropped.
    """
    started = monotonic()
    may_wait = getcurrent() is not hub_if_any()
    jobs: list[tuple[Job, Wake]] = []
    for hub, function, args in work:
        job = Job(hub, function, *args)
        with contextlib.suppress(LocalProtocolError):  # destroyed: nothing is left there
            if may_wait:
                wake = Wake()
                job.start(wake.set)
                jobs.append((job, wake))
            else:
                job.start(_nothing)

    def wait() -> None:
        for job, wake in jobs:
            while not wake.wait(_slice(started, timeout)):
                now = monotonic()
                if now - started >= timeout or (job.is_stuck and now - started >= PATIENCE_SECONDS):
                    break

    return wait


def _slice(started: float, timeout: float) -> float:
    return max(min(started + timeout - monotonic(), 0.1), 0.0)


def _nothing() -> None:
    pass
