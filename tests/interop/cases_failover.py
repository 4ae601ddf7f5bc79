"""What a Python client asks of two nodes called ``a`` and ``b``, and what must come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, List

import razorg

from .case import Case
from .contract import KvService, bare


@dataclass
class Nodes:
    """The URLs of the nodes ``a`` and ``b``, and one at which nobody listens."""

    first: str
    second: str
    nobody: str


def with_pool(addresses: Callable[[Nodes], List[str]], mode: Any, use: Callable[[Any, Nodes], Any]) -> Any:
    def run(nodes: Nodes) -> Any:
        with razorg.connect(addresses(nodes), mode=mode) as pool:
            return use(pool.client(KvService), nodes)

    return run


def both(nodes: Nodes) -> List[str]:
    return [nodes.first, nodes.second]


def dead_and_first(nodes: Nodes) -> List[str]:
    return [nodes.nobody, nodes.first]


CASES = [
    Case(
        "failover.leader_is_first",
        with_pool(both, "leader", lambda kv, nodes: kv.put("key", bare(nodes.first))),
        "a",
    ),
    # The pool remembers where it was sent to.
    Case(
        "failover.redirect",
        with_pool(both, "leader", lambda kv, nodes: [kv.put("key", bare(nodes.second)), kv.who(), kv.who()]),
        ["b", "b", "b"],
    ),
    Case(
        "failover.redirect_to_unknown_address",
        with_pool(dead_and_first, "leader", lambda kv, nodes: kv.put("key", bare(nodes.second))),
        "b",
    ),
    Case("failover.next", with_pool(both, "round_robin", lambda kv, _: [kv.skip("a") for _ in range(4)]), ["b"] * 4),
    Case(
        "failover.round_robin",
        with_pool(both, "round_robin", lambda kv, _: sorted(kv.who() for _ in range(4))),
        ["a", "a", "b", "b"],
    ),
    Case(
        "failover.dead_node",
        with_pool(dead_and_first, "round_robin", lambda kv, _: [kv.who() for _ in range(6)]),
        ["a"] * 6,
    ),
]
