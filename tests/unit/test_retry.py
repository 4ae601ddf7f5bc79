"""Whether a failed call may go on elsewhere, and how many may in ten seconds."""

from __future__ import annotations

import math
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from razorg import errors
from razorg.core.retry import RetryBudget, Step, step_after, strongest
from razorg.errors import CallTimeout, ConnectionLost, RpcError, Unreachable

STOP, MOVE, RETRY = Step.STOP, Step.MOVE, Step.RETRY
KINDS = [RpcError, *errors.WIRE_ERRORS.values()]
#: What may run twice goes on after these; whatever was not sent goes on after the first two
#: (a call without a place in a window until its time was over has no time left).
ON = {
    (Unreachable, "no"): (MOVE, MOVE),
    (Unreachable, "maybe"): (STOP, RETRY),
    (Unreachable, "yes"): (STOP, RETRY),
    (ConnectionLost, "no"): (MOVE, MOVE),
    (ConnectionLost, "maybe"): (STOP, RETRY),
    (ConnectionLost, "yes"): (STOP, RETRY),
    (CallTimeout, "no"): (STOP, STOP),
    (CallTimeout, "maybe"): (STOP, RETRY),
    (CallTimeout, "yes"): (STOP, RETRY),
}


@pytest.mark.parametrize("sent", ["no", "maybe", "yes"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_step_after(kind: type[RpcError], sent: Any) -> None:
    once, repeatable = ON.get((kind, sent), (STOP, STOP))
    error = kind("text", sent=sent)
    assert step_after(error, is_repeatable=False) is once
    assert step_after(error, is_repeatable=True) is repeatable


def test_all_errors_are_in_the_table() -> None:
    assert {kind for kind, _ in ON} < set(KINDS)
    assert len(KINDS) == 11


@pytest.mark.parametrize("sent", ["no", "maybe", "yes"])
def test_kinds_of_kinds(sent: Any) -> None:
    class Cut(ConnectionLost):
        pass

    for is_repeatable in (False, True):
        expected = step_after(ConnectionLost(sent=sent), is_repeatable=is_repeatable)
        assert step_after(Cut(sent=sent), is_repeatable=is_repeatable) is expected


@pytest.mark.parametrize(
    ("one", "other", "known"),
    [
        ("no", "no", "no"),
        ("no", "maybe", "maybe"),
        ("no", "yes", "yes"),
        ("maybe", "maybe", "maybe"),
        ("maybe", "yes", "yes"),
        ("yes", "yes", "yes"),
    ],
)
def test_strongest(one: Any, other: Any, known: str) -> None:
    assert strongest(one, other) == known
    assert strongest(other, one) == known


# the budget


class Pool:
    """A budget with a fake clock that ticks each second, and what was made and granted when."""

    def __init__(self, window: int, now: float = 1000.0) -> None:
        self.budget = RetryBudget(window)
        self.window = window
        self.now = now
        self.next_tick = now
        self.calls: list[tuple[float, int]] = []
        self.granted: list[float] = []
        self.advance(0.0)

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self.next_tick <= end:
            self.budget.roll(self.next_tick)
            self.next_tick += 1.0
        self.now = end

    def call(self, count: int = 1) -> None:
        self.budget.calls += count
        self.calls.append((self.now, count))

    def retry(self) -> bool:
        is_granted = self.budget.spend(self.now)
        if is_granted:
            self.granted.append(self.now)
        return is_granted

    def retries(self, most: int) -> int:
        """How many of so many in a row are granted."""
        for count in range(most):
            if not self.retry():
                return count
        return most

    def calls_in(self, seconds: float) -> int:
        return sum(count for at, count in self.calls if at > self.now - seconds)

    def granted_in(self, seconds: float) -> int:
        return sum(at > self.now - seconds for at in self.granted)


@pytest.mark.parametrize("window", [1, 20, 128])
def test_the_least_is_there_from_the_beginning(window: int) -> None:
    assert RetryBudget(window).spend(5.0)
    assert Pool(window).retries(1000) == 100 + window


@pytest.mark.parametrize(
    ("calls", "share"), [(0, 100), (400, 100), (500, 100), (600, 120), (5000, 1000)]
)
def test_a_fifth_of_the_calls(calls: int, share: int) -> None:
    pool = Pool(window=8)
    pool.call(calls)
    pool.advance(5.0)
    assert pool.retries(10_000) == share + 8
    assert pool.retries(10) == 0


def test_calls_count_at_once_and_for_ten_seconds() -> None:
    pool = Pool(window=1)
    pool.advance(0.5)
    pool.call(10_000)
    pool.advance(9.5)
    assert pool.retries(1500) == 1500
    pool.advance(2.5)
    assert pool.retries(1) == 0  # 1500 of them in the last ten seconds, and no calls


def test_old_calls_are_forgotten() -> None:
    pool = Pool(window=1)
    pool.call(10_000)
    pool.advance(12.0)
    assert pool.retries(1000) == 101


def test_old_retries_are_forgotten() -> None:
    pool = Pool(window=1)
    for _ in range(20):
        pool.advance(0.3)  # not in step with the ticks
        assert pool.retries(1000) == 101
        assert pool.retries(10) == 0
        pool.advance(9.0)
        assert pool.retries(1) == 0
        pool.advance(3.0)


def test_old_retries_are_forgotten_after_a_minute_without_ticks() -> None:
    """A process that was stopped, or a hub that was kept busy."""
    pool = Pool(window=1)
    pool.advance(9.5)
    assert pool.retries(1000) == 101
    pool.advance(0.5)
    pool.now += 60.0
    assert pool.retries(1000) == 101


def test_a_share_of_steady_calls() -> None:
    """1000 calls a second of which all fail: a fifth goes on."""
    pool = Pool(window=1)
    for _ in range(400):
        pool.advance(0.1)
        pool.call(100)
        pool.retries(100)
    granted = sum(at > pool.now - 30 for at in pool.granted)
    assert granted == pytest.approx(0.2 * 30 * 1000, rel=0.15)


events = st.lists(
    st.one_of(
        st.tuples(st.just("advance"), st.floats(0.01, 4.0)),
        st.tuples(st.just("call"), st.integers(1, 2000)),
        st.tuples(st.just("retry"), st.integers(1, 250)),
    ),
    max_size=50,
)


@profile(max_examples=60)
@given(events, st.integers(1, 64), st.floats(0, 0.99))
def test_never_more_and_never_less(
    happen: list[tuple[str, Any]], window: int, phase: float
) -> None:
    """Ticks are a second apart and marks nine tenths, so what counts is 10 … 12 s old."""
    pool = Pool(window)
    pool.advance(phase)
    for kind, amount in happen:
        if kind == "advance":
            pool.advance(amount)
        elif kind == "call":
            pool.call(amount)
        else:
            before = pool.granted_in(12.0)
            recent = pool.granted_in(10.0)
            count = pool.retries(amount)
            most = max(pool.calls_in(12.0) * 0.2, 100) + window
            assert recent + count <= math.ceil(most) or not count
            if count < amount:
                least = max(pool.calls_in(9.99) * 0.2, 100) + window
                assert before + count >= math.floor(least)


def test_bounded_memory() -> None:
    pool = Pool(window=128)
    sizes = []
    for second in range(5000):
        pool.advance(0.37)
        pool.call()
        if second % 7 == 0:
            pool.budget.spend(pool.now)
        sizes.append(len(pickle.dumps(pool.budget)))
    assert max(sizes[1000:]) < 2 * max(sizes[:100])


def test_bounded_memory_in_a_storm() -> None:
    """What is asked for a thousand times a second takes no more room."""
    calm, storm = Pool(window=128), Pool(window=128)
    for _ in range(20_000):
        calm.advance(0.001)
        storm.advance(0.001)
        storm.retry()
    assert len(pickle.dumps(storm.budget)) < 2 * len(pickle.dumps(calm.budget))
