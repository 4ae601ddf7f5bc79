"""``zk://host:2181/services/name``: the children of a ZooKeeper node are the servers.

::

    /services/name/anything        data: a node as JSON, or its address       a server (ephemeral)
    /services/name/leader/…-00042  data: an address                           who contends to lead

The lowest sequence number leads, as in kazoo's and Curator's elections.  kazoo runs in greenlets
of the I/O thread, with its gevent handler; in a process that is not patched, too.
"""

from __future__ import annotations

from collections.abc import Callable

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

from razorg.discovery.node import Answer, Snapshot, leader_of, load_nodes
from razorg.discovery.zookeeper_keep import elect, register
from razorg.discovery.zookeeper_session import ZooKeeperSession, answer, contenders

__all__ = ["elect", "register", "resolver"]


def resolver(url: str) -> ZooKeeperResolver:
    """The resolver of ``zk://host:port/path``."""
    return ZooKeeperResolver(url)


class ZooKeeperResolver(ZooKeeperSession):
    """Follows the children of a path, and who is first in its election."""

    def watch(self, callback: Callable[[Answer], None]) -> None:
        self._callback = callback
        self._complained: set[str] = set()
        self.begin()

    def failed(self, error: Exception) -> None:
        self._callback(error)

    def step(self, client: KazooClient) -> None:
        path = self.where.path
        names = _children(client, path, self.changed)
        leader = None
        if "leader" in names:
            names.remove("leader")
            leader = first_contender(client, f"{path}/leader", self.changed)
        data = _data(client, [f"{path}/{name}" for name in names], self.changed)
        self._callback(Snapshot(load_nodes(data, self._complained), leader))


def _children(client: KazooClient, path: str, changed: Callable[..., None]) -> list[str]:
    """The names below a path, with a watch; none when it is not there."""
    try:
        return list(answer(client.get_children_async(path, watch=changed)))
    except NoNodeError:
        answer(client.exists_async(path, watch=changed))
        return []


def _data(client: KazooClient, paths: list[str], changed: Callable[..., None]) -> dict[str, bytes]:
    """What is at each path, with a watch; asked all at once."""
    asked = [(path, client.get_async(path, watch=changed)) for path in paths]
    found: dict[str, bytes] = {}
    for path, one in asked:
        try:
            value, stat = answer(one)
        except NoNodeError:
            continue  # it went meanwhile
        if value or stat.ephemeralOwner:
            found[path] = value
    return found


def first_contender(client: KazooClient, path: str, changed: Callable[..., None]) -> str | None:
    """The address that leads, with watches; None when nobody does, or says where it is."""
    for name in contenders(_children(client, path, changed))[:1]:
        try:
            value, _ = answer(client.get_async(f"{path}/{name}", watch=changed))
            return leader_of(value)
        except NoNodeError:
            changed()  # it went meanwhile: look again
    return None
