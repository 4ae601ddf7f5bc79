"""Reading, writing and waiting over a connection that never blocks by itself."""

from __future__ import annotations

from typing import Any

import gevent
from gevent.event import Event
from support.certificates import authority, server_file

from razorg.tls import ClientTls, ServerTls
from razorg.transport import registry
from razorg.transport.address import Address
from razorg.transport.base import Connection, Listener


def connect(address: Address, timeout: float = 5.0) -> Connection:
    """A connection to the address, whatever its scheme."""
    tls = ClientTls(authority().file) if address.scheme == "tls" else None
    return registry.connect(address, timeout, tls)


def listen(address: Address) -> Listener:
    """A listener at the address, whatever its scheme."""
    return registry.listen(address, ServerTls(server_file()) if address.scheme == "tls" else None)


def accept(listener: Listener) -> Connection:
    """The next connection of the listener, ready for use."""
    conn = listener.accept()
    if hasattr(conn, "handshake"):
        conn.handshake()
    return conn


def read_some(connection: Connection) -> bytes:
    while (data := connection.read(65_536)) is None:
        connection.wait_readable()
    return data


def read_exactly(connection: Connection, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        part = read_some(connection)
        assert part, f"ended after {len(data)} of {count} bytes"
        data += part
    return bytes(data)


def read_all(connection: Connection) -> bytes:
    return b"".join(iter(lambda: read_some(connection), b""))


def write_all(connection: Connection, data: bytes) -> None:
    view = memoryview(data)
    while view:
        count = connection.write(view)
        view = view[count:]
        if not count:
            connection.wait_writable()


def wait_until(condition: Any) -> None:
    while not condition():
        gevent.sleep(0)


def wait_closed(listener: Listener) -> None:
    wait_until(lambda: listener.fileno() == -1)


def spawn_waiting(function: Any) -> Any:
    """A greenlet that is inside ``function`` (which blocks) when this returns.

    Its value is what ``function`` returned, or the OSError that it raised.
    """
    started = Event()

    def run() -> Any:
        started.set()
        try:
            return function()
        except OSError as error:
            return error

    greenlet = gevent.spawn(run)
    started.wait()
    assert not greenlet.ready()
    return greenlet
