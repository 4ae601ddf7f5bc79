"""Three servers, one of which is killed every two seconds; goals/failover.py has the calls that may be repeated."""

from __future__ import annotations

import pytest
from support.history import History
from support.killing import Killing
from support.load import RETRIES, Load, note, slow
from support.node_main import Witness, answer_of
from support.nodes import PATIENCE, Nodes, eventually, verdict

import razorg

PER_SECOND = 2000
#: Of calls that must not run twice: those that a kill cuts off cannot be repeated.
NOTE_SUCCESS = 0.98


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
