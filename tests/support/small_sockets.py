"""``small://``: TCP whose sockets hold next to nothing, at both ends and from the first packet on."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any

import gevent.socket

from razorg.transport.tcp import TcpConnection, TcpTransport, tcp_listener

BUFFER_BYTES = 4096
#: The kernel doubles what it is told, and has a least size of its own.
HELD_MAX_BYTES = 3 * BUFFER_BYTES


class SmallSockets(TcpTransport):
    """A transport to register in both processes."""

    def connect(self, address: Any, timeout: float) -> TcpConnection:
        sock = gevent.socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            shrink(sock)
            sock.settimeout(timeout)
            sock.connect((address.name, address.port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            sock.close()
            raise
        return TcpConnection(socket.socket(fileno=sock.detach()), str(address))

    def listen(self, address: Any) -> Any:
        sock = socket.create_server((address.name, address.port))
        shrink(sock)  # those that it accepts are like it
        listener: Any = tcp_listener(sock)
        listener.address = replace(address, port=listener.address.port)
        accept = listener.accept

        def accept_small() -> Any:
            conn = accept()
            assert held_bytes(conn._sock) <= HELD_MAX_BYTES
            return conn

        listener.accept = accept_small
        return listener


def shrink(sock: Any) -> None:
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)


def held_bytes(sock: Any) -> int:
    """How much either buffer can hold at most, says the kernel."""
    return max(sock.getsockopt(socket.SOL_SOCKET, option) for option in (socket.SO_SNDBUF, socket.SO_RCVBUF))
