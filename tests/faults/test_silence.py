"""A server, or the link to it, falls silent without a word: calls end when their time is over."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import gevent
import pytest
from support.history import History, ended
from support.load import Load, note, read
from support.node_main import Witness, answer_of
from support.nodes import PATIENCE, Nodes, eventually, verdict
from support.proxy import Proxy

import razorg

TASK_SECONDS = 2.0
SETTLE_SECONDS = TASK_SECONDS + 2.0
RECOVERY_SECONDS = 2.0
#: For so long calls are made in the silence before the test waits for their ends.
MADE_SECONDS = 0.5
#: A second of quiet, three for a ping, and two for the ticks at which they are judged: from then
#: on nobody else goes there.
NOTICE_SECONDS = 6.0
#: More than the windows of a pool hold, before the first call is given up.
PER_SECOND = 400


@pytest.mark.timeout(60)
def test_every_call_to_a_stopped_server_ends_in_time(nodes: Nodes) -> None:
    history = History(answer_of)
    (node,) = nodes.start("a")
    with razorg.connect(node.address, task_timeout=TASK_SECONDS) as pool:
        _fall_silent_twice(pool, history, lambda _: node.stop(), lambda _: node.cont())
    verdict(history, [node])


@pytest.mark.timeout(60)
def test_every_call_over_a_half_open_link_ends_in_time(nodes: Nodes) -> None:
    """The first time the link heals and delivers what it has held back; the second time it breaks."""
    history = History(answer_of)
    (node,) = nodes.start("a")
    with Proxy(node.address) as proxy:

        def mend(turn: int) -> None:
            if turn == 1:
                proxy.cut()
            proxy.resume()

        with razorg.connect(proxy.address, task_timeout=TASK_SECONDS) as pool:
            _fall_silent_twice(pool, history, lambda _: proxy.blackhole(), mend)
    verdict(history, [node])


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
            noticed_at = monotonic()
            gevent.sleep(MADE_SECONDS)
            made = [call for call in history.calls.values() if call.started_at >= noticed_at]
            eventually(ended(made), SETTLE_SECONDS, "all end")
            begun = len(history.calls)
            leader.cont()
            eventually(
                lambda: leader.executions()[-1].call_id > begun, RECOVERY_SECONDS, f"{turning!r} uses it again"
            )
    verdict(history, three)
    failed = [call for call in made if call.has_failed]
    assert len(made) > 0.9 * PER_SECOND * MADE_SECONDS
    assert not failed, f"{len(failed)} of {len(made)} calls failed long after: {failed[0]}"


def _fall_silent_twice(
    pool: razorg.ClientPool, history: History,
    fall_silent: Callable[[int], None], go_on: Callable[[int], None],
) -> None:
    """Keep up a load meanwhile; the same pool must work before, between and after."""
    witness = pool.client(Witness)
    with Load(history, [note(witness), read(witness, retries=0)], PER_SECOND, callers=100, patience=20):
        for turn in range(2):
            done = history.succeeded
            eventually(lambda: history.succeeded > done + 100, PATIENCE, "calls succeed")
            silent_at = monotonic()
            fall_silent(turn)
            gevent.sleep(MADE_SECONDS)
            made = [call for call in history.calls.values() if call.seconds_after(silent_at) > 0]
            eventually(ended(made), SETTLE_SECONDS, "calls end that were made in the silence")
            failed = [call for call in made if call.has_failed]
            assert len(failed) > 100, "there was hardly anything to lose"
            kinds = {call.outcomes[0].kind for call in failed}
            assert kinds <= {"CallTimeout", "ConnectionLost", "Unreachable"}, kinds
            done, resumed_at = history.succeeded, monotonic()
            go_on(turn)
            eventually(lambda: history.succeeded > done, RECOVERY_SECONDS, "it works again")
            print(f"silence {turn}: works again after {monotonic() - resumed_at:.3f} s")
    slowest = max(call.seconds_after(0) for call in history.calls.values())
    assert slowest <= SETTLE_SECONDS, f"a call took {slowest:.2f} s"
