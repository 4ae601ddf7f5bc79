"""The line of those who wait for a permit: never more permits than there are, and everybody in turn."""

from __future__ import annotations

from typing import Any

import gevent
from gevent import get_hub
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from razorg.client.line import WaitingLine


class SentAway(Exception):
    pass


class Owner:
    """Permits as a stream has them: whoever is served takes one before anybody else runs."""

    def __init__(self, permits: int) -> None:
        self.permits = self.free = permits
        self.line = WaitingLine(self.place)

    def place(self) -> Owner | None:
        return self if self.free else None


class Caller:
    """A greenlet that wants a permit, and how far it is."""

    def __init__(self, number: int, owner: Owner, deadline: float, is_exact: bool) -> None:
        self.number = number
        self.state = "new"  # waits, holds, given up, too late, sent away
        self._owner = owner
        self._deadline = deadline
        self._is_exact = is_exact
        self.greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        owner = self._owner
        try:
            if owner.line or not owner.free:
                self.state = "waits"
                while owner.line or not owner.free:  # as a stream does: served, it looks again
                    if owner.line.wait(self._deadline, self._is_exact) is None:
                        self.state = "too late"
                        return
                    if owner.free:
                        break
            owner.free -= 1
            self.state = "holds"
            assert owner.free >= 0, "more permits than there are"
        except (gevent.GreenletExit, gevent.Timeout):
            self.state = "given up"
        except SentAway:
            self.state = "sent away"


FAR = 1e9


class Line(RuleBasedStateMachine):
    """Anything may happen to the callers, also several things in the same turn of the hub."""

    def __init__(self) -> None:
        super().__init__()
        self.owner = Owner(2)
        self.callers: list[Caller] = []
        self.now = 0.0

    def of(self, state: str) -> list[Caller]:
        return [caller for caller in self.callers if caller.state == state]

    @rule(deadline=st.one_of(st.just(FAR), st.floats(0, 100)), is_exact=st.booleans())
    def arrive(self, deadline: float, is_exact: bool) -> None:
        # An exact deadline is one of the real clock: none that comes in this test.
        self.callers.append(Caller(len(self.callers), self.owner, FAR if is_exact else deadline, is_exact))

    @rule()
    def let_run(self) -> None:
        for _ in range(6):
            gevent.sleep(0)

    @precondition(lambda self: self.of("holds"))
    @rule(pick=st.randoms(use_true_random=False))
    def give_back(self, pick: Any) -> None:
        pick.choice(self.of("holds")).state = "done"
        self.owner.free += 1
        self.owner.line.wake()

    @precondition(lambda self: self.of("waits"))
    @rule(pick=st.randoms(use_true_random=False), kind=st.sampled_from([gevent.GreenletExit, gevent.Timeout]))
    def give_up(self, pick: Any, kind: type[BaseException]) -> None:
        caller = pick.choice(self.of("waits"))
        caller.greenlet.kill(kind, block=False)

    @precondition(lambda self: self.of("waits"))
    @rule(seconds=st.floats(0, 50))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        get_hub().loop.run_callback(self.owner.line.expire, self.now)

    @precondition(lambda self: self.of("waits"))
    @rule()
    def send_all_away(self) -> None:
        self.owner.line.fail(SentAway)

    @invariant()
    def never_exceeded(self) -> None:
        assert self.owner.free + len(self.of("holds")) == self.owner.permits

    @invariant()
    def in_turn(self) -> None:
        waiting = [caller.number for caller in self.of("waits")]
        served = [caller.number for caller in self.callers if caller.state in ("holds", "done")]
        if waiting and served:
            assert min(waiting) > max(served), f"{max(served)} was served before {min(waiting)}"

    @invariant()
    def it_is_no_longer_than_its_callers(self) -> None:
        assert len(self.owner.line) <= len(self.of("waits"))

    def teardown(self) -> None:
        try:
            self.let_run()
            self.let_run()
            self.never_exceeded()
            waiting = self.of("waits")
            assert not (waiting and self.owner.free), f"{len(waiting)} wait while {self.owner.free} are free"
            assert len(self.owner.line) == len(waiting)
            for caller in self.callers:
                assert caller.greenlet.exception is None, caller.greenlet.exception
        finally:
            gevent.killall([caller.greenlet for caller in self.callers])
        assert not self.owner.line, "a place is kept for one who has gone"


TestLine = Line.TestCase
TestLine.settings = settings(max_examples=150, stateful_step_count=40, derandomize=True, deadline=None)
