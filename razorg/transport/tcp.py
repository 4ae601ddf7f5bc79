"""``tcp://host:port``, IPv4 and IPv6; Nagle's delay off, keep-alive on."""

from __future__ import annotations

import contextlib
import socket
from time import monotonic
from typing import Any

import gevent.socket

from razorg.hubs.limit import time_limit
from razorg.transport.address import Address
from razorg.transport.original import system_socket
from razorg.transport.sockets import SocketConnection, SocketListener

BACKLOG = 1024
#: An address that says nothing for so long is passed over, if its name has others.
SILENT_SECONDS = 2.0
#: Linux only, and forgotten by the kernel whenever it likes.
_QUICK_ACK = getattr(socket, "TCP_QUICKACK", None)
#: Keep-alive probes find a peer that vanished without a word within about three minutes.
_KEEP_ALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 6))


class TcpConnection(SocketConnection):
    """A connection of TCP."""

    def acknowledge(self) -> None:
        """Tell the peer at once that what came is here.

        One that sends a head and its blob one after the other, with Nagle's delay on, as the
        reference does, holds the blob back until then: 40 ms, where the kernel takes its time.
        """
        if _QUICK_ACK is not None and not self._is_closed:
            with contextlib.suppress(OSError):
                self._sock.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)


class TcpListener(SocketListener):
    """Accepts connections of TCP."""

    def _connection(self, sock: socket.socket, name: Any) -> SocketConnection:
        try:
            _tune(sock)
            return TcpConnection(sock, str(Address("tcp", name[0], name[1])))
        except BaseException:
            sock.close()
            raise


class TcpTransport:
    """TCP over the system's sockets."""

    def connect(self, address: Address, timeout: float) -> TcpConnection:
        sock = _connect(address, timeout)
        try:
            if sock.getsockname() == sock.getpeername():
                # A port of the ephemeral range that nobody listens at can connect to itself.
                raise ConnectionRefusedError(f"nobody listens at {address}")
            _tune(sock)
            return TcpConnection(sock, str(address))
        except BaseException:
            sock.close()
            raise

    def listen(self, address: Address) -> TcpListener:
        found = gevent.socket.getaddrinfo(
            address.name, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, name = found[0]
        sock = system_socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address.name != "::")
            sock.bind(name)
            sock.listen(BACKLOG)
            return tcp_listener(sock)
        except BaseException:
            sock.close()
            raise


def tcp_listener(sock: socket.socket) -> TcpListener:
    """A listener on a TCP socket that is bound and listening."""
    host, port = sock.getsockname()[:2]
    return TcpListener(sock, Address("tcp", host, port))


def _connect(address: Address, timeout: float) -> socket.socket:
    """Try what the name resolves to, one after the other, all within the timeout."""
    with time_limit(timeout, f"no connection within {timeout:g} s"):
        return system_socket(fileno=_connected(address, monotonic() + timeout).detach())


def _connected(address: Address, deadline: float) -> gevent.socket.socket:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, address.name)
        except OSError:
            continue
        # No name: the resolver, which is a thread, has no part in reaching an address again.
        sock = gevent.socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.connect((address.name, address.port))
            return sock
        except BaseException:
            sock.close()
            raise
    return _connected_to_one(
        gevent.socket.getaddrinfo(address.name, address.port, 0, socket.SOCK_STREAM), deadline
    )


def _connected_to_one(found: list[Any], deadline: float) -> gevent.socket.socket:
    """To the first address that answers; a silent one leaves time for the others."""
    failure = OSError("the name has no address")
    for number, (family, kind, protocol, _, where) in enumerate(found):
        others = len(found) - number - 1
        sock = gevent.socket.socket(family, kind, protocol)
        try:
            if others:
                share = (deadline - monotonic()) / (others + 1)
                sock.settimeout(max(min(share, SILENT_SECONDS), 0.001))
            sock.connect(where)
            return sock
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
    try:
        raise failure
    finally:
        del failure  # its traceback holds this frame


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEP_ALIVE:
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
