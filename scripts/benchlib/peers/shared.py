"""What the peers share: the handlers, a free port, and a connection for each caller."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any


class Handlers:
    """The service that each of them serves."""

    def add(self, a: int, b: int) -> int:
        """a + b."""
        return a + b

    def echo(self, data: bytes) -> bytes:
        """The same bytes."""
        return data


def free_port() -> int:
    """A port that nobody has, for libraries that cannot tell which one they took."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def host_and_port(address: str) -> tuple[str, int]:
    """From `tcp://host:port`."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    return host, int(port)


def service_of(remote: Any) -> Any:
    """The bench's names on a remote object that has those of Handlers."""
    return SimpleNamespace(add=remote.add, both=remote.echo)
