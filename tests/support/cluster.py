"""Some nodes of one service in this process, started and stopped by name."""

from __future__ import annotations

from collections.abc import Callable

import razorg
from support.peers import memory_url


class NotLeader(razorg.ErrorText):
    def failover(self) -> razorg.Failover:
        return str(self) or razorg.NEXT


@razorg.service
class Node:
    """Tells its name, or sends the caller elsewhere; ``asked`` counts."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.leader: str | None = None
        self.asked = 0

    def who(self) -> str:
        self.asked += 1
        return self.name

    @razorg.method(raises=NotLeader)
    def lead(self) -> str:
        self.asked += 1
        if self.leader is not None:
            raise NotLeader(self.leader)
        return self.name


class Cluster:
    """Nodes by name, each with a server at a memory address."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.servers: dict[str, razorg.RpcServer] = {}
        self.urls: dict[str, str] = {}

    def start(self, *names: str) -> list[str]:
        for name in names:
            self.nodes.setdefault(name, Node(name))
            url = self.urls.setdefault(name, memory_url())
            self.servers[name] = razorg.RpcServer(url, [self.nodes[name]])
            self.servers[name].start()
        return [self.urls[name] for name in names]

    def stop(self, *names: str) -> None:
        for name in names:
            self.servers.pop(name).stop(0)


def names(count: int, call: Callable[[], str]) -> list[str]:
    return [call() for _ in range(count)]
