"""The checker itself: it finds each sort of lie that is planted, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.history import (
    Execution,
    Figures,
    History,
    Rule,
    assert_sent_is_informative,
    check,
)
from support.node_main import answer_of

import razorg

RETRIES = 3


def lost(sent: razorg.errors.Sent) -> razorg.ConnectionLost:
    return razorg.ConnectionLost("cut", sent=sent)


def ledger(call_id: int, times: int) -> list[list[Execution]]:
    return [[Execution(call_id, "ab"[number % 2])] for number in range(times)]


def rules(history: History, ledgers: list[list[Execution]]) -> list[Rule]:
    return [violation.rule for violation in check(history, ledgers)]


def one_call(outcome: object, *, idempotent: bool = False) -> tuple[History, int]:
    """A history of one call that returned, or raised, the outcome."""
    history = History(answer_of)
    call_id = history.begin("call", idempotent=idempotent, retries=RETRIES)
    if isinstance(outcome, BaseException):
        history.failed(call_id, outcome)
    else:
        history.ok(call_id, outcome)
    return history, call_id


@pytest.mark.parametrize(
    ("idempotent", "outcome", "executions"),
    [
        (False, "ok", (1,)),
        (False, "no", (0,)),
        (False, "maybe", (0, 1)),
        (False, "yes", (0, 1)),
        (True, "ok", (1, 2, 3, 4)),
        (True, "no", (0,)),
        (True, "maybe", (0, 1, 2, 3, 4)),
        (True, "yes", (0, 1, 2, 3, 4)),
    ],
)
def test_so_often_may_a_call_have_run(idempotent: bool, outcome: str, executions: tuple[int, ...]) -> None:
    for times in range(6):
        value = answer_of(1) if outcome == "ok" else lost(outcome)  # type: ignore[arg-type]
        history, call_id = one_call(value, idempotent=idempotent)
        assert (not check(history, ledger(call_id, times))) == (times in executions), times


def test_a_call_that_ran_twice_is_found() -> None:
    history, call_id = one_call(answer_of(1))
    assert rules(history, ledger(call_id, 2)) == ["executed"]


def test_a_call_that_returned_without_having_run_is_found() -> None:
    history, _ = one_call(answer_of(1))
    assert rules(history, []) == ["executed"]


@pytest.mark.parametrize("value", [answer_of(2), float(answer_of(1)), None, "3"])
def test_a_wrong_value_is_found(value: object) -> None:
    history, call_id = one_call(value)
    assert rules(history, ledger(call_id, 1)) == ["value"]


def test_two_outcomes_of_one_call_are_found() -> None:
    history, call_id = one_call(answer_of(1))
    history.failed(call_id, lost("maybe"))
    assert rules(history, ledger(call_id, 1)) == ["outcome"]
    assert history.pending == 0


def test_a_call_that_never_ended_is_found() -> None:
    history = History(answer_of)
    call_id = history.begin("call")
    assert rules(history, []) == ["outcome"]
    assert rules(history, ledger(call_id, 1)) == ["outcome"]
    assert [call.id for call in history.open_calls()] == [call_id]


@pytest.mark.parametrize("idempotent", [False, True])
def test_no_byte_was_sent_but_it_ran_is_found(idempotent: bool) -> None:
    history, call_id = one_call(lost("no"), idempotent=idempotent)
    assert rules(history, ledger(call_id, 1)) == ["sent"]


@pytest.mark.parametrize("error", [ValueError("?"), razorg.LocalProtocolError("closed")])
def test_an_error_that_does_not_say_whether_it_was_sent_is_found(error: Exception) -> None:
    history, _ = one_call(error)
    assert rules(history, []) == ["sent"]


def test_too_many_retries_are_found() -> None:
    history, call_id = one_call(answer_of(1), idempotent=True)
    assert rules(history, ledger(call_id, 2 + RETRIES)) == ["retries"]


def test_an_execution_that_nobody_asked_for_is_found() -> None:
    history, call_id = one_call(answer_of(1))
    ledgers = [*ledger(call_id, 1), [Execution(7, "a")]]
    assert [(found.rule, found.call_id) for found in check(history, ledgers)] == [("unknown", 7)]


def test_a_client_that_says_maybe_to_everything_does_not_pass() -> None:
    history = History(answer_of)
    for _ in range(10):
        history.failed(history.begin("call"), lost("maybe"))
    assert not check(history, [])
    with pytest.raises(AssertionError, match="not one failure says"):
        assert_sent_is_informative(history.within(0))
    history.failed(history.begin("call"), lost("no"))
    assert_sent_is_informative(history.within(0))
    with pytest.raises(AssertionError, match="10 of 11 failures are vague"):
        assert_sent_is_informative(history.within(0), all_of_them=True)
    with pytest.raises(AssertionError, match="no call has failed"):
        assert_sent_is_informative(one_call(answer_of(1))[0].within(0))


def test_a_history_in_numbers() -> None:
    history, call_id = one_call(answer_of(1), idempotent=True)
    vague, executed = history.begin("call"), history.begin("call")
    for failed in (vague, executed):
        history.failed(failed, lost("maybe"))
    figures = Figures.of(history, [*ledger(call_id, 2), [Execution(executed, "a")]])
    assert (figures.calls, figures.succeeded, figures.repeated) == (3, 1, 1)
    assert figures.failures == {("maybe", False): 1, ("maybe", True): 1}
    assert "33.3333%" in str(figures) and "1 said maybe and were not executed" in str(figures)


#: What becomes of one attempt: not sent, sent in vain, run but not answered, answered.
FATES = st.sampled_from(["unsent", "vain", "run", "answered"])
CALLS = st.lists(
    st.tuples(st.booleans(), st.lists(FATES, min_size=1, max_size=1 + RETRIES)), min_size=1, max_size=20
)


def truthful(calls: list[tuple[bool, list[str]]]) -> tuple[History, list[Execution]]:
    """What an honest client and honest servers record of calls whose attempts end like this."""
    history = History(answer_of)
    lines = []
    for idempotent, fates in calls:
        call_id = history.begin("call", idempotent=idempotent, retries=RETRIES)
        sent: razorg.errors.Sent = "no"
        for fate in fates:
            if fate in ("run", "answered"):
                lines.append(Execution(call_id, "a"))
            sent = sent if fate == "unsent" else "maybe"
            if fate == "answered" or (fate != "unsent" and not idempotent):
                break
        if fate == "answered":
            history.ok(call_id, answer_of(call_id))
        else:
            history.failed(call_id, lost(sent))
    return history, lines


@given(CALLS)
def test_honest_sides_are_believed(calls: list[tuple[bool, list[str]]]) -> None:
    history, lines = truthful(calls)
    assert not check(history, [lines[::2], lines[1::2]])


@given(CALLS, st.data())
def test_a_lie_is_found_among_the_truth(calls: list[tuple[bool, list[str]]], data: st.DataObject) -> None:
    history, lines = truthful(calls)
    call = history.calls[data.draw(st.sampled_from(sorted(history.calls)))]
    lies = ["too often", "ended twice", "no outcome", "lost" if call.is_ok else "denied"]
    lie = data.draw(st.sampled_from(lies + ["wrong value"] * call.is_ok))
    if lie == "too often":
        lines += [Execution(call.id, "b")] * (2 + RETRIES)
    elif lie == "ended twice":
        call.outcomes *= 2
    elif lie == "no outcome":
        call.outcomes.clear()
    elif lie == "lost":
        lines = [line for line in lines if line.call_id != call.id]
    elif lie == "denied":
        lines.append(Execution(call.id, "b"))
        call.outcomes[0].sent = "no"
    else:
        call.outcomes[0].value = answer_of(call.id + 1)
    assert {violation.call_id for violation in check(history, [lines])} == {call.id}
