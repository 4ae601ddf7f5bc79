"""Connections over any stream socket of the system: what tcp and unix share."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Sequence
from typing import Any

from gevent import get_hub

from razorg.hubs.forks import Turn, tell_of_forks
from razorg.hubs.here import is_destroyed
from razorg.transport.address import Address
from razorg.wire.heads import Buffer

_READ, _WRITE = 1, 2  # the event bits of gevent's loop.io
#: sendmsg takes at most IOV_MAX pieces; 1024 on Linux and the BSDs.
_PIECES_MAX = 512


class _Stopped(OSError):
    """Thrown into a greenlet that waits to read, by ``stop_waiting_to_read``."""


class SocketConnection:
    """A connected, non-blocking socket and the two watchers of this thread's hub for it."""

    def __init__(self, sock: socket.socket, peer: str) -> None:
        sock.setblocking(False)
        self.peer = peer
        self._sock = sock
        self._hub = get_hub()
        descriptor = sock.fileno()
        self._readable = self._hub.loop.io(descriptor, _READ)
        self._writable = self._hub.loop.io(descriptor, _WRITE)
        self._is_closed = False
        self._recv: Any = sock.recv
        self._recv_into: Any = sock.recv_into
        self._send: Any = sock.send
        self._sendmsg: Any = sock.sendmsg
        tell_of_forks(self, Turn.SOCKETS)

    def read(self, max_bytes: int) -> bytes | None:
        try:
            data: bytes = self._recv(max_bytes)
            return data
        except BlockingIOError:
            return None

    def read_into(self, buffer: memoryview) -> int | None:
        try:
            count: int = self._recv_into(buffer)
            return count
        except BlockingIOError:
            return None

    def write(self, data: Buffer) -> int:
        try:
            count: int = self._send(data)
            return count
        except BlockingIOError:
            return 0

    def write_pieces(self, pieces: Sequence[Buffer]) -> int:
        try:
            count: int = self._sendmsg(pieces[:_PIECES_MAX])
            return count
        except BlockingIOError:
            return 0

    def wait_readable(self) -> None:
        self._check_open()
        try:
            self._hub.wait(self._readable)
        except _Stopped:
            pass

    def wait_writable(self) -> None:
        self._check_open()
        self._hub.wait(self._writable)

    def stop_waiting_to_read(self) -> None:
        if not self._is_closed:
            self._hub.cancel_wait(self._readable, _Stopped())

    def end_of_stream(self) -> bool:
        if self._is_closed:
            return True
        try:
            ended: bool = self._recv(1, socket.MSG_PEEK) == b""
            return ended
        except BlockingIOError:
            return False
        except OSError:
            return True

    def shutdown_write(self) -> None:
        self._check_open()
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        # The socket may stay open a moment longer; nothing goes through it any more.
        self._recv = self._recv_into = self._send = self._sendmsg = _refuse
        _close_soon(self._hub, (self._readable, self._writable), self._sock)

    def after_fork(self) -> None:
        """In a forked child: close the descriptor at once, and say nothing to the peer."""
        self._is_closed = True
        self._recv = self._recv_into = self._send = self._sendmsg = _refuse
        _close_at_once(self._hub, (self._readable, self._writable), self._sock)

    def _check_open(self) -> None:
        if self._is_closed:
            raise _closed_here()


class SocketListener:
    """A listening, non-blocking socket."""

    def __init__(self, sock: socket.socket, address: Address) -> None:
        sock.setblocking(False)
        self.address = address
        self._sock = sock
        self._hub = get_hub()
        self._readable = self._hub.loop.io(sock.fileno(), _READ)
        self._is_closed = False
        tell_of_forks(self, Turn.SOCKETS)

    def accept(self) -> SocketConnection:
        while not self._is_closed:
            try:
                sock, name = self._sock.accept()
            except (BlockingIOError, ConnectionAbortedError):
                self._hub.wait(self._readable)
                continue
            return self._connection(sock, name)
        raise _closed_here()

    def _connection(self, sock: socket.socket, name: Any) -> SocketConnection:
        try:
            return SocketConnection(sock, str(self.address))
        except BaseException:
            sock.close()
            raise

    def fileno(self) -> int:
        return self._sock.fileno()

    def after_fork(self) -> None:
        """In a forked child: the listener is the parent's, and so is what belongs to it."""
        self._is_closed = True
        _close_at_once(self._hub, (self._readable,), self._sock)

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            _close_soon(self._hub, (self._readable,), self._sock)


def _close_soon(hub: Any, watchers: Sequence[Any], sock: socket.socket) -> None:
    """Close it as soon as no watcher looks at its descriptor, and tell who waits for it."""
    if sys.is_finalizing() or is_destroyed(hub):
        sock.close()
    else:
        hub.cancel_waits_close_and_then(watchers, _closed_here(), sock.close)


def _close_at_once(hub: Any, watchers: Sequence[Any], sock: socket.socket) -> None:
    """Close it now; who waits for it is told when the hub runs.

    A child may never run its hub, and until its copy is closed, too, the peer does not see the
    parent close the connection.
    """
    for watcher in watchers if not is_destroyed(hub) else ():
        waiter = getattr(watcher.callback, "__self__", None)
        watcher.close()
        if waiter is not None:
            hub.loop.run_callback(waiter.throw, _closed_here())
    sock.close()


def is_listening(sock: socket.socket) -> bool:
    """Whether the socket listens already; False where the system does not tell."""
    try:
        return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except (AttributeError, OSError):
        return False


def _refuse(*_: Any) -> Any:
    raise _closed_here()


def _closed_here() -> OSError:
    return OSError(errno.EBADF, "the connection was closed on this side")
