"""Where what follows an engine runs: beside the calls, and never in the way of them."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable

import gevent
from gevent import monkey

from razorg.hubs.background import background_hub
from razorg.hubs.here import call_soon
from razorg.hubs.native import start_new_thread
from razorg.hubs.wake import Wake

log = logging.getLogger("razorg")

#: After a mistake.
_ANEW_SECONDS = 1.0


class Loop:
    """Runs a function, given the loop, until it returns; ``close`` asks it to.  One that fails is
    run again.

    In a greenlet of the I/O thread.  With ``blocks=True``, for clients whose sockets cooperate
    only where gevent has patched them: elsewhere it is a native thread of its own.
    """

    def __init__(self, name: str, run: Callable[[Loop], None], *, blocks: bool) -> None:
        self._run = run
        self._name = name
        self._wake: Wake | None = None
        self._is_woken = False
        self.is_closing = False
        if blocks and not monkey.is_module_patched("socket"):
            if monkey.is_module_patched("threading"):  # its threads are greenlets
                start_new_thread(self._main, ())
            else:
                threading.Thread(target=self._main, name=name, daemon=True).start()
        else:
            call_soon(background_hub(), gevent.spawn, self._main)

    def wait(self, seconds: float) -> bool:
        """Block so long, or until ``wake`` or ``close``; whether it is time to end."""
        wake = Wake()
        self._wake = wake  # first this, then the look at the flags: ``wake`` does it in reverse
        if not self.is_closing and not self._is_woken:
            wake.wait(seconds)
        self._is_woken = False
        self._wake = None
        return self.is_closing

    def wake(self) -> None:
        """End the wait, or the next one.  From any thread; takes no lock: a collector may run."""
        self._is_woken = True
        wake = self._wake
        if wake is not None:
            with contextlib.suppress(RuntimeError):  # woken already
                wake.set()

    def close(self) -> None:
        """Let it end soon.  From any thread, never blocks, idempotent."""
        self.is_closing = True
        self.wake()

    def _main(self) -> None:
        while True:
            is_last = self.is_closing
            try:
                return self._run(self)
            except Exception:  # a mistake of razorg, or of a client library: it must be seen
                log.exception("%s failed, and begins anew", self._name)
            if is_last:
                return None
            self.wait(_ANEW_SECONDS)  # also when it is closed meanwhile: it has to clean up
