"""Servers, a network, a discovery engine and a clock, as far as clients notice them."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random
from typing import Any

#: How long a message takes, one way; between 0.2 and 0.4 ms.
HOP_SECONDS = 0.0002
#: What a call takes at a server, on average, and how many one works on at once.
WORK_SECONDS = 0.008
WORKERS = 8


class Clock:
    """What happens, in the order of time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0

    def at(self, time: float, action: Callable[..., None], *args: Any) -> None:
        """Do this then."""
        self._count += 1
        heapq.heappush(self._events, (time, self._count, action, args))

    def after(self, seconds: float, action: Callable[..., None], *args: Any) -> None:
        """Do this so many seconds from now."""
        self.at(self.now + seconds, action, *args)

    def run(self, until: float) -> None:
        """Let it all happen."""
        events = self._events
        while events and events[0][0] <= until:
            self.now, _, action, args = heapq.heappop(events)
            action(*args)
        self.now = until


class Server:
    """Works on calls in the order in which they come, ``WORKERS`` at once."""

    def __init__(self, name: str, rack: int) -> None:
        self.name = name
        self.rack = rack
        self.is_up = True
        #: Without power it does not even refuse: whoever talks to it hears nothing.
        self.is_dark = False
        self.slowness = 1.0
        self.lives = 0
        self.served = 0
        #: Open connections, by client.
        self.clients: set[Any] = set()
        self._free_at = [0.0] * WORKERS

    def takes(self, now: float, rng: Random) -> float:
        """When a call that comes now is answered."""
        begins = max(self._free_at[0], now)
        ends = begins + rng.expovariate(1 / WORK_SECONDS) * self.slowness
        heapq.heapreplace(self._free_at, ends)
        self.served += 1
        return ends

    def stop(self) -> None:
        """The process ends; in a drain, or at once."""
        self.is_up = False
        self.lives += 1
        self._free_at = [0.0] * WORKERS

    def start(self) -> None:
        """A new process, at the same address."""
        self.is_up, self.is_dark = True, False
        self.slowness = 1.0


class Engine:
    """Who is registered, told to all clients a moment later; while it is away nobody hears anything."""

    #: A server that says nothing is taken off the list after this.
    SESSION_SECONDS = 10.0

    def __init__(self, clock: Clock, rng: Random, servers: list[Server]) -> None:
        self._clock, self._rng = clock, rng
        self.registered = {server.name for server in servers}
        self.is_away = False
        self.listeners: list[Callable[[list[str]], None]] = []
        self._is_telling = False

    def register(self, server: Server) -> None:
        """It serves; what is registered while the engine is away waits for its return."""
        self.registered.add(server.name)
        self._tell()

    def withdraw(self, server: Server) -> None:
        """It is about to end."""
        self.registered.discard(server.name)
        self._tell()

    def come_back(self) -> None:
        """It is there again."""
        self.is_away = False
        self._tell()

    def _tell(self) -> None:
        """Clients are told of many changes at once."""
        if not self.is_away and not self._is_telling:
            self._is_telling = True
            self._clock.after(0.2, self._told)

    def _told(self) -> None:
        self._is_telling = False
        if self.is_away:
            return
        names = sorted(self.registered)
        for listener in self.listeners:
            self._clock.after(self._rng.uniform(0.0, 1.0), listener, names)
