"""A caller that does nothing wrong, beside others that do: does it notice them?"""

from __future__ import annotations

from time import monotonic

import gevent

import razorg
from support.counted import COUNT
from support.counting_main import payload
from support.nodes import PATIENCE, eventually

#: So many calls make a figure.
CALLS = 200
#: Beside others that end when they end, so many must do.
CALLS_MIN = 100
PAUSE_SECONDS = 0.002


class Beside:
    """Calls a Counted server all the time; every call must be answered, rightly."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._latencies: list[float] = []
        self._next_id = 1
        self.calls = 0

    def __enter__(self) -> Beside:
        self._pool = razorg.connect(self._address, max_connections=1)
        self._caller = gevent.spawn(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        self._caller.kill()
        self._pool.close()

    def p99(self) -> float:
        """Of the next calls, in seconds; blocks until they are made."""
        self.watch()
        eventually(lambda: len(self._latencies) >= CALLS or self._caller.ready(), PATIENCE, "it calls")
        return self.p99_since()

    def watch(self) -> None:
        """From here on, calls count for ``p99_since``."""
        self._latencies = []

    def p99_since(self) -> float:
        """Of the calls that began after ``watch`` and have ended."""
        if self._caller.ready():
            self._caller.get()
        assert len(self._latencies) >= CALLS_MIN, f"only {len(self._latencies)} calls beside the others"
        return sorted(self._latencies)[int(len(self._latencies) * 0.99)]

    def _call(self) -> None:
        while True:
            data = payload(self._next_id % 1000 + 1)
            latencies, started = self._latencies, monotonic()
            reply = self._pool.send(COUNT, None, data).get()
            latencies.append(monotonic() - started)
            assert bytes(reply.blob or b"") == data[::-1]
            self._next_id += 1
            self.calls += 1
            gevent.sleep(PAUSE_SECONDS)
