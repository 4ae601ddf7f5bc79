"""What a server tells an engine of itself: which address, how heavy, what else."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union

from razorg.discovery.keeping import Registration
from razorg.discovery.node import Node
from razorg.discovery.registry import EngineUrl, engine_check
from razorg.transport.address import Address, parse_address
from razorg.transport.original import system_socket

_ANY = ("0.0.0.0", "::")


@dataclass(frozen=True)
class Register:
    """Where and how a server is registered: ``RpcServer(…, register=Register("zk://…", …))``.

    - ``weight`` and ``attributes`` are told as they are.
    - Several processes at one address, as the workers of gunicorn: each has an entry, and their
      weights add up; with ``once=True`` there is one, of whichever process comes first.

    ValueError for a URL that is none of an engine, ImportError when its package is missing.
    """

    url: str
    weight: float = 1.0
    attributes: Mapping[str, Any] = field(default_factory=dict)
    once: bool = False

    def __post_init__(self) -> None:
        engine_check(self.url)
        Node("tcp://checked:1", self.weight, self.attributes).dump()

    def start(self, addresses: Sequence[str]) -> list[Registration]:
        """An entry for each address; never blocks."""
        nodes = [Node(address, self.weight, self.attributes) for address in addresses]
        return [Registration(self.url, node, self.once) for node in nodes]


RegisterLike = Union[str, Register, "Sequence[str | Register]", None]


def checked_registers(register: RegisterLike) -> list[Register]:
    """What ``register=`` of a server means; TypeError, ValueError, ImportError."""
    if register is None:
        return []
    items = [register] if isinstance(register, (str, Register)) else list(register)
    return [Register(item) if isinstance(item, str) else item for item in items]


def advertised(addresses: Sequence[str], register: Register) -> list[str]:
    """The addresses that clients shall have of a server that is bound to these.

    Those of TCP, if there are any.  For one that is bound to all the host's addresses, the one
    that the host has towards the engine.
    """
    parsed = [parse_address(address) for address in addresses]
    networked = [address for address in parsed if address.scheme not in ("unix", "memory")]
    own = ""
    told = []
    for address in networked or parsed:
        if address.name in _ANY:
            family = socket.AF_INET if address.name == "0.0.0.0" else socket.AF_UNSPEC
            own = own or own_host(EngineUrl.of(register.url).hosts, family)
            address = Address(address.scheme, own, address.port)
        told.append(str(address))
    return list(dict.fromkeys(told))


def own_host(hosts: Sequence[tuple[str, int]], family: int = socket.AF_UNSPEC) -> str:
    """The address that this host has towards these; nothing is sent.  May block to look a name up.

    ``family``: of what the server listens at.

    The host's name, when there is no way there.
    """
    for host, port in hosts:
        try:
            for kind_of, kind, protocol, _, where in socket.getaddrinfo(
                host, port, family, socket.SOCK_DGRAM
            ):
                with system_socket(kind_of, kind, protocol) as probe:
                    probe.connect(where)
                    return str(probe.getsockname()[0])
        except OSError:
            continue
    return socket.gethostname()
