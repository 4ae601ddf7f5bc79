"""Nodes that are killed one after the other, and started again."""

from __future__ import annotations

import itertools
from collections import deque
from time import monotonic
from typing import Any

import gevent

from support.nodes import PATIENCE, Node, eventually

KILL_EVERY = 2.0
#: How long a killed node stays down before it starts again.
DOWN_SECONDS = 0.7
RECOVERY_SECONDS = 2.0


class Killing:
    """Kill one node after another for some seconds, and start it again; blocks until the end.

    The victim is each in its turn or, in mode "leader", the one that works.  A node that is ready
    must soon execute calls again; where one leads, another must soon do so in its stead.
    """

    def __init__(self, nodes: list[Node], mode: Any, seconds: float) -> None:
        self._nodes = nodes
        self._turns = itertools.cycle(nodes)
        self.kills = 0
        #: Seconds until a node that was ready, or the one that took over, executed calls.
        self.recoveries: list[float] = []
        watchers: deque[gevent.Greenlet[..., None]] = deque()
        ends_at = monotonic() + seconds
        while monotonic() < ends_at:
            next_at = monotonic() + KILL_EVERY
            victim = self._leader() if mode == "leader" else next(self._turns)
            others = [node for node in nodes if node is not victim]
            victim.kill()
            self.kills += 1
            if mode == "leader":
                self._expect_executions(others)
            gevent.sleep(DOWN_SECONDS)
            before = victim.executed
            victim.start()
            if mode != "leader":
                watchers.append(gevent.spawn(self._expect_executions, [victim], before))
            gevent.sleep(max(next_at - monotonic(), 0))
        for watcher in watchers:
            watcher.get(timeout=PATIENCE)

    def _expect_executions(self, nodes: list[Node], before: int | None = None) -> None:
        if before is None:
            before = sum(node.executed for node in nodes)
        waited = eventually(
            lambda: sum(node.executed for node in nodes) > before, RECOVERY_SECONDS, f"{nodes} execute calls"
        )
        self.recoveries.append(waited)

    def _leader(self) -> Node:
        """The node that executes calls now."""
        counts = [node.executed for node in self._nodes]

        def busy() -> list[Node]:
            return [node for node, count in zip(self._nodes, counts) if node.executed > count]

        eventually(busy, RECOVERY_SECONDS, "somebody leads")
        assert len(busy()) == 1, f"not one leads, but all of {busy()}"
        return busy()[0]

    def __str__(self) -> str:
        waits = ", ".join(f"{seconds:.2f}" for seconds in self.recoveries)
        return f"{self.kills} kills; seconds until calls were executed again: {waits}"
