"""Listening sockets that another process opened: systemd, or a predecessor (``successor.py``)."""

from __future__ import annotations

import logging
import os
import socket

from razorg.transport.original import system_socket

log = logging.getLogger("razorg")

#: The first inherited descriptor: where systemd begins.
FIRST_DESCRIPTOR = 3
#: Names the descriptor at which a predecessor waits to hear that its sockets are served.
READY_VARIABLE = "RAZORG_READY_FD"
#: What it hears then, before the end of the stream.
READY = b"+"


class Giver:
    """The process that the sockets come from, as far as it waits for their being served."""

    def __init__(self, ready: int | None) -> None:
        self._ready = ready
        #: The sockets at which no server listens yet.
        self.untaken: set[socket.socket] = set()

    def taken(self, sock: socket.socket) -> None:
        """This socket is served; with the last one the giver is told."""
        self.untaken.discard(sock)
        if self._ready is not None and not self.untaken:
            try:
                os.write(self._ready, READY)
            except OSError as error:  # it has ended, and its callers come here
                log.warning("the process that handed its sockets over does not listen: %s", error)
            self.close()

    def close(self) -> None:
        """Tell the giver nothing more."""
        if self._ready is not None:
            os.close(self._ready)
            self._ready = None


class InheritedSocket(system_socket):
    """A listening socket that another process opened, and that the server listening at it owns."""

    giver: Giver

    def taken(self) -> None:
        """A server listens, with a descriptor of its own: this one is closed."""
        self.close()
        self.giver.taken(self)


def inherited_sockets() -> list[InheritedSocket]:
    """The listening sockets that this process was started with; never blocks.

    The protocol is that of systemd's socket activation (``LISTEN_FDS``, ``LISTEN_PID``), which
    ``RpcServer.start_successor`` speaks as well.  Empty when there are none, or they are meant for
    another process.  To be given to one RpcServer, or to several: the server closes them at its
    stop.  The variables are removed and the descriptors made non-inheritable, so no child takes
    them again, and a second call returns nothing.  ValueError when the variables, or what they
    name, are not listening sockets.
    """
    pid = os.environ.get("LISTEN_PID")
    if pid is None or _number("LISTEN_PID", pid) != os.getpid():
        return []
    count = os.environ.pop("LISTEN_FDS", "0")
    ready = os.environ.pop(READY_VARIABLE, None)
    for name in ("LISTEN_PID", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    giver = Giver(None if ready is None else _ready_descriptor(ready))
    sockets: list[InheritedSocket] = []
    try:
        for place in range(_number("LISTEN_FDS", count)):
            sockets.append(_stream_socket(FIRST_DESCRIPTOR + place, giver))
    except BaseException:
        for sock in sockets:
            sock.close()
        giver.close()
        raise
    return sockets


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"{name} is {text!r}, which is no number")
    return int(text)


def _ready_descriptor(text: str) -> int:
    descriptor = _number(READY_VARIABLE, text)
    try:
        os.set_inheritable(descriptor, False)
    except OSError as error:
        raise ValueError(f"{READY_VARIABLE} is {text!r}: {error.strerror}") from None
    return descriptor


def _stream_socket(descriptor: int, giver: Giver) -> InheritedSocket:
    try:
        sock = InheritedSocket(fileno=descriptor)
    except OSError as error:
        raise ValueError(
            f"LISTEN_FDS counts descriptor {descriptor}, which is no socket: {error.strerror}"
        ) from None
    if sock.type != socket.SOCK_STREAM:
        sock.detach()
        raise ValueError(f"LISTEN_FDS counts descriptor {descriptor}, which is no stream socket")
    sock.set_inheritable(False)
    sock.giver = giver
    giver.untaken.add(sock)
    return sock
