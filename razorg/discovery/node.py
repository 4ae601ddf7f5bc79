"""What a resolver delivers: the nodes of a service, and perhaps which of them leads."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Union

from razorg.transport.registry import checked_address

log = logging.getLogger("razorg")

#: No more is read of what an engine holds for one node.
NODE_BYTES_MAX = 65536
WEIGHT_MAX = 1_000_000


@dataclass(frozen=True)
class Node:
    """One server of a service: its address as a URL, its weight beside the others, the rest.

    ValueError for what is no address, or no weight.
    """

    address: str
    weight: float = 1.0
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", checked_url(self.address))
        weight = self.weight
        is_number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
        if not is_number or not 0 <= weight <= WEIGHT_MAX:
            raise ValueError(f"a weight is a number in 0 … {WEIGHT_MAX:,}, not {weight!r:.50}")
        if not isinstance(self.attributes, Mapping):
            raise ValueError(f"attributes are a map, not {self.attributes!r}")

    def dump(self) -> bytes:
        """As engines hold it, in JSON."""
        fields = {
            "address": self.address,
            "weight": self.weight,
            "attributes": dict(self.attributes),
        }
        return json.dumps(fields).encode()


@dataclass(frozen=True)
class Snapshot:
    """All that is known of a service at one time; ``leader`` is an address, if one leads."""

    nodes: tuple[Node, ...]
    leader: str | None = None


#: What a resolver tells: how things are, or why that cannot be known now.
Answer = Union[Snapshot, Exception]


class Resolver(Protocol):
    """Follows the nodes of one service in some engine."""

    def watch(self, callback: Callable[[Answer], None]) -> None:
        """Begin, and return at once: call back with each Snapshot, the first as soon as it is
        known, and with an exception while the engine does not answer or holds what makes no
        sense.  Calls come one after another, from any thread or greenlet; they do not block.
        """

    def close(self) -> None:
        """Call back no more.  From any thread; never blocks; idempotent."""


def entry_name(node: Node, once: bool) -> str:
    """What an engine keeps the node under: with ``once`` the address, else a name of its own."""
    return node.address.replace("/", "_") if once else f"node-{uuid.uuid4().hex}"


def checked_url(address: object, scheme: str = "tcp") -> str:
    """The address as a URL, of this scheme if it has none; ValueError when it is none."""
    if not isinstance(address, str) or not address:
        raise ValueError(f"an address is a URL or 'host:port', not {address!r}")
    return str(checked_address(address, is_encrypted=scheme == "tls"))


def node_of(value: object, scheme: str = "tcp") -> Node:
    """The node that a value of JSON means: an address, or a map as of ``Node.dump``."""
    if isinstance(value, str):
        return Node(checked_url(value, scheme))
    if not isinstance(value, dict) or "address" not in value:
        raise ValueError(f"a node is an address or a map that has one, not {value!r:.200}")
    unknown = value.keys() - {"address", "weight", "attributes"}
    if unknown:
        raise ValueError(f"a node has no {', '.join(sorted(map(str, unknown)))}: {value!r:.200}")
    address = checked_url(value["address"], scheme)
    return Node(address, value.get("weight", 1.0), value.get("attributes", {}))


def load_node(data: bytes) -> Node:
    """The node that an engine holds as JSON, or as nothing but its address; ValueError."""
    if len(data) > NODE_BYTES_MAX:
        raise ValueError(f"{len(data)} bytes are too many for a node")
    text = data.decode().strip()  # UnicodeDecodeError is a ValueError
    return node_of(json.loads(text) if text[:1] in ("{", '"') else text)


def merged(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Each address once, in a stable order; the weights of several processes at it add up."""
    by_address: dict[str, Node] = {}
    for node in sorted(nodes, key=lambda item: item.address):
        known = by_address.get(node.address)
        weight = min(node.weight + (known.weight if known else 0), WEIGHT_MAX)
        by_address[node.address] = Node(node.address, weight, (known or node).attributes)
    return tuple(by_address.values())


def load_nodes(found: Mapping[str, bytes], complained: set[str]) -> tuple[Node, ...]:
    """The nodes that an engine holds under these names.

    One that makes no sense is passed over; the log tells once, ``complained`` remembers that.
    """
    nodes = []
    complaints = set()
    for name, value in found.items():
        try:
            nodes.append(load_node(value))
        except (ValueError, RecursionError) as error:
            complaints.add(f"{name} is passed over: {error}")
    for complaint in complaints - complained:
        log.warning("%s", complaint)
    complained.clear()
    complained |= complaints
    return merged(nodes)


def leader_of(value: bytes | None) -> str | None:
    """The address that an engine holds as the leader's; None for none, or what is none."""
    try:
        return None if value is None else load_node(value).address
    except (ValueError, RecursionError):
        return None
