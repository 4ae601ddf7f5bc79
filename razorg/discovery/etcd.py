"""``etcd://host:2379/services/name``: the keys below a prefix are the servers.

::

    /services/name/anything    a node as JSON, or its address        a server (with a lease)
    /services/name/leader      an address                            who leads (with a lease)
"""

from __future__ import annotations

from collections.abc import Callable

from razorg.discovery.etcd_keep import elect, register
from razorg.discovery.etcd_watch import PrefixWatch
from razorg.discovery.node import Answer, Snapshot, leader_of, load_nodes
from razorg.discovery.registry import EngineUrl

__all__ = ["elect", "register", "resolver"]


def resolver(url: str) -> EtcdResolver:
    """The resolver of ``etcd://host:port/prefix``."""
    return EtcdResolver(url)


class EtcdResolver:
    """Follows the keys below a prefix; the one that is named ``leader`` tells who leads."""

    def __init__(self, url: str) -> None:
        self._where = EngineUrl.of(url)
        self._prefix = f"{self._where.path}/"
        self._complained: set[str] = set()
        self._watch: PrefixWatch | None = None

    def watch(self, callback: Callable[[Answer], None]) -> None:
        def changed(found: dict[str, bytes]) -> None:
            leader = found.pop(f"{self._prefix}leader", None)
            nodes = load_nodes(found, self._complained)
            callback(Snapshot(nodes, leader_of(leader)))

        self._watch = PrefixWatch(self._where, self._prefix, changed, callback)

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()
