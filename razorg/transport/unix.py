"""``unix:///path``: stream sockets in the file system."""

from __future__ import annotations

import errno
import logging
import os
import socket
import stat
import struct
from time import monotonic
from typing import Any

import gevent
import gevent.socket
from gevent import Timeout

from razorg.transport.address import Address
from razorg.transport.credentials import Credentials
from razorg.transport.original import system_socket
from razorg.transport.sockets import SocketConnection, SocketListener
from razorg.transport.tcp import BACKLOG

log = logging.getLogger("razorg")

#: How often a socket whose backlog is full is tried again.
_RETRY_SECONDS = 0.02
_COMING = (errno.EAGAIN, errno.EINPROGRESS, errno.EALREADY)

_UCRED = struct.Struct("3i")  # pid, uid, gid


class UnixConnection(SocketConnection):
    """A connection of a Unix socket."""

    def credentials(self) -> Credentials | None:
        """The process at the other end; None where the system does not tell."""
        option = getattr(socket, "SO_PEERCRED", None)
        if option is None:
            return None
        try:
            data = self._sock.getsockopt(socket.SOL_SOCKET, option, _UCRED.size)
        except OSError:
            return None
        return Credentials(*_UCRED.unpack(data))


class UnixListener(SocketListener):
    """Accepts connections at a socket file, and removes the file when closed if it made it.

    Unless ``keeps_file`` is set: then another process listens at the same file.
    """

    def __init__(self, sock: socket.socket, address: Address, owns_file: bool) -> None:
        super().__init__(sock, address)
        self._file = _identity(address.name) if owns_file else None
        self.keeps_file = False

    def _connection(self, sock: socket.socket, name: Any) -> SocketConnection:
        return UnixConnection(sock, str(self.address))

    def close(self) -> None:
        # Another server may have replaced the file: only our own is removed.
        is_ours = self._file is not None and self._file == _identity(self.address.name)
        if is_ours and not self.keeps_file:
            try:
                os.unlink(self.address.name)
            except OSError as error:
                log.warning("cannot remove %s: %s", self.address.name, error)
        self._file = None
        super().close()

    def after_fork(self) -> None:
        self._file = None
        super().after_fork()


class UnixTransport:
    """Stream sockets of the Unix domain."""

    def connect(self, address: Address, timeout: float) -> SocketConnection:
        sock = system_socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            _connect(sock, address.name, monotonic() + timeout)
            return SocketConnection(sock, str(address))
        except BaseException:
            sock.close()
            raise

    def listen(self, address: Address) -> UnixListener:
        sock = system_socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            try:
                sock.bind(address.name)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                _remove_stale(address.name)
                sock.bind(address.name)
            sock.listen(BACKLOG)
            return UnixListener(sock, address, owns_file=True)
        except BaseException:
            sock.close()
            raise


def unix_listener(sock: socket.socket) -> UnixListener:
    """A listener on a Unix socket that is bound and listening; its file stays the caller's.

    One of the abstract namespace of Linux, whose name begins with NUL, has no file.
    """
    name = os.fsdecode(sock.getsockname())
    path = name if name.startswith("\0") else os.path.abspath(name)
    return UnixListener(sock, Address("unix", path), owns_file=False)


def _remove_stale(path: str) -> None:
    """Remove a socket file that nobody listens at; EADDRINUSE for anything else."""
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise OSError(errno.EADDRINUSE, "exists and is not a socket", path)
    with gevent.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            with Timeout(1.0, False):  # pyright: ignore[reportArgumentType]
                probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError(errno.EADDRINUSE, "a server listens here", path)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _connect(sock: socket.socket, name: str, deadline: float) -> None:
    """Connect; while the backlog is full, which no event tells the end of, try again."""
    while (code := sock.connect_ex(name)) not in (0, errno.EISCONN):
        if code not in _COMING:
            raise OSError(code, os.strerror(code))
        if monotonic() >= deadline:
            raise TimeoutError("timed out: the backlog of the socket is full")
        gevent.sleep(_RETRY_SECONDS)
