"""Native threads, for tests in a process that is not patched."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import gevent


class NativeThread:
    """A native thread that runs a function."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self._outcome: tuple[Any, BaseException | None] | None = None
        threading.Thread(target=self._run, args=(function, args), daemon=True).start()

    def _run(self, function: Callable[..., Any], args: Any) -> None:
        try:
            self._outcome = (function(*args), None)
        except BaseException as error:
            self._outcome = (None, error)

    @property
    def is_running(self) -> bool:
        return self._outcome is None

    def get(self, timeout: float = 10.0) -> Any:
        """What the function returned or raised; blocks this greenlet only."""
        with gevent.Timeout(timeout, AssertionError("the thread does not end")):
            while self._outcome is None:
                gevent.sleep(0.001)
        value, error = self._outcome
        if error is not None:
            raise error
        return value


def in_thread(function: Callable[..., Any], *args: Any) -> Any:
    """What the function returns or raises in a native thread; blocks this greenlet only."""
    return NativeThread(function, *args).get()
