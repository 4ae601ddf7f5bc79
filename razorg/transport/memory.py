"""``memory://name``: connections inside one process, for tests of razorg and of its users.

Inside one thread nothing leaves the process, and there is no timing but that of the greenlets:
each direction is a bounded queue of bytes that behaves as a socket does.  Between threads it is
a pair of sockets.
"""

from __future__ import annotations

import _socket
import errno
import socket
from collections import deque
from collections.abc import Sequence

from gevent import get_hub
from gevent.event import Event

from razorg.errors import LocalProtocolError
from razorg.hubs.forks import Turn, tell_of_forks
from razorg.hubs.here import call_soon, is_destroyed
from razorg.transport.address import Address
from razorg.transport.base import Connection
from razorg.transport.original import system_socket
from razorg.transport.pieces import write_in_turn
from razorg.transport.sockets import SocketConnection
from razorg.wire.heads import Buffer

#: What one direction holds before a write takes no more.
PIPE_BYTES = 256 * 1024


class _Pipe:
    """One direction."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.is_ended = False  # the writing end will write no more
        self.is_broken = False  # the reading end is gone
        self.readable = Event()
        self.writable = Event()
        self.writable.set()

    def read(self, max_bytes: int) -> bytes | None:
        if not self.data:
            return b"" if self.is_ended else None
        taken = bytes(self.data[:max_bytes])
        del self.data[:max_bytes]
        self.writable.set()
        if not self.data and not self.is_ended:
            self.readable.clear()
        return taken

    def write(self, data: Buffer) -> int:
        if self.is_broken or self.is_ended:
            raise BrokenPipeError(errno.EPIPE, "the other end is closed")
        taken = memoryview(data)[: PIPE_BYTES - len(self.data)]
        self.data += taken
        if taken:
            self.readable.set()
        if len(self.data) >= PIPE_BYTES:
            self.writable.clear()
        return len(taken)

    def end(self) -> None:
        self.is_ended = True
        self.readable.set()

    def break_off(self) -> None:
        self.is_broken = True
        self.data.clear()
        self.writable.set()


class MemoryConnection:
    """One end of two pipes."""

    def __init__(self, peer: str, incoming: _Pipe, outgoing: _Pipe) -> None:
        self.peer = peer
        self._in = incoming
        self._out = outgoing
        self._is_closed = False

    def read(self, max_bytes: int) -> bytes | None:
        self._check_open()
        return self._in.read(max_bytes)

    def read_into(self, buffer: memoryview) -> int | None:
        data = self.read(len(buffer))
        if data is None:
            return None
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Buffer) -> int:
        self._check_open()
        return self._out.write(data)

    def write_pieces(self, pieces: Sequence[Buffer]) -> int:
        return write_in_turn(self.write, pieces)

    def wait_readable(self) -> None:
        self._check_open()
        self._in.readable.wait()
        if not self._in.data and not self._in.is_ended:
            self._in.readable.clear()  # stop_waiting_to_read had set it
        self._check_open()

    def wait_writable(self) -> None:
        self._check_open()
        self._out.writable.wait()
        self._check_open()

    def stop_waiting_to_read(self) -> None:
        self._in.readable.set()

    def end_of_stream(self) -> bool:
        return self._is_closed or (self._in.is_ended and not self._in.data)

    def shutdown_write(self) -> None:
        self._check_open()
        self._out.end()

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._out.end()
            self._in.break_off()
            self._in.readable.set()
            self._out.writable.set()

    def _check_open(self) -> None:
        if self._is_closed:
            raise OSError(errno.EBADF, "the connection was closed on this side")


def memory_pair(name: str = "memory://pair") -> tuple[MemoryConnection, MemoryConnection]:
    """Two connections that are each other's peer."""
    one, two = _Pipe(), _Pipe()
    return MemoryConnection(name, one, two), MemoryConnection(name, two, one)


class MemoryListener:
    """Accepts the connections of this process to one name."""

    def __init__(self, address: Address, registry: dict[str, MemoryListener]) -> None:
        self.address = address
        self._registry = registry
        self._waiting: deque[Connection] = deque()
        self._hub = get_hub()
        self._arrived = Event()
        self._is_closed = False
        registry[address.name] = self
        tell_of_forks(self, Turn.SOCKETS)

    @property
    def is_gone(self) -> bool:
        """Whether its thread has ended, and nobody can close it any more."""
        return is_destroyed(self._hub)

    def connect(self) -> Connection:
        """A new connection; the other end waits in ``accept``."""
        if get_hub() is not self._hub:
            return self._connect_across()
        client, server = memory_pair(str(self.address))
        self._arrive(server)
        return client

    def _connect_across(self) -> Connection:
        client, server = (system_socket(fileno=end.detach()) for end in _socket.socketpair())
        try:
            call_soon(self._hub, self._arrive_across, server)
        except LocalProtocolError as error:
            client.close()
            server.close()
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"{self.address}: {error}") from None
        return SocketConnection(client, str(self.address))

    def _arrive_across(self, sock: socket.socket) -> None:
        if self._is_closed:
            sock.close()
        else:
            self._arrive(SocketConnection(sock, str(self.address)))

    def _arrive(self, server: Connection) -> None:
        self._waiting.append(server)
        self._arrived.set()

    def accept(self) -> Connection:
        while not self._waiting:
            if self._is_closed:
                raise OSError(errno.EBADF, "the listener was closed")
            self._arrived.clear()
            self._arrived.wait()
        return self._waiting.popleft()

    def fileno(self) -> int:
        return -1

    def after_fork(self) -> None:
        """In a forked child: the name is free there."""
        self.close()

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            if self._registry.get(self.address.name) is self:
                del self._registry[self.address.name]
            while self._waiting:
                self._waiting.popleft().close()
            self._arrived.set()


class MemoryTransport:
    """The listeners of this process by name."""

    def __init__(self) -> None:
        self._listeners: dict[str, MemoryListener] = {}

    def connect(self, address: Address, timeout: float) -> Connection:
        listener = self._listeners.get(address.name)
        if listener is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"nobody listens at {address}")
        return listener.connect()

    def listen(self, address: Address) -> MemoryListener:
        known = self._listeners.get(address.name)
        if known is not None and not known.is_gone:
            raise OSError(errno.EADDRINUSE, f"{address} is in use")
        return MemoryListener(address, self._listeners)
