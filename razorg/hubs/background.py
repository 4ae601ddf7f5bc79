"""The one I/O thread of the process, for threads that have no hub of their own.

It is started by the first call that needs it, and ends with the interpreter.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable
from typing import Any

from gevent import config, get_hub
from gevent.event import Event

from razorg.errors import LocalProtocolError
from razorg.hubs.forks import tell_of_forks
from razorg.hubs.here import call_soon, is_destroyed
from razorg.hubs.native import allocate_lock, start_new_thread
from razorg.hubs.remote import run_in_hub
from razorg.hubs.wake import keep_waiting

# What these name gevent imports with the first hub of the process.  In one that is patched two
# threads with their first hubs, as this one's, would wait for each other in the lock of the import.
for _setting in ("loop", "format_context", "resolver", "threadpool"):
    getattr(config, _setting)

#: How long calls wait for the I/O thread, which does nothing that takes long, if callables for
#: ``notify`` and done callbacks do not.
PATIENCE_SECONDS = 10.0
#: How long the end of the interpreter waits for the end of the thread.
_STOP_SECONDS = 2.0


class IoThread:
    """A native thread that runs a hub until it is stopped."""

    def __init__(self) -> None:
        self._failure: BaseException | None = None
        self._started = allocate_lock()
        self._started.acquire()
        self._ended = allocate_lock()
        self._ended.acquire()
        start_new_thread(self._main, ())
        self._started.acquire()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """End the thread, and what runs in it; blocks at most for two seconds."""
        call_soon(self.hub, self._stopping.set)
        self._ended.acquire(True, _STOP_SECONDS)

    def _main(self) -> None:
        try:
            self.hub = get_hub()
            self.hub.SYSTEM_ERROR = ()  # a callback that raises SystemExit must not end it
            self._stopping = Event()
            alive = keep_waiting(self.hub)
        except BaseException as error:  # it is the starter's
            self._failure = error
            return
        finally:
            self._started.release()
        try:
            self._stopping.wait()
        finally:
            alive.close()
            self.hub.destroy(destroy_loop=True)
            self._ended.release()


class _State:
    """The thread, once there is one."""

    def __init__(self) -> None:
        self.after_fork()
        tell_of_forks(self)

    def after_fork(self) -> None:
        """The thread stayed with the parent."""
        self.thread: IoThread | None = None
        self.is_over = False
        self.lock = allocate_lock()


def background_hub() -> Any:
    """The hub of the I/O thread, which is started if need be; LocalProtocolError at exit."""
    with _state.lock:
        if _state.is_over:
            raise LocalProtocolError("the interpreter is about to end")
        if _state.thread is None or is_destroyed(_state.thread.hub):
            _state.thread = IoThread()
            atexit.register(_at_exit)
        return _state.thread.hub


def run_in_background(
    function: Callable[..., Any], *args: Any, patience: float = PATIENCE_SECONDS
) -> Any:
    """Call the function in the I/O thread, and wait for what it returns or raises.

    Blocks this thread, or only this greenlet where there is a hub.  LocalProtocolError when
    something blocks the I/O thread itself for so many seconds; then the function is not called.
    """
    return run_in_hub(background_hub(), function, *args, patience=patience)


def is_background(hub: Any) -> bool:
    """Whether it is the hub of the I/O thread."""
    thread = _state.thread
    return thread is not None and thread.hub is hub


def is_running() -> bool:
    """Whether the I/O thread has been started."""
    return _state.thread is not None


def _at_exit() -> None:
    with _state.lock:
        _state.is_over = True
    thread, _state.thread = _state.thread, None
    if thread is not None:
        thread.stop()


_state = _State()
