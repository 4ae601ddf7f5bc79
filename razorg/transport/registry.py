"""Transports by scheme."""

from __future__ import annotations

import socket
from typing import Union

from razorg.tls import ClientTls, ServerTls, default_tls
from razorg.transport.address import Address, AddressLike, parse_address
from razorg.transport.base import Connection, Listener, Transport
from razorg.transport.memory import MemoryTransport
from razorg.transport.original import system_socket
from razorg.transport.sockets import is_listening
from razorg.transport.tcp import BACKLOG, TcpListener, TcpTransport, tcp_listener
from razorg.transport.unix import UnixTransport, unix_listener

ListenLike = Union[AddressLike, socket.socket]

_transports: dict[str, Transport] = {
    "tcp": TcpTransport(),
    "unix": UnixTransport(),
    "memory": MemoryTransport(),
}


def register_transport(scheme: str, transport: Transport) -> None:
    """Let addresses of ``scheme://host:port`` use a transport of your own."""
    if not scheme.isidentifier() or scheme == "tls":
        raise ValueError(f"{scheme!r} cannot be the scheme of an address")
    _transports[scheme] = transport


def checked_address(address: AddressLike, is_encrypted: bool = False) -> Address:
    """The parsed address; ValueError when it is none, or no transport knows its scheme.

    ``is_encrypted``: one without a scheme is ``tls://``.
    """
    parsed = parse_address(address, "tls" if is_encrypted else "tcp")
    if parsed.scheme not in _transports and parsed.scheme != "tls":
        known = ", ".join(f"{scheme}://" for scheme in [*_transports, "tls"])
        raise ValueError(f"{address!r}: no transport for {parsed.scheme}://; there are {known}")
    return parsed


def server_address(address: AddressLike, is_encrypted: bool) -> Address:
    """As ``checked_address``, of a server to connect to; ValueError also for one in the clear."""
    parsed = checked_address(address, is_encrypted)
    if is_encrypted and parsed.scheme != "tls":
        raise ValueError(f"{address!r} is not encrypted: it must be tls://host:port here")
    return parsed


def connect(address: Address, timeout: float, tls: ClientTls | None = None) -> Connection:
    """A connection to the address; blocks at most ``timeout`` seconds.  OSError."""
    if address.scheme == "tls":
        # Imported now: ssl must not be there before gevent has patched it.
        from razorg.transport.tls import connect_tls

        return connect_tls(address, timeout, tls or default_tls())
    return _transports[address.scheme].connect(address, timeout)


def listen(where: Address | socket.socket, tls: ServerTls | None = None) -> Listener:
    """Listen at an address, or on a socket that is bound already.  OSError."""
    if not isinstance(where, Address):
        return _listen_on(where, tls)
    if where.scheme == "tls" and tls is None:
        raise ValueError(f"{where} needs a certificate: tls=razorg.ServerTls(…)")
    try:
        if where.scheme == "tls":
            return _encrypted(TcpTransport().listen(where), tls)
        return _transports[where.scheme].listen(where)
    except OSError as error:
        raise OSError(
            error.errno, f"cannot listen at {where}: {error.strerror or error}"
        ) from error


def _listen_on(given: socket.socket, tls: ServerTls | None) -> Listener:
    sock = system_socket(fileno=socket.dup(given.fileno()))
    try:
        if not is_listening(sock):  # whoever made it listen has chosen its backlog
            sock.listen(BACKLOG)
        if sock.family == socket.AF_UNIX:
            return unix_listener(sock)
        return _encrypted(tcp_listener(sock), tls)
    except BaseException:
        sock.close()
        raise


def _encrypted(listener: TcpListener, tls: ServerTls | None) -> Listener:
    """The listener, speaking TLS if it shall."""
    if tls is None:
        return listener
    from razorg.transport.tls import TlsListener

    return TlsListener(listener, tls)
