"""Several servers that all go down, are replaced while in use, or stop as they should."""

from __future__ import annotations

import itertools
import os
from time import monotonic
from typing import Any

import gevent
import pytest
from support.history import History, assert_sent_is_informative
from support.load import RETRIES, Load, note, read, slow
from support.node_main import Witness, answer_of
from support.nodes import PATIENCE, Nodes, eventually, start_all, verdict

import razorg

DOWN_SECONDS = 5.0 if os.environ.get("CI") else 10.0
FAIL_SECONDS = 1.0  # how long a call may take that nobody can answer: less than a patient one
NOTICE_SECONDS = 1.0  # after the kill; from then on the pool knows that nobody is there
RECOVERY_SECONDS = 3.0  # reconnect_max, and what a machine in use takes besides


@pytest.mark.timeout(60)
def test_calls_fail_fast_while_all_are_down_and_work_when_they_are_up(nodes: Nodes) -> None:
    history = History(answer_of)
    three = nodes.start("abc")
    with razorg.connect([node.address for node in three], retry_limit=RETRIES) as pool:
        witness = pool.client(Witness)
        with Load(history, [read(witness), note(witness)], per_second=500):
            eventually(lambda: history.succeeded > 300, PATIENCE, "calls succeed")
            for node in three:
                node.kill()
            down_at = monotonic()
            gevent.sleep(DOWN_SECONDS)
            up_at = monotonic()
            start_all(three)
            ready_at = monotonic()
            counts = [node.executed for node in three]
            waited = eventually(
                lambda: all(node.executed > count for node, count in zip(three, counts)),
                RECOVERY_SECONDS,
                f"all nodes are used: {pool!r}",
            )
            # A while more, in which nothing may fail:
            used_at, begun = monotonic(), len(history.calls)
            eventually(lambda: len(history.calls) > begun + 250, PATIENCE, "calls are made")
    figures = verdict(history, three)
    print(f"all are used {waited:.3f} s after they were ready, after {ready_at - down_at:.1f} s")
    refused = history.within(down_at + NOTICE_SECONDS, up_at)
    assert len(refused) > 500 * (DOWN_SECONDS - NOTICE_SECONDS) * 0.9
    assert {call.outcomes[0].kind for call in refused} == {"Unreachable"}
    assert_sent_is_informative(refused, all_of_them=True)
    slowest = max(call.seconds_after(0) for call in history.within(down_at, up_at))
    print(f"while all were down, calls took at most {slowest:.3f} s")
    assert slowest <= FAIL_SECONDS, str(figures)
    late = [call for call in history.within(used_at) if call.has_failed]
    assert not late, f"{len(late)} calls failed after all were used: {late[0]}"


@pytest.mark.timeout(60)
def test_no_call_fails_while_the_addresses_change(nodes: Nodes) -> None:
    history = History(answer_of)
    three = nodes.start("abc")
    a, b, c = (node.address for node in three)
    with razorg.connect([a, b], retry_limit=RETRIES) as pool:
        witness = pool.client(Witness)
        kinds = [read(witness), note(witness), slow(witness, ms=30)]
        changes = 0
        with Load(history, kinds, per_second=1500):
            ends_at = monotonic() + 3
            for addresses in itertools.cycle([[b, c], [c], [a, b, c], [a], [c, a], [b]]):
                pool.update_addresses(addresses)
                changes += 1
                gevent.sleep(0.02)
                if monotonic() > ends_at:
                    break
    figures = verdict(history, three)
    print(f"{changes} changes")
    assert changes > 50 and figures.calls > 3000
    assert figures.success == 1 and figures.repeated == 0, str(figures)
    assert all(node.executed > 500 for node in three)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("mode", ["round_robin", "leader"])
def test_no_call_is_lost_while_servers_restart_as_they_should(nodes: Nodes, mode: Any) -> None:
    """Calls that may be repeated succeed; of the others, those that a server has begun."""
    history = History(answer_of)
    three = nodes.start("abc")
    addresses = [node.address for node in three]
    with razorg.connect(addresses, mode=mode, retry_limit=RETRIES) as pool:
        witness = pool.client(Witness)
        kinds = [read(witness), slow(witness, 20, RETRIES), slow(witness, 20)]
        with Load(history, kinds, per_second=1500):
            for node in [*three, three[0]]:
                done = history.succeeded
                eventually(lambda: history.succeeded > done + 500, PATIENCE, "calls succeed")
                node.restart()
    figures = verdict(history, three)
    assert figures.calls > 2000
    lost = [call for call in history.calls.values() if call.has_failed and call.idempotent]
    assert not lost, f"{len(lost)} calls were lost, as {lost[0]}; {figures}"
    assert not figures.repeated, "what a server has begun it also ends, so nothing need run twice"
    assert {was for _, was in figures.failures} <= {False}, "what a server has begun must succeed"
    assert figures.success > 0.9, str(figures)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(("method", "deaths"), [("note", 1), ("read", 3)])
def test_a_call_that_kills_its_servers_does_not_kill_them_all(nodes: Nodes, method: str, deaths: int) -> None:
    """It has failed after its retries, and the servers that are left serve the others."""
    deadly = 100
    history = History(answer_of)
    many = nodes.start("abcde", fault="deadly")
    with razorg.connect([node.address for node in many], retry_limit=2) as pool:
        witness = pool.client(Witness)
        kind = note(witness) if method == "note" else read(witness, retries=2)
        with Load(history, [kind], per_second=0) as load:
            for _ in range(deadly + 99):
                begun = len(history.calls)
                load.burst(1)
                eventually(lambda: len(history.calls) > begun and not history.pending, PATIENCE, "it ends")
    lines = [line for node in many for line in node.executions() if line.call_id == deadly]
    assert len(lines) == len({line.node for line in lines}) == deaths
    failed = [call for call in history.calls.values() if call.has_failed]
    assert [call.id for call in failed] == [deadly]
    assert (failed[0].outcomes[0].kind, failed[0].outcomes[0].sent) == ("ConnectionLost", "maybe")
    for node in many:
        if node.name in {line.node for line in lines}:
            node.kill()  # it is dead, but not buried
    verdict(history, many)


@pytest.mark.timeout(60)
def test_what_a_server_has_accepted_is_answered_before_it_stops(nodes: Nodes) -> None:
    """One address, and calls that last: SIGTERM cuts none of them off."""
    history = History(answer_of)
    (node,) = nodes.start("a")
    with razorg.connect(node.address) as pool:
        witness = pool.client(Witness)
        with Load(history, [slow(witness, ms=300)], per_second=1, callers=100) as load:
            load.burst(100)
            eventually(lambda: node.executed >= 60, PATIENCE, "they run")
            accepted = {line.call_id for line in node.executions()}
            node.terminate()
    figures = verdict(history, [node])
    failed = [call for call in history.calls.values() if call.id in accepted and not call.is_ok]
    assert not failed, f"{failed[0]}; {figures}"
