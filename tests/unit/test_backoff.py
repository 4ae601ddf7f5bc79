"""When an address is tried again: how the delays grow, and what a hundred clients do at once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from razorg.core.backoff import Backoff, delay_before

#: The defaults of ``reconnect_max`` and ``reconnect_idle_max``.
WANTED, IDLE = 1.5, 30.0
#: Before each attempt, without dice: 0.1 s, then × 1.6 (the loss itself comes before the first).
WHOLE = [0.1, 0.16, 0.256, 0.4096, 0.65536, 1.048576, 1.6777216, 2.68435456, 4.294967296]
TEN_YEARS = 10 * 365 * 86400.0
AWAY = 600.0

caps = st.floats(min_value=0.001, max_value=TEN_YEARS)
dices = st.floats(min_value=0, max_value=1)


def fixed(dice: float = 0.0) -> Callable[[], float]:
    return lambda: dice


def failing(times: int, dice: float = 0.0, now: float = 50.0) -> Backoff:
    backoff = Backoff(WANTED, IDLE, fixed(dice))
    for _ in range(times):
        backoff.failed(now)
    return backoff


# the delays


@pytest.mark.parametrize("failures", range(1, len(WHOLE) + 1))
def test_the_first_delays(failures: int) -> None:
    whole = WHOLE[failures - 1]
    assert delay_before(failures, 1000, 0) == pytest.approx(whole)
    assert delay_before(failures, 1000, 1) == pytest.approx(whole / 2)
    assert delay_before(failures, WANTED, 0) == pytest.approx(min(whole, WANTED))


def test_a_lost_connection_is_looked_for_after_the_first_delay() -> None:
    assert delay_before(0, WANTED, 0) == pytest.approx(0.1)
    backoff = failing(20)
    backoff.lost(70.0)
    assert backoff.failures == 0
    assert backoff.due_at() == pytest.approx(70.1)


@given(st.integers(1, 10**6), caps, dices)
def test_growth_cap_and_jitter(failures: int, cap: float, dice: float) -> None:
    whole = delay_before(failures, cap, 0)
    assert 0 < whole <= cap
    assert delay_before(failures + 1, cap, 0) == pytest.approx(min(whole * 1.6, cap))
    assert whole / 2 <= delay_before(failures, cap, dice) <= whole


@given(st.integers(0, 10**6), caps, dices, dices)
def test_jitter_is_spread_evenly(failures: int, cap: float, one: float, other: float) -> None:
    """The mean of what two dice give is what their mean gives."""
    mean = (delay_before(failures, cap, one) + delay_before(failures, cap, other)) / 2
    assert delay_before(failures, cap, (one + other) / 2) == pytest.approx(mean)


@pytest.mark.parametrize("failures", [100, 10_000, 10**9, 10**300])
def test_very_many_failures(failures: int) -> None:
    assert delay_before(failures, IDLE, 0) == IDLE
    assert delay_before(failures, TEN_YEARS, 0) == TEN_YEARS


# the failures of one address


@pytest.mark.parametrize("failures", range(1, len(WHOLE) + 1))
def test_due_time_follows_the_last_failure(failures: int) -> None:
    backoff = failing(failures, now=50.0)
    assert backoff.failures == failures
    assert backoff.due_at() == pytest.approx(50 + WHOLE[failures - 1])
    backoff.asked()
    assert backoff.due_at() == pytest.approx(50 + min(WHOLE[failures - 1], WANTED))


def test_unasked_it_grows_to_the_idle_cap_and_asked_to_the_other() -> None:
    backoff = failing(500)
    assert backoff.due_at() == 50 + IDLE
    backoff.asked()
    assert backoff.due_at() == 50 + WANTED


def test_each_attempt_has_to_be_asked_for_anew() -> None:
    backoff = failing(500)
    backoff.asked()
    backoff.failed(60.0)
    assert backoff.due_at() == 60 + IDLE
    backoff.asked()
    backoff.lost(70.0)
    assert not backoff.is_wanted


@given(caps, caps, st.integers(0, 200), dices)
def test_asking_brings_it_nearer_and_caps_hold(
    wanted: float, idle: float, failures: int, dice: float
) -> None:
    backoff = Backoff(wanted, idle, fixed(dice))
    backoff.lost(0.0)
    for _ in range(failures):
        backoff.failed(0.0)
    unasked = backoff.due_at()
    assert 0 < unasked <= max(idle, wanted)
    backoff.asked()
    asked = backoff.due_at()
    assert 0 < asked <= min(unasked, wanted)
    backoff.asked()
    assert backoff.due_at() == asked


def test_one_roll_for_each_wait() -> None:
    """Who looks at the due time again and again does not get the shortest of many."""
    rolls: list[float] = []

    def dice() -> float:
        rolls.append(random.Random(len(rolls)).random())
        return rolls[-1]

    backoff = Backoff(WANTED, IDLE, dice)
    for attempt in range(1, 30):
        backoff.failed(0.0)
        assert len({backoff.due_at() for _ in range(5)}) == 1
        backoff.asked()
        assert len({backoff.due_at() for _ in range(5)}) == 1
        assert len(rolls) == attempt


@pytest.mark.parametrize("failures", [1, 5, 5000])
def test_success_begins_anew(failures: int) -> None:
    backoff = failing(failures)
    backoff.succeeded()
    assert backoff.failures == 0
    backoff.failed(80.0)
    assert backoff.due_at() == pytest.approx(80.1)


# many clients of one server


class Client:
    """One client of a server that goes away at 0: when it tries, by its own fake clock."""

    def __init__(self, seed: int, *, is_wanted: bool) -> None:
        rng = random.Random(seed)
        self.backoff = Backoff(WANTED, IDLE, rng.random)
        self.gap = rng.uniform(0.01, 0.2) if is_wanted else 0.0  # between two calls
        self.backoff.lost(0.0)
        self.now = 0.0

    def next_attempt(self) -> float:
        backoff = self.backoff
        if self.gap:
            call_at = self.now + self.gap
            if call_at < backoff.due_at():
                backoff.asked()
                self.now = max(call_at, backoff.due_at())
                return self.now
        self.now = backoff.due_at()
        return self.now

    def attempts(self, until: float) -> list[float]:
        """When it tried in vain, and at last the first attempt that reaches the server."""
        times = [self.next_attempt()]
        while times[-1] < until:
            self.backoff.failed(self.now)
            times.append(self.next_attempt())
        return times


def most_attempts(cap: float, seconds: float) -> int:
    """As many as the formula allows: each delay is at least the half of its whole."""
    at = 0.05  # after the loss
    for attempts in count():
        if at >= seconds:
            return attempts
        at += min(WHOLE[attempts] if attempts < len(WHOLE) else 0.1 * 1.6**attempts, cap) / 2
    raise AssertionError


def fewest_attempts(cap: float, seconds: float) -> int:
    """At the longest delays."""
    at = 0.1
    for attempts in count():
        if at >= seconds:
            return attempts
        at += min(0.1 * 1.6**attempts, cap)
    raise AssertionError


@pytest.mark.parametrize(("is_wanted", "cap"), [(True, WANTED), (False, IDLE)])
def test_a_hundred_clients_whose_server_is_away_for_ten_minutes(
    is_wanted: bool, cap: float
) -> None:
    most, fewest = most_attempts(cap, AWAY), fewest_attempts(cap, AWAY)
    # 600 s at 0.75 … 1.5 s or at 15 … 30 s, and the few while the delays grow.
    assert most <= AWAY / (cap / 2) + 13
    assert fewest >= AWAY / cap
    for seed in range(100):
        times = Client(seed, is_wanted=is_wanted).attempts(AWAY)
        assert fewest <= len(times) - 1 <= most
        assert times[-1] - AWAY <= cap
        assert 0.05 <= times[0] <= 0.1


@pytest.mark.parametrize("is_wanted", [True, False])
def test_clients_that_lost_it_together_do_not_come_together(is_wanted: bool) -> None:
    """After ten seconds (some ten attempts) no tenth of a second holds many of the clients.

    Wanted ones try every 1.125 s on average, so 9 % in each tenth of a second are even spread;
    there are a thousand, for the share not to be that of chance.
    """
    clients = 1000
    slots: Counter[int] = Counter()
    for seed in range(clients):
        times = Client(seed, is_wanted=is_wanted).attempts(60.0)
        slots.update(int(at * 10) for at in times if at >= 10)
    assert max(slots.values()) <= 0.15 * clients


def test_a_hundred_idle_clients_are_spread_over_ten_minutes() -> None:
    slots: Counter[int] = Counter()
    for seed in range(100):
        times = Client(seed, is_wanted=False).attempts(AWAY)
        slots.update(int(at * 10) for at in times if at >= 10)
    assert max(slots.values()) <= 15


def test_a_client_that_begins_to_call_in_a_long_idle_wait_is_back_soon() -> None:
    for seed in range(100):
        client = Client(seed, is_wanted=False)
        client.attempts(AWAY)
        client.backoff.failed(client.now)
        client.backoff.asked()
        assert client.backoff.due_at() - client.now <= WANTED
