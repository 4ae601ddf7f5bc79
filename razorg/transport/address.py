"""Addresses: ``tcp://host:port``, ``tls://…``, ``unix:///path``, ``memory://name``, short forms."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Union

#: The kernel's ``sun_path`` has 108 bytes, the last of them NUL.
UNIX_PATH_BYTES_MAX = 107

AddressLike = Union[str, "tuple[str, int]", "Address"]


@dataclass(frozen=True)
class Address:
    """Where a server listens; ``str()`` gives the URL.

    ``name`` is the host, the path of the socket file, or the memory transport's name.
    """

    scheme: str
    name: str
    port: int = 0

    def __str__(self) -> str:
        if self.scheme in _NAMED_SCHEMES:
            return f"{self.scheme}://{self.name}"
        host = f"[{self.name}]" if ":" in self.name else self.name
        return f"{self.scheme}://{host}:{self.port}"


_NAMED_SCHEMES = ("unix", "memory")


def parse_address(address: AddressLike, scheme_of_pairs: str = "tcp") -> Address:
    """The address that a URL, a ``"host:port"`` or a ``(host, port)`` pair means.

    Raises ValueError, or TypeError for another kind of object, with what was expected.
    """
    if isinstance(address, Address):
        return address
    if isinstance(address, tuple):
        if len(address) != 2 or not isinstance(address[0], str):
            raise ValueError(f"{address!r}: an address pair is (host, port)")
        return Address(scheme_of_pairs, address[0], _port(address[1], repr(address)))
    if not isinstance(address, str):
        raise TypeError(f"an address is a URL, 'host:port' or a (host, port) pair, not {address!r}")
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = scheme_of_pairs, address
    if scheme == "unix":
        return Address("unix", _unix_path(rest, address))
    if scheme == "memory":
        if not rest:
            raise ValueError(f"{address!r}: memory:// needs a name")
        return Address("memory", rest)
    return _host_and_port(scheme, rest, address)


def _host_and_port(scheme: str, rest: str, address: str) -> Address:
    if not scheme.isidentifier():
        raise ValueError(f"{address!r} is no address; expected tcp://host:port or unix:///path")
    if any(char in rest for char in "/?#@ \t\r\n\0"):
        raise ValueError(f"{address!r}: expected {scheme}://host:port and nothing after it")
    host, separator, port = rest.rpartition(":")
    if not separator:
        raise ValueError(f"{address!r} has no port; expected {scheme}://host:port")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{address!r}: an IPv6 host goes in brackets, {scheme}://[{host}]:{port}")
    if not host:
        raise ValueError(f"{address!r} has no host; 0.0.0.0 or [::] listens on all")
    try:
        host.encode("idna")  # as the resolver does
    except UnicodeError as error:
        raise ValueError(f"{address!r}: {host!r} cannot be the name of a host: {error}") from None
    return Address(scheme, host, _port(port, repr(address)))


def _port(port: object, address: str) -> int:
    if isinstance(port, str) and port.isascii() and port.isdigit():
        port = int(port)
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65535:
        raise ValueError(f"{address}: a port is a number in 0 … 65535")
    return port


def _unix_path(path: str, address: str) -> str:
    if not path or "\0" in path:
        raise ValueError(f"{address!r}: expected unix:///path/to/socket")
    path = os.path.abspath(path)
    if len(os.fsencode(path)) > UNIX_PATH_BYTES_MAX:
        raise ValueError(f"{address!r}: a socket path has at most {UNIX_PATH_BYTES_MAX} bytes")
    return path
