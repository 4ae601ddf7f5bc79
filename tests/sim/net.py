"""A network that takes its time and loses connections, for a virtual hub: ``sim://name:port``."""

from __future__ import annotations

import errno
from collections import deque
from random import Random
from typing import Any

import gevent
from gevent import get_hub

from razorg.transport.address import Address
from razorg.transport.memory import PIPE_BYTES, MemoryConnection, MemoryListener, _Pipe


class Wire(_Pipe):
    """One direction of a connection: what is written arrives later, in order."""

    def __init__(self, net: Net, name: str) -> None:
        super().__init__()
        self._net, self._name = net, name
        self._travelling: deque[bytes | None] = deque()  # None: the end
        self._travelling_bytes = 0
        self._arrives_at = 0.0

    def write(self, data: Any) -> int:
        if self.is_broken or self.is_ended or None in self._travelling:
            raise BrokenPipeError(errno.EPIPE, "the other end is closed")
        room = PIPE_BYTES - len(self.data) - self._travelling_bytes
        taken = bytes(memoryview(data)[: self._net.rng.randint(1, room) if room > 0 else 0])
        if taken:
            self._travelling_bytes += len(taken)
            self._send(taken)
        if room - len(taken) <= 0:
            self.writable.clear()
        return len(taken)

    def end(self) -> None:
        if not self.is_ended and None not in self._travelling:
            self._send(None)

    def cut(self) -> None:
        """What is under way is lost, and both ends notice."""
        self._travelling.clear()
        self.is_ended = True
        self.break_off()
        self.readable.set()

    def deliver(self) -> None:
        """What is under way arrives, as far as the net lets it through."""
        while self._travelling and not self._net.is_dark(self._name):
            taken = self._travelling.popleft()
            if taken is None:
                super().end()
            elif not self.is_broken:
                self._travelling_bytes -= len(taken)
                self.data += taken
                self.readable.set()
        if len(self.data) + self._travelling_bytes < PIPE_BYTES:
            self.writable.set()

    def _send(self, taken: bytes | None) -> None:
        loop = get_hub().loop
        self._arrives_at = max(loop.now() + self._net.latency(), self._arrives_at)
        self._travelling.append(taken)
        timer = loop.timer(self._arrives_at - loop.now())
        timer.start(self.deliver)


class Net:
    """A transport whose listeners are found by name; ``rng`` decides how long everything takes."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.slowness = 1.0
        self._listeners: dict[str, MemoryListener] = {}
        self._wires: dict[str, list[Wire]] = {}
        self._dark: set[str] = set()

    def latency(self) -> float:
        return self.rng.expovariate(1 / 0.002) * self.slowness

    def connect(self, address: Address, timeout: float) -> MemoryConnection:
        with gevent.Timeout(timeout, TimeoutError(errno.ETIMEDOUT, f"no connection within {timeout:g} s")):
            gevent.sleep(self.latency())
            while self.is_dark(address.name):
                gevent.sleep(0.05)
        listener = self._listeners.get(address.name)
        if listener is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"nobody listens at {address}")
        there, back = Wire(self, address.name), Wire(self, address.name)
        self._wires.setdefault(address.name, []).extend((there, back))
        listener._arrive(MemoryConnection(str(address), there, back))
        return MemoryConnection(str(address), back, there)

    def listen(self, address: Address) -> MemoryListener:
        return MemoryListener(address, self._listeners)

    # faults

    def cut(self, name: str) -> None:
        """All connections of a server end, without a word for what was under way."""
        for wire in self._wires.pop(name, []):
            wire.cut()

    def darken(self, name: str) -> None:
        """Nothing gets to the server or away from it, and nobody is told."""
        self._dark.add(name)

    def lighten(self, name: str) -> None:
        """It is reached again; what was under way arrives now, late."""
        self._dark.discard(name)
        for wire in self._wires.get(name, []):
            wire.deliver()

    def is_dark(self, name: str) -> bool:
        return name in self._dark
