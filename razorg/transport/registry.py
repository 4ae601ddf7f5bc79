"""Transports by scheme."""

from __future__ import annotations

import socket
from typing import Union

from razorg.transport.address import Address, AddressLike, parse_address
from razorg.transport.base import Connection, Listener, Transport
from razorg.transport.memory import MemoryTransport
from razorg.transport.original import system_socket
from razorg.transport.sockets import is_listening
from razorg.transport.tcp import BACKLOG, TcpTransport, tcp_listener
from razorg.transport.unix import UnixTransport, unix_listener

ListenLike = Union[AddressLike, socket.socket]

_transports: dict[str, Transport] = {
    "tcp": TcpTransport(),
    "unix": UnixTransport(),
    "memory": MemoryTransport(),
}


def register_transport(scheme: str, transport: Transport) -> None:
    """Let addresses of ``scheme://host:port`` use a transport of your own."""
    if not scheme.isidentifier():
        raise ValueError(f"{scheme!r} cannot be the scheme of an address")
    _transports[scheme] = transport


def checked_address(address: AddressLike) -> Address:
    """The parsed address; ValueError when it is none, or no transport knows its scheme."""
    parsed = parse_address(address)
    if parsed.scheme not in _transports:
        raise ValueError(
            f"{address!r}: no transport for {parsed.scheme}://; there are "
            + ", ".join(f"{scheme}://" for scheme in _transports)
        )
    return parsed


def connect(address: Address, timeout: float) -> Connection:
    """A connection to the address; blocks at most ``timeout`` seconds.  OSError."""
    return _transports[address.scheme].connect(address, timeout)


def listen(where: Address | socket.socket) -> Listener:
    """Listen at an address, or on a socket that is bound already.  OSError."""
    if isinstance(where, Address):
        try:
            return _transports[where.scheme].listen(where)
        except OSError as error:
            raise OSError(
                error.errno, f"cannot listen at {where}: {error.strerror or error}"
            ) from error
    sock = system_socket(fileno=socket.dup(where.fileno()))
    try:
        if not is_listening(sock):  # whoever made it listen has chosen its backlog
            sock.listen(BACKLOG)
        if sock.family == socket.AF_UNIX:
            return unix_listener(sock)
        return tcp_listener(sock)
    except BaseException:
        sock.close()
        raise
