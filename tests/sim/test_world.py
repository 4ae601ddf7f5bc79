"""Many stories of clients, servers and faults: in none of them is a call lost, doubled or lied about.

``RAZORG_SEEDS=500`` tells so many, ``RAZORG_SEED=17`` that one only.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from razorg.client import failover
from razorg.client.endings import StreamEndings
from razorg.core.retry import Step
from razorg.server.session import Session
from sim.world import Told, tell

SEEDS = int(os.environ.get("RAZORG_SEEDS", "20"))
ONE = os.environ.get("RAZORG_SEED")
AT_ONCE = 10


def fault_of(told: Told) -> str:
    again = f"RAZORG_SEED={told.seed} scripts/test tests/sim"
    return f"seed {told.seed} ({again}): {len(told.violations)} violations, as {told.violations[:3]}\n{told.figures}"


@pytest.mark.timeout(180)
@pytest.mark.parametrize("first", [int(ONE)] if ONE else range(1, SEEDS + 1, AT_ONCE))
def test_every_story_ends_well(first: int) -> None:
    for seed in range(first, first + (1 if ONE else AT_ONCE)):
        told = tell(seed)
        assert not told.violations, fault_of(told)
        assert told.figures.calls > 100, f"seed {seed} tells hardly anything: {told.figures}"


def test_a_seed_tells_the_same_story_each_time() -> None:
    assert [tell(seed).trace for seed in (3, 4, 3, 4)] == [tell(seed).trace for seed in (3, 4, 3, 4)]
    assert tell(3).trace != tell(4).trace


def test_the_stories_have_all_that_can_happen() -> None:
    kinds: set[str | None] = set()
    saids: set[Any] = set()
    repeated = 0
    for seed in range(1, 21):
        figures = tell(seed).figures
        kinds |= set(figures.kinds)
        saids |= set(figures.failures)
        repeated += figures.repeated
    assert kinds >= {"CallTimeout", "ConnectionLost", "Unreachable", "InternalError", "GivenUp"}
    assert saids >= {("no", False), ("maybe", False), ("maybe", True), ("yes", True)}
    assert repeated > 0


def retries_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    def step_after(error: Any, *, is_repeatable: bool) -> Step:
        return Step.RETRY

    monkeypatch.setattr(failover, "step_after", step_after)


def says_no_always(monkeypatch: pytest.MonkeyPatch) -> None:
    lost_error = StreamEndings._lost_error

    def lie(self: Any, sent: Any, method: Any) -> Any:
        return lost_error(self, "no", method)

    monkeypatch.setattr(StreamEndings, "_lost_error", lie)


def answers_the_wrong_one(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Session.answer
    swapped: list[Any] = []

    def mix_up(self: Any, frame: Any) -> None:
        swapped.append(None)
        if len(swapped) % 97 == 0 and type(frame) is bytes and len(frame) > 20:
            frame = frame[:-1] + bytes([frame[-1] ^ 1])
        answer(self, frame)

    monkeypatch.setattr(Session, "answer", mix_up)


def loses_a_permit(monkeypatch: pytest.MonkeyPatch) -> None:
    cancel = StreamEndings.cancel

    def forget(self: Any, call: Any, error: Any) -> Any:
        done = cancel(self, call, error)
        self._window.acquire(False)
        return done

    monkeypatch.setattr(StreamEndings, "cancel", forget)


@pytest.mark.parametrize("plant", [retries_everything, says_no_always, answers_the_wrong_one, loses_a_permit])
def test_a_planted_bug_is_found(plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    if os.environ.get("RAZORG_EXPECT_COMPILED"):
        pytest.skip("what is compiled cannot be bent: the pure run plants these bugs")
    plant(monkeypatch)
    for seed in range(1, 30):
        try:
            if tell(seed).violations:
                return
        except AssertionError:
            return
    pytest.fail("29 seeds have not noticed it")
