"""The implementations that the suites here run through, and connections of each transport.

To run a codec of your own through them, add a factory to ``CODECS``; for a transport, a kind to
``KINDS`` and its address to the fixture ``address``.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from links import accept, connect, listen

from razorg.codec.base import Codec
from razorg.codec.registry import resolve_codec
from razorg.transport.address import Address
from razorg.transport.base import Listener

KINDS = ("tcp4", "tcp6", "unix", "memory", "tls")
PATIENCE = 20.0  # seconds for one test; nothing here waits when all is well
_names = itertools.count()

CODECS: dict[str, Callable[[], Codec]] = {
    "msgpack": lambda: resolve_codec("msgpack"),
    "msgspec": lambda: resolve_codec("msgspec"),
}


@pytest.fixture(params=CODECS.values(), ids=CODECS.keys())
def codec(request: pytest.FixtureRequest) -> Codec:
    made = request.param()
    assert isinstance(made, Codec)
    return made


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.fixture(autouse=True)
def limit() -> Iterator[None]:
    with gevent.Timeout(PATIENCE):
        yield


@pytest.fixture(params=KINDS)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    if request.param == "tcp6":
        if not has_ipv6():
            print("no ::1 on this machine: IPv6 is not tested")
            pytest.skip("no ::1 on this machine")
        return Address("tcp", "::1", 0)
    if request.param == "unix":
        return Address("unix", str(tmp_path / "s"))
    if request.param == "memory":
        return Address("memory", f"conformance-{next(_names)}")
    return Address("tls" if request.param == "tls" else "tcp", "127.0.0.1", 0)


@pytest.fixture
def listener(address: Address) -> Iterator[Listener]:
    listener = listen(address)
    yield listener
    listener.close()


@pytest.fixture
def link(listener: Listener) -> Iterator[tuple[Any, Any]]:
    """A client's connection and its other end."""
    accepting = gevent.spawn(accept, listener)
    client = connect(listener.address)
    server = accepting.get()
    yield client, server
    client.close()
    server.close()
