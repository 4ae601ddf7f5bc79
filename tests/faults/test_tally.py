"""The tally finds each sort of lie, as the history does whose rules it uses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.counting_main import answer_of
from support.tally import Tally

import razorg

COUNT = 20
FIRST_ID = 5
VICTIM = 11


def honest() -> tuple[Tally, bytearray]:
    tally = Tally(answer_of, FIRST_ID)
    for _ in range(COUNT):
        tally.ok((call_id := tally.begin()), answer_of(call_id))
    return tally, bytearray(b"\1" * COUNT)


def run_twice(tally: Tally, executed: bytearray) -> None:
    executed[VICTIM - FIRST_ID] += 1


def never_run(tally: Tally, executed: bytearray) -> None:
    executed[VICTIM - FIRST_ID] = 0


def last_never_run(tally: Tally, executed: bytearray) -> None:
    executed.pop()


def unknown(tally: Tally, executed: bytearray) -> None:
    executed.append(1)


def ended_twice(tally: Tally, executed: bytearray) -> None:
    tally.ok(VICTIM, answer_of(VICTIM))


def failed_too(tally: Tally, executed: bytearray) -> None:
    tally.failed(VICTIM, razorg.ConnectionLost("cut", sent="maybe"))


def anothers_answer(tally: Tally, executed: bytearray) -> None:
    executed.append(1)
    tally.ok(tally.begin(), answer_of(VICTIM))


def never_ended(tally: Tally, executed: bytearray) -> None:
    executed.append(1)
    tally.begin()


def said_to_be_unsent(tally: Tally, executed: bytearray) -> None:
    executed.append(1)
    tally.failed(tally.begin(), razorg.Unreachable("nobody there", sent="no"))


@pytest.mark.parametrize(
    ("lie", "rule"),
    [
        (run_twice, "executed"), (never_run, "executed"), (last_never_run, "executed"), (unknown, "unknown"),
        (ended_twice, "outcome"), (failed_too, "outcome"), (anothers_answer, "value"),
        (never_ended, "outcome"), (said_to_be_unsent, "sent"),
    ],
)  # fmt: skip
def test_a_lie_is_found(lie: Callable[[Tally, bytearray], None], rule: str) -> None:
    tally, executed = honest()
    assert tally.check(bytes(executed)) == []
    lie(tally, executed)
    found = tally.check(bytes(executed))
    assert [violation.rule for violation in found] == [rule], found
    number = VICTIM if lie in (run_twice, never_run, ended_twice, failed_too) else None
    assert number is None or found[0].call_id == number


def test_an_honest_failure_is_believed_and_told() -> None:
    tally, executed = honest()
    tally.failed(tally.begin(), razorg.ConnectionLost("cut", sent="maybe"))
    for times in (0, 1):
        assert tally.check(bytes(executed) + bytes([times])) == []
    assert (tally.settled, tally.succeeded, len(tally.errors())) == (COUNT + 1, COUNT, 1)
