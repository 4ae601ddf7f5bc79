"""Running something in the hub of another thread."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import gevent

from razorg.errors import LocalProtocolError
from razorg.hubs.wake import Wake

#: A hub that does not start a job for so long is not running: its thread does something else.
PATIENCE_SECONDS = 1.0


class Job:
    """Something that a greenlet of another hub runs, in the context of the one who made it.

    ``done`` is called there when it has ended, with ``value`` or ``error`` set.
    """

    value: Any = None
    error: BaseException | None = None
    _greenlet: Any = None

    def __init__(
        self, hub: Any, function: Callable[..., Any], args: Any, done: Callable[[], Any]
    ) -> None:
        self._loop = hub.loop
        self._function = function
        self._args = args
        self._done = done
        self._context = copy_context()
        self._tickets = [self]  # whoever takes it, in one step, starts the job or calls it off
        self._loop.run_callback_threadsafe(self._spawn)

    def cancel(self) -> None:
        """End it with GreenletExit, from any thread: nobody waits for it any more."""
        if not self.call_off():
            self._loop.run_callback_threadsafe(self._kill)

    def call_off(self) -> bool:
        """Let it never start; False when it has started.  From any thread."""
        try:
            self._tickets.pop()
        except IndexError:
            return False
        return True

    def _spawn(self) -> None:
        if self._tickets:
            self._greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        if not self.call_off():  # this takes the ticket
            return
        try:
            self.value = self._context.run(self._function, *self._args)
        except BaseException as error:  # whatever it is: it is for the one who waits
            self.error = error
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
    does not run for so many seconds: then the function was not called, and will not be.
    """
    wake = Wake()
    job = Job(hub, function, args, wake.set)
    try:
        if not wake.wait(patience):
            if job.call_off():
                raise LocalProtocolError(f"the thread of {hub!r} does not run its greenlets now")
            wake.wait()
    except BaseException:
        job.cancel()
        raise
    try:
        if job.error is not None:
            raise job.error
        return job.value
    finally:
        del job  # the error's traceback holds this frame
