"""A server is killed: what the errors of its calls say is true.  goals/kills.py kills under load."""

from __future__ import annotations

import gevent
import pytest
from support.history import History, assert_sent_is_informative, ended
from support.load import Load, note, read, slow
from support.node_main import Witness, answer_of
from support.nodes import PATIENCE, Nodes, eventually, verdict

import razorg

SETTLE_SECONDS = 2.0  # after the kill


@pytest.mark.timeout(60)
def test_nothing_is_said_to_be_sent_to_a_server_that_is_known_to_be_dead(nodes: Nodes) -> None:
    history = History(answer_of)
    (node,) = nodes.start("a")
    with razorg.connect(node.address) as pool:
        witness = pool.client(Witness)
        with Load(history, [note(witness), read(witness, retries=0)], per_second=2000) as load:
            eventually(lambda: history.succeeded > 100, PATIENCE, "calls succeed")
            node.kill()
            eventually(lambda: _has_failed(witness), 2, "the client notices")
            noticed = len(history.calls)
            load.burst(300)
            eventually(lambda: len(history.calls) >= noticed + 600, PATIENCE, "calls are made")
    burst = [call for call in history.calls.values() if call.id > noticed]
    assert {call.outcomes[0].kind for call in burst} == {"Unreachable"}
    assert_sent_is_informative(burst, all_of_them=True)
    verdict(history, [node])


@pytest.mark.timeout(60)
def test_a_kill_in_the_middle_of_a_burst(nodes: Nodes) -> None:
    """More calls than the windows of all connections hold: those that still wait were not sent."""
    history = History(answer_of)
    (node,) = nodes.start("a")
    with razorg.connect(node.address, window=16, max_connections=1) as pool:
        witness = pool.client(Witness)
        with Load(history, [slow(witness, ms=60_000)], per_second=1, callers=200) as load:
            load.burst(300)
            eventually(lambda: node.executed >= 16, PATIENCE, "the window is full")
            pending = history.open_calls()
            killed_at = node.kill()
            eventually(ended(pending), SETTLE_SECONDS, "all end")
    assert len(pending) > 100
    verdict(history, [node])
    unsent = [call for call in pending if call.outcomes[0].sent == "no"]
    print(f"{len(unsent)} of {len(pending)} were not sent")
    # A window; and one more when the dying process still accepted what came in its place.
    assert len(pending) - len(unsent) <= 2 * 16
    assert max(call.seconds_after(killed_at) for call in pending) <= SETTLE_SECONDS


def _has_failed(witness: Witness) -> bool:
    """Whether the pool knows by now that nobody is there."""
    try:
        witness.who()
    except razorg.Unreachable:
        return True
    except razorg.ConnectionLost:
        gevent.sleep(0)
    return False
