"""The connections of a ChaosProxy."""

from __future__ import annotations

import contextlib
import logging
import random
import socket
import struct
from collections import deque
from collections.abc import Callable
from time import monotonic

import gevent
import gevent.socket
from gevent.event import Event
from gevent.queue import SimpleQueue

from razorg.testing.faults import Faults
from razorg.transport.address import Address

log = logging.getLogger("razorg")

#: For SO_LINGER: close with RST instead of FIN.
_RESET = struct.pack("ii", 1, 0)
_READ_BYTES = 64 * 1024
#: A direction that is delayed or slow holds at most so much; then it is not read.
_HELD_MAX_BYTES = 1024 * 1024
#: A slow direction moves in steps of this many a second.
_STEPS_PER_SECOND = 50


class Link:
    """One connection: the client's socket and the server's."""

    def __init__(
        self,
        target: Address,
        client: gevent.socket.socket,
        up: Faults,
        down: Faults,
        rng: random.Random,
    ) -> None:
        self._target, self._up, self._down, self._rng = target, up, down, rng
        self._ends = [client]
        self._resets = True
        self._pumps: list[_Pump] = []  # up, down
        self.greenlet = gevent.Greenlet(self._run)

    def half_close(self, is_up: bool) -> None:
        if self._pumps:
            self._pumps[0 if is_up else 1].half_close()

    def end(self) -> None:
        """With RST; blocks until it is done."""
        self.greenlet.kill()
        self._close()  # when it had not begun yet

    def _run(self) -> None:
        try:
            self._up.wait()
            self._ends.append(_connect(self._target))
            client, server = self._ends
            ended: SimpleQueue[bool] = SimpleQueue()
            self._pumps = [
                _Pump(client, server, self._up, self._rng, ended),
                _Pump(server, client, self._down, self._rng, ended),
            ]
            self._resets = not (ended.get() and ended.get())
        except OSError as error:  # nobody is there
            log.debug("chaos: no way to %s: %s", self._target, error)
        finally:
            for pump in self._pumps:
                pump.kill()
            self._close()

    def _close(self) -> None:
        for end in self._ends:
            close(end, self._resets)


class _Pump:
    """One direction of one connection: what is read is held until it may arrive.

    Puts into ``ended`` whether it ended well, once.
    """

    def __init__(
        self,
        source: gevent.socket.socket,
        sink: gevent.socket.socket,
        faults: Faults,
        rng: random.Random,
        ended: SimpleQueue[bool],
    ) -> None:
        self._source, self._sink, self._faults, self._rng = source, sink, faults, rng
        self._ended = ended
        #: What was read, and when it is due; b"" for the end.
        self._held: deque[tuple[float, bytes]] = deque()
        self._held_bytes = 0
        self._passed = 0
        self._changed = Event()
        self._is_half_closed = False
        self._greenlets = [gevent.spawn(self._guarded, part) for part in (self._read, self._write)]

    def kill(self) -> None:
        gevent.killall(self._greenlets)

    def half_close(self) -> None:
        """The sink hears that this was all; what comes after it is dropped."""
        self._is_half_closed = True
        with contextlib.suppress(OSError):
            self._sink.shutdown(socket.SHUT_WR)
        self._changed.set()

    def _guarded(self, part: Callable[[], bool | None]) -> None:
        try:
            outcome = part()
        except OSError:  # one end is gone: the other must hear of it
            outcome = False
        if outcome is not None:
            self._ended.put(outcome)

    def _read(self) -> None:
        data = b"?"
        while data:
            while self._held_bytes > _HELD_MAX_BYTES:
                self._wait()
            data = self._source.recv(_READ_BYTES)
            faults = self._faults
            due = monotonic() + faults.delay + self._rng.random() * faults.jitter
            if self._held:
                due = max(due, self._held[-1][0])  # a stream keeps its order
            self._held.append((due, data))
            self._held_bytes += len(data)
            self._changed.set()

    def _write(self) -> bool:
        while True:
            while not self._held and not self._is_half_closed:
                self._wait()
            if self._is_half_closed:
                return self._drop_rest()
            due, data = self._held.popleft()
            gevent.sleep(max(due - monotonic(), 0))
            self._faults.wait()
            if not data:
                self._sink.shutdown(socket.SHUT_WR)
                return True
            if self._is_cut():
                return self._cut()
            rest = memoryview(data)
            while rest:
                piece = self._piece(rest)
                rest = rest[len(piece) :]
                self._faults.wait()
                try:
                    self._sink.sendall(piece)
                except OSError:
                    if self._is_half_closed:
                        return self._drop_rest()
                    raise
                self._passed += len(piece)
                self._faults.bytes += len(piece)
                if self._is_cut():
                    return self._cut()
            self._held_bytes -= len(data)
            self._changed.set()

    def _piece(self, rest: memoryview) -> memoryview:
        """What may arrive next; blocks as long as that takes at this speed."""
        faults = self._faults
        size = faults.slice_bytes or len(rest)
        if faults.cut_after_bytes is not None:
            size = min(size, faults.cut_after_bytes - self._passed)
        if faults.bytes_per_second:
            size = min(size, max(faults.bytes_per_second // _STEPS_PER_SECOND, 1))
            gevent.sleep(min(size, len(rest)) / faults.bytes_per_second)
        elif faults.slice_bytes:
            gevent.sleep(0)  # a packet of its own, and a chance for the others
        return rest[:size]

    def _is_cut(self) -> bool:
        after = self._faults.cut_after_bytes
        return after is not None and self._passed >= after

    def _cut(self) -> bool:
        if self._faults.cut_resets:
            return False
        self._sink.shutdown(socket.SHUT_WR)
        return self._drop_rest()

    def _drop_rest(self) -> bool:
        """The sender hears nothing, until it ends by itself."""
        data = b"?"
        while data:
            while not self._held:
                self._wait()
            data = self._held.popleft()[1]
            self._held_bytes -= len(data)
            self._changed.set()
        return True

    def _wait(self) -> None:
        self._changed.clear()
        self._changed.wait()


def listen(where: Address) -> tuple[gevent.socket.socket, Address]:
    if where.scheme == "unix":
        listener = gevent.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        name: object = where.name
    else:
        found = gevent.socket.getaddrinfo(where.name, where.port, type=socket.SOCK_STREAM)
        listener = gevent.socket.socket(found[0][0], socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        name = found[0][4]
    try:
        listener.bind(name)
        listener.listen(1024)
    except BaseException:
        listener.close()
        raise
    if where.scheme == "unix":
        return listener, where
    return listener, Address(where.scheme, *listener.getsockname()[:2])


def _connect(target: Address) -> gevent.socket.socket:
    if target.scheme == "unix":
        sock = gevent.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(target.name)
        except BaseException:
            sock.close()
            raise
        return sock
    sock = gevent.socket.create_connection((target.name, target.port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def close(end: gevent.socket.socket, with_reset: bool) -> None:
    with contextlib.suppress(OSError):
        if with_reset:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    end.close()
