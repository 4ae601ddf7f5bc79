"""What the listeners of every transport do; see razorg/transport/base.py."""

from __future__ import annotations

import errno
from typing import Any

import gevent
import pytest
from links import accept, connect, listen, read_exactly, spawn_waiting, wait_closed

from razorg.transport.address import Address
from razorg.transport.base import Listener


def test_many_connections_of_one_listener(listener: Listener) -> None:
    ends = []
    for number in range(10):
        accepting = gevent.spawn(accept, listener)
        client = connect(listener.address)
        ends.append((bytes([number]), client, accepting.get()))
    for mark, client, _ in ends:
        client.write(mark)
    for mark, client, server in reversed(ends):
        assert read_exactly(server, 1) == mark
        client.close()
        server.close()


def test_connecting_where_nobody_listens(address: Address) -> None:
    gone = listen(address)
    target = gone.address
    gone.close()
    wait_closed(gone)
    with pytest.raises(OSError):
        connect(target)


def test_close_wakes_accept_with_oserror(listener: Listener) -> None:
    accepting = spawn_waiting(listener.accept)
    listener.close()
    listener.close()
    assert isinstance(accepting.get(), OSError)
    with pytest.raises(OSError):
        listener.accept()


def test_address_in_use_and_free_again(listener: Listener) -> None:
    with pytest.raises(OSError) as caught:
        listen(listener.address)
    assert caught.value.errno == errno.EADDRINUSE
    listener.close()
    wait_closed(listener)
    again = listen(listener.address)
    assert again.address == listener.address
    again.close()


def test_addresses_and_peers(address: Address, listener: Listener, link: tuple[Any, Any]) -> None:
    client, server = link
    assert (listener.address.scheme, listener.address.name) == (address.scheme, address.name)
    assert client.peer == str(listener.address)
    assert server.peer.startswith(f"{address.scheme}://")
    if address.scheme == "tcp":
        assert 0 < listener.address.port <= 65_535
        host = f"[{address.name}]" if ":" in address.name else address.name
        assert client.peer == f"tcp://{host}:{listener.address.port}"
        assert server.peer.startswith(f"tcp://{host}:")
        assert server.peer != client.peer
        assert listener.fileno() >= 0
