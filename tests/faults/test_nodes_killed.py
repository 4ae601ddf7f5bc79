"""Three servers, one of which is killed every two seconds: the calls find their way."""

from __future__ import annotations

import itertools
from collections import deque
from time import monotonic
from typing import Any

import gevent
import pytest
from support.history import History
from support.load import RETRIES, Load, note, read, slow
from support.node_main import Witness, answer_of
from support.nodes import PATIENCE, Node, Nodes, eventually, verdict

import razorg

PER_SECOND = 2000
KILL_EVERY = 2.0
#: How long a killed node stays down before it starts again.
DOWN_SECONDS = 0.7
RECOVERY_SECONDS = 2.0
SUCCESS = 0.9999
#: Of calls that must not run twice: those that a kill cuts off cannot be repeated.
NOTE_SUCCESS = 0.98


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    ("mode", "seconds"), [("round_robin", 20.0), ("leader", 8.0), ("least_loaded", 8.0)]
)
def test_calls_that_may_be_repeated_succeed(nodes: Nodes, mode: Any, seconds: float) -> None:
    history = History(answer_of)
    three = nodes.start("abc")
    addresses = [node.address for node in three]
    with razorg.connect(addresses, mode=mode, retry_limit=RETRIES) as pool:
        witness = pool.client(Witness)
        kinds = [read(witness, RETRIES)] * 9 + [slow(witness, 50, RETRIES)]
        with Load(history, kinds, PER_SECOND) as load:
            eventually(lambda: history.succeeded > PER_SECOND // 2, PATIENCE, "calls succeed")
            killing = Killing(three, mode, seconds)
            counts = [node.executed for node in three]
            pick = max if mode == "leader" else min
            eventually(
                lambda: pick(node.executed - count for node, count in zip(three, counts)) > 20,
                RECOVERY_SECONDS,
                f"all nodes are used: {pool!r}",
            )
    figures = verdict(history, three)
    print(f"{killing}; at most {load.most_overdue} calls were overdue")
    assert figures.calls >= 0.95 * PER_SECOND * seconds, "that was no load"
    assert all(node.executed > 100 for node in three) or mode == "leader"
    assert figures.success >= SUCCESS, str(figures)
    assert figures.repeated > killing.kills, "hardly anything was cut off, so nothing is shown"


@pytest.mark.timeout(60)
def test_calls_that_must_not_be_repeated_are_not(nodes: Nodes) -> None:
    history = History(answer_of)
    three = nodes.start("abc")
    addresses = [node.address for node in three]
    with razorg.connect(addresses, mode="round_robin", retry_limit=RETRIES) as pool:
        witness = pool.client(Witness)
        kinds = [note(witness)] * 9 + [slow(witness, ms=50)]
        with Load(history, kinds, PER_SECOND):
            eventually(lambda: history.succeeded > PER_SECOND // 2, PATIENCE, "calls succeed")
            killing = Killing(three, "round_robin", 10.0)
    figures = verdict(history, three)
    print(killing)
    assert figures.repeated == 0
    assert figures.success >= NOTE_SUCCESS, str(figures)
    assert figures.success < 1, "nothing was cut off, so nothing is shown"


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
