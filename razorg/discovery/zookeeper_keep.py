"""Entries and claims of servers in ZooKeeper: ephemeral nodes of a session of their own."""

from __future__ import annotations

import uuid
from time import monotonic

from kazoo.client import KazooClient
from kazoo.exceptions import NodeExistsError, NoNodeError
from kazoo.protocol.states import KazooState, ZnodeStat

from razorg.discovery.keeping import Election, Registration
from razorg.discovery.node import Node, entry_name, leader_of
from razorg.discovery.zookeeper_session import (
    ZooKeeperSession,
    answer,
    contenders,
    granted_by,
    session_of,
)


def register(url: str, node: Node, once: bool, registration: Registration) -> ZooKeeperEntry:
    """Keep a node among the children of the path."""
    return ZooKeeperEntry(url, node, once, registration)


def elect(url: str, address: str, election: Election) -> ZooKeeperClaim:
    """Contend below the path's child ``leader``."""
    return ZooKeeperClaim(url, address, election)


class ZooKeeperEntry(ZooKeeperSession):
    """An ephemeral node.  With ``once`` it has the name of the address, and the first process has
    it; the others wait for their turn."""

    def __init__(self, url: str, node: Node, once: bool, registration: Registration) -> None:
        super().__init__(url)
        self._data = node.dump()
        self._once = once
        self._path = f"{self.where.path}/{entry_name(node, once)}"
        self._registration = registration
        self.begin()

    def step(self, client: KazooClient) -> None:
        self._create(client)
        stat: ZnodeStat | None = answer(client.exists_async(self._path, watch=self.changed))
        if stat is None:
            self.changed()  # it went just now: once more
        elif stat.ephemeralOwner == session_of(client) or self._once:
            self._registration.held()
        else:  # of a session that was lost, and would take it away with its end
            self._delete(client)
            self.changed()

    def _create(self, client: KazooClient) -> None:
        try:
            answer(client.create_async(self._path, self._data, ephemeral=True, makepath=True))
        except NodeExistsError:
            pass

    def _delete(self, client: KazooClient) -> None:
        try:
            answer(client.delete_async(self._path))
        except NoNodeError:
            pass

    def failed(self, error: Exception) -> None:
        self._registration.lost(str(error))

    def over(self, is_known: bool) -> None:
        self._registration.over(is_known)


class ZooKeeperClaim(ZooKeeperSession):
    """A sequential ephemeral node, as of kazoo's Election: the lowest one leads.

    It does so for the time that ZooKeeper keeps a session of which it hears no more, from each
    question on that was answered; a quarter of that time later it asks again.
    """

    def __init__(self, url: str, address: str, election: Election) -> None:
        super().__init__(url)
        self._address = address
        self._path = f"{self.where.path}/leader"
        self._prefix = f"{uuid.uuid4().hex}__lock__"
        self._election = election
        self.begin()

    def step(self, client: KazooClient) -> None:
        names = self._contenders(client)
        own = [name for name in names if name.startswith(self._prefix)]
        if not own:
            path = f"{self._path}/{self._prefix}"
            data = self._address.encode()
            made = client.create_async(path, data, ephemeral=True, sequence=True, makepath=True)
            answer(made)
            names = self._contenders(client)
        if not names:
            return self.changed()
        first = f"{self._path}/{names[0]}"
        asked_at = monotonic()
        try:
            answer(client.sync_async(first))  # by the leader of ZooKeeper itself: others may lag
            data, stat = answer(client.get_async(first, watch=self.changed))
        except NoNodeError:
            return self.changed()
        is_ours = names[0].startswith(self._prefix)
        if is_ours and stat.ephemeralOwner != session_of(client):
            # Of our last session: it would go, some time.
            answer(client.delete_async(first))
            return self.changed()
        self._election.leader = leader_of(data)
        self._election.told(is_ours, asked_at + granted_by(client))

    def look_seconds(self, client: KazooClient) -> float:
        return granted_by(client) / 4

    def _contenders(self, client: KazooClient) -> list[str]:
        try:
            found = client.get_children_async(self._path, watch=self.changed)
            return contenders(list(answer(found)))
        except NoNodeError:
            return []

    def state_changed(self, client: KazooClient, state: str) -> None:
        if state == KazooState.LOST:
            self._election.told(False)

    def over(self, is_known: bool) -> None:
        self._election.over(is_known)
