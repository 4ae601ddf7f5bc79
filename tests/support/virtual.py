"""A hub whose time is virtual: nothing waits, and the same things happen in the same order each time.

gevent's own greenlets, events and timeouts run on it; there is no I/O but that of memory transports.
"""

from __future__ import annotations

import heapq
import itertools
import random
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
from gevent.hub import Hub, get_hub, set_hub
from gevent.monkey import get_original


class Callback:
    """What ``run_callback`` gives; gevent looks into it."""

    def __init__(self, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.callback: Callable[..., Any] | None = callback
        self.args: tuple[Any, ...] | None = args

    def stop(self) -> None:
        self.callback = self.args = None

    close = stop

    @property
    def pending(self) -> bool:
        return self.callback is not None

    def __bool__(self) -> bool:
        return self.args is not None


class Timer:
    """One of a virtual loop."""

    def __init__(self, loop: VirtualLoop, after: float, repeat: float) -> None:
        self._loop, self._after, self._repeat = loop, after, repeat
        self._run = 0
        self.callback: Callable[..., Any] | None = None
        self.args: tuple[Any, ...] = ()

    def start(self, callback: Callable[..., Any], *args: Any, update: bool = False) -> None:
        self.callback, self.args = callback, args
        self._run += 1
        self._loop.schedule(self._after, self, self._run)

    def again(self, callback: Callable[..., Any], *args: Any, update: bool = False) -> None:
        self.start(callback, *args)

    def stop(self) -> None:
        self.callback, self.args = None, ()

    close = stop

    @property
    def active(self) -> bool:
        return self.callback is not None

    @property
    def pending(self) -> bool:
        return False

    def fire(self, run: int) -> None:
        if self.callback is None or run != self._run:
            return  # stopped, or started again
        callback, args = self.callback, self.args
        if self._repeat:
            self._loop.schedule(self._repeat, self, run)
        else:
            self.stop()
        self._loop.guarded(self, callback, args)

    def __enter__(self) -> Timer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class VirtualLoop:
    """What a hub needs of an event loop."""

    default = False
    MAXPRI, MINPRI = 2, -2
    approx_timer_resolution = 0.0

    def __init__(self) -> None:
        self.time = 1000.0
        self._callbacks: deque[Callback] = deque()
        self._timers: list[tuple[float, int, Timer, int]] = []
        self._count = itertools.count()
        self.error_handler: Any = None

    # what gevent asks for

    def run_callback(self, callback: Callable[..., Any], *args: Any) -> Callback:
        made = Callback(callback, args)
        self._callbacks.append(made)
        return made

    run_callback_threadsafe = run_callback

    def timer(self, after: float, repeat: float = 0.0, ref: bool = True, priority: Any = None) -> Timer:
        return Timer(self, max(after, 0.0), repeat)

    def now(self) -> float:
        return self.time

    update = update_now = lambda self: None

    def run(self, nowait: bool = False, once: bool = False) -> None:
        while True:
            while self._callbacks:
                made = self._callbacks.popleft()
                callback, args = made.callback, made.args
                made.callback = None
                if callback is not None and args is not None:
                    self.guarded(made, callback, args)
                made.args = None
            if not self._timers:
                return
            self.time, _, timer, run = heapq.heappop(self._timers)
            timer.fire(run)

    def handle_error(self, context: Any, kind: Any, value: Any, trace: Any) -> None:
        self.error_handler.handle_error(context, kind, value, trace)

    def destroy(self) -> bool:
        self._callbacks.clear()
        self._timers.clear()
        return True

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a virtual loop has no {name}: there is no I/O in a simulated world")

    # for its timers

    def schedule(self, after: float, timer: Timer, run: int) -> None:
        heapq.heappush(self._timers, (self.time + after, next(self._count), timer, run))

    def guarded(self, context: Any, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        try:
            callback(*args)
        except BaseException:
            self.handle_error(context, *sys.exc_info())


@contextmanager
def _clock(loop: VirtualLoop) -> Iterator[None]:
    """In all of razorg and of the tests' support it is the loop's time."""
    found = [
        (module, module.__dict__["monotonic"]) for name, module in list(sys.modules.items())
        if name.partition(".")[0] in ("razorg", "support", "sim") and "monotonic" in getattr(module, "__dict__", {})
    ]
    for module, _ in found:
        module.monotonic = loop.now  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module, real in found:
            module.monotonic = real  # type: ignore[attr-defined]


def run_virtually(story: Callable[[], Any], seed: int) -> Any:
    """What the story returns, told in a greenlet of a virtual hub, in a thread of its own.

    ``random`` is seeded, so the same seed tells the same story.  Blocks until it is told.
    """
    outcome: list[Any] = []

    def tell() -> None:
        loop = VirtualLoop()
        hub = Hub(loop=loop)
        set_hub(hub)
        random.seed(seed)
        try:
            with _clock(loop):
                told = gevent.spawn(story)
                try:
                    outcome.append((True, told.get()))
                except BaseException as error:
                    outcome.append((False, error))
        finally:
            get_hub().destroy(destroy_loop=True)
            set_hub(None)

    if get_original("threading", "current_thread")() is not threading.main_thread():
        raise AssertionError("a story is told from the main thread")
    thread = threading.Thread(target=tell)
    thread.start()
    thread.join()
    ok, value = outcome[0]
    if not ok:
        raise value
    return value
