"""Whether a connection answers: pinged when quiet, judged by what is heard, both ways."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from razorg.core.heartbeat import Heartbeat

#: Ticks come this much early or late.
SLACK = 0.1


class Wire:
    """A heartbeat, the ticks of its clock, and the pings that are on their way."""

    def __init__(self, now: float = 100.0) -> None:
        self.heartbeat = Heartbeat()
        self.now = self.heard_at = now
        self.pinged_at: list[float] = []

    def tick(self, after: float = 1.0) -> bool:
        self.now += after
        is_due = self.heartbeat.is_ping_due(self.now, self.heard_at)
        if is_due:
            self.pinged_at.append(self.now)
        return is_due

    def hear(self, after: float = 0.0) -> None:
        self.now += after
        self.heard_at = self.now

    @property
    def outstanding(self) -> int:
        """Pings after which nothing was heard."""
        return sum(at > self.heard_at for at in self.pinged_at)

    @property
    def is_answering(self) -> bool:
        return self.heartbeat.is_answering


def test_new_connections_are_trusted() -> None:
    heartbeat = Heartbeat()
    assert heartbeat.is_answering
    assert heartbeat._pinged_at is None


def test_a_quiet_connection_is_pinged_once() -> None:
    wire = Wire()
    assert wire.tick()
    assert wire.heartbeat._pinged_at is not None
    assert [wire.tick() for _ in range(10)] == [False] * 10


@pytest.mark.parametrize(
    ("quiet", "is_pinged"),
    [(0.0, False), (0.5, False), (0.8, False), (1.0, True), (1.1, True), (60, True)],
)
def test_quiet_means_a_second(quiet: float, is_pinged: bool) -> None:
    assert Wire().tick(quiet) is is_pinged


def test_answered_pings_keep_it_healthy_and_each_second_brings_one() -> None:
    wire = Wire()
    for _ in range(20):
        assert wire.tick(1.0)
        wire.hear()
        assert wire.is_answering
    assert len(wire.pinged_at) == 20


def test_an_answer_ends_the_doubt_at_the_next_tick() -> None:
    wire = Wire()
    wire.tick()
    wire.hear(0.9)
    assert not wire.tick(0.1)
    assert wire.heartbeat._pinged_at is None
    assert wire.is_answering


@pytest.mark.parametrize(
    ("waited", "is_answering"),
    [(0.1, True), (1, True), (2, True), (2.8, True), (3, False), (3.1, False), (100, False)],
)
def test_three_seconds_without_an_answer(waited: float, is_answering: bool) -> None:
    wire = Wire()
    wire.tick()
    wire.tick(waited)
    assert wire.is_answering is is_answering


def test_ticks_of_a_second_judge_at_the_third() -> None:
    wire = Wire()
    wire.tick()
    seen = []
    for _ in range(5):
        wire.tick()
        seen.append(wire.is_answering)
    assert seen == [True, True, False, False, False]


def test_ticks_that_come_a_little_early() -> None:
    wire = Wire()
    for _ in range(5):
        assert wire.tick(0.95)
        wire.hear()
    assert wire.tick(0.95)
    for _ in range(3):
        assert wire.is_answering
        wire.tick(0.98)
    assert not wire.is_answering


def test_what_is_heard_later_brings_it_back() -> None:
    wire = Wire()
    for _ in range(60):
        wire.tick()
    assert not wire.is_answering
    wire.hear(0.5)
    wire.tick(0.5)
    assert wire.is_answering
    assert wire.heartbeat._pinged_at is None
    for _ in range(5):  # … and it may fall silent again
        wire.tick()
    assert not wire.is_answering
    assert len(wire.pinged_at) == 2


def test_what_was_heard_before_the_ping_is_no_answer() -> None:
    wire = Wire()
    wire.hear(0.01)
    for _ in range(5):
        wire.tick()
    assert not wire.is_answering


class Moment(NamedTuple):
    after: float
    is_heard: bool


#: Something is heard, or a tick, so many seconds after what was before.
moments = st.lists(st.builds(Moment, st.floats(0.01, 4), st.booleans()), max_size=60)


@given(moments)
def test_at_most_one_ping_is_on_its_way(happen: list[Moment]) -> None:
    wire = Wire()
    for moment in happen:
        wire.hear(moment.after) if moment.is_heard else wire.tick(moment.after)
        assert wire.outstanding <= 1


@given(moments)
def test_judged_by_the_ping_and_by_what_was_heard(happen: list[Moment]) -> None:
    wire = Wire()
    for moment in happen:
        if moment.is_heard:
            wire.hear(moment.after)
            continue
        quiet_before = wire.outstanding
        is_due = wire.tick(moment.after)
        unanswered = max((wire.now - at for at in wire.pinged_at if at > wire.heard_at), default=0)
        if unanswered >= 3:
            assert not wire.is_answering
        if unanswered < 3 - SLACK - 0.001:
            assert wire.is_answering
        if not quiet_before:
            quiet = wire.now - wire.heard_at
            assert is_due or quiet < 1
            assert not is_due or quiet >= 1 - SLACK - 0.001


@given(st.lists(st.tuples(st.floats(0, 0.79), st.floats(0.01, 0.79)), max_size=60))
def test_busy_connections_are_never_pinged(pairs: list[tuple[float, float]]) -> None:
    """Heard less than a second before each tick, whatever lies between the ticks."""
    wire = Wire()
    for quiet, more in pairs:
        wire.hear(more)
        assert not wire.tick(quiet)
        assert wire.is_answering
        assert wire.heartbeat._pinged_at is None


@given(st.lists(st.tuples(st.floats(0.9, 1.1), st.floats(0, 2.7)), max_size=100))
def test_a_slow_handler_is_not_silence(ticks: list[tuple[float, float]]) -> None:
    """Each ping is answered within 2.7 s, and no call for the whole time."""
    wire = Wire()
    pong_at = None
    for after, delay in ticks:
        if pong_at is not None and pong_at <= wire.now + after:
            wire.heard_at, pong_at = pong_at, None
        if wire.tick(after):
            assert pong_at is None
            pong_at = wire.now + delay
        assert wire.is_answering
