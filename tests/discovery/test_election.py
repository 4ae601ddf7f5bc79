"""What a claim says of itself, whatever the engine: a keeper that does what the test says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import gevent
import pytest
from support.nodes import eventually

from razorg.discovery import Election
from razorg.discovery import election as elected

LIMIT = 20.0


class Keeper:
    """Says that it is over as soon as it is closed, unless ``is_mute``."""

    def __init__(self, election: Election) -> None:
        self.election = election
        self.is_mute = False

    def close(self) -> None:
        if not self.is_mute:
            self.election.over(True)


@pytest.fixture
def claim(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Election]]:
    """Makes claims that hear nothing but what the test tells."""
    made: list[Election] = []
    monkeypatch.setattr("razorg.discovery.keeping.engine_part", lambda url, name, address, own: Keeper(own))

    def make(on_change: Any = None) -> Election:
        made.append(elected("etcd://engine/services/cal", "tcp://127.0.0.1:1", on_change))
        return made[-1]

    yield make
    for election in made:
        election.close()


class Watched(Election):
    """Notes ``leads`` after each of its attributes has been set, as another thread would see it."""

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if "_until" in vars(self):
            vars(self).setdefault("seen", []).append(self.leads)


def test_a_lead_that_is_over_is_never_seen_again(
    claim: Callable[..., Election], monkeypatch: pytest.MonkeyPatch
) -> None:
    election = claim()
    election.__class__ = Watched
    now = monotonic()
    election.told(True, now + 1)
    assert election.leads
    monkeypatch.setattr("razorg.discovery.keeping.monotonic", lambda: now + 2)
    assert not election.leads
    vars(election)["seen"].clear()
    election.told(False)
    assert not any(vars(election)["seen"])


def test_closed_while_the_engine_answers(claim: Callable[..., Election]) -> None:
    """At each point at which another thread could come in between."""

    class Closing(Election):
        left = 0

        def __setattr__(self, name: str, value: Any) -> None:
            object.__setattr__(self, name, value)
            steps = vars(self)
            if steps.get("left") == 0:
                steps["left"] = -1
                self.close(0)
            elif steps.get("left", -1) > 0:
                steps["left"] -= 1

    for left in range(4):
        election = claim()
        election.__class__ = Closing
        vars(election)["left"] = left
        election.told(True)
        if not election._is_closed:
            election.close(0)
        assert not election.leads


def test_the_end_of_its_time_is_told_though_the_keeper_says_nothing(claim: Callable[..., Election]) -> None:
    told: list[tuple[bool, float]] = []
    election = claim(lambda leads: told.append((leads, monotonic())))
    until = monotonic() + 2.0
    election.told(True, until - 0.8)
    election.told(True, until)
    eventually(lambda: len(told) == 2, LIMIT, "it is told")
    assert [leads for leads, _ in told] == [True, False]
    assert until <= told[1][1] < until + 2.0
    election.told(False)
    election.told(True, monotonic() + LIMIT)
    eventually(lambda: len(told) == 3, LIMIT, "it is told")
    election.close()
    eventually(lambda: [leads for leads, _ in told] == [True, False, True, False], LIMIT, f"{told}")


def test_a_time_without_the_lead_is_told_though_it_was_short(claim: Callable[..., Election]) -> None:
    told: list[bool] = []
    election = claim(told.append)
    election.told(True)
    eventually(lambda: told == [True], LIMIT, "it is told")
    election.told(False)
    election.told(True)
    eventually(lambda: told == [True, False, True], LIMIT, f"{told}")


def test_without_a_hub_it_is_told_in_a_thread_of_its_own(claim: Callable[..., Election]) -> None:
    told: list[bool] = []

    def on_change(leads: bool) -> None:
        told.append(leads)
        if leads:
            raise ValueError("a mistake of the user's")

    election = gevent.get_hub().threadpool.apply(lambda: claim(on_change))
    election.told(True, monotonic() + 1.5)  # what is over before it could be told is not told
    eventually(lambda: told == [True, False], LIMIT, "it is told")


def test_in_a_forked_child_it_does_not_lead(claim: Callable[..., Election]) -> None:
    election = claim()
    election.told(True)
    election._keeper.is_mute = True  # type: ignore[attr-defined]
    child = os.fork()
    if child == 0:
        started = monotonic()
        did_lead = election.leads
        election.close()
        os._exit(0 if not did_lead and not election.leads and monotonic() - started < 1 else 1)
    assert gevent.os.waitpid(child, 0)[1] == 0
    assert election.leads
    election._keeper.is_mute = False  # type: ignore[attr-defined]
