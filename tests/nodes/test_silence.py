"""A server falls silent without a word: calls go elsewhere.  (How they end: the goal ``silence``.)"""

from __future__ import annotations

import gevent
import pytest
from support.history import History, ended
from support.load import Load, note
from support.node_main import Witness, answer_of
from support.nodes import PATIENCE, Nodes, eventually, verdict

import razorg

TASK_SECONDS = 2.0
SETTLE_SECONDS = TASK_SECONDS + 2.0
RECOVERY_SECONDS = 2.0
#: So many calls are made in the silence before the test waits for their ends: half a second's.
MADE = 200
#: A second of quiet, three for a ping, and two for the ticks at which they are judged: from then
#: on nobody else goes there.
NOTICE_SECONDS = 6.0
#: More than the windows of a pool hold, before the first call is given up.
PER_SECOND = 400


@pytest.mark.timeout(60)
def test_calls_avoid_a_server_that_has_fallen_silent(nodes: Nodes) -> None:
    """The leader of one pool, and one of three to another: calls come back when it does."""
    history = History(answer_of)
    three = nodes.start("abc")
    addresses = [node.address for node in three]
    with (
        razorg.connect(addresses, mode="leader", task_timeout=TASK_SECONDS) as led,
        razorg.connect(addresses, mode="round_robin", task_timeout=TASK_SECONDS) as turning,
    ):
        leader = next(node for node in three if node.name == led.client(Witness).who())
        kinds = [note(led.client(Witness)), note(turning.client(Witness))]
        # Enough of them that nobody stands in the way of others who could go elsewhere.
        with Load(history, kinds, PER_SECOND, callers=100, submitters=400, patience=20):
            eventually(lambda: history.succeeded > 100, PATIENCE, "calls succeed")
            leader.stop()
            gevent.sleep(NOTICE_SECONDS)
            noticed = len(history.calls)
            eventually(lambda: len(history.calls) >= noticed + MADE, TASK_SECONDS, "calls are made")
            made = [call for call in history.calls.values() if call.id > noticed]
            eventually(ended(made), SETTLE_SECONDS, "all end")
            begun = len(history.calls)
            leader.cont()
            eventually(
                lambda: leader.executions()[-1].call_id > begun, RECOVERY_SECONDS, f"{turning!r} uses it again"
            )
    verdict(history, three)
    failed = [call for call in made if call.has_failed]
    assert not failed, f"{len(failed)} of {len(made)} calls failed long after: {failed[0]}"
