"""Which address a call goes to: in turns, the leader, the less loaded of two, or another one."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from razorg.core.routing import LeaderFirst, LeastLoaded, RoundRobin, pick_another


@dataclass(eq=False)
class Node:
    name: str
    is_healthy: bool = True
    load: int = 0

    def __repr__(self) -> str:
        return self.name


def nodes(*healthy: bool) -> list[Node]:
    return [Node("ABCDEFGH"[index], ok) for index, ok in enumerate(healthy)]


def five() -> list[Node]:
    return nodes(*[True] * 5)


def with_places(routing: Any, places: list[Node]) -> Any:
    routing.places = list(places)
    return routing


def all_kinds() -> list[Any]:
    return [RoundRobin(), LeaderFirst(), LeastLoaded(random.Random(1).random)]


@pytest.fixture(params=range(3), ids=["round_robin", "leader", "least_loaded"])
def routing(request: pytest.FixtureRequest) -> Any:
    return all_kinds()[request.param]


healths = st.lists(st.booleans(), max_size=8)


# every kind


def test_nothing_to_choose_from(routing: Any) -> None:
    assert with_places(routing, []).pick() is None
    assert with_places(routing, nodes(False, False)).pick() is None


@given(healths)
def test_only_healthy_places_and_one_whenever_there_is_one(healthy: list[bool]) -> None:
    for routing in all_kinds():
        places = nodes(*healthy)
        with_places(routing, places)
        for _ in range(20):
            place = routing.pick()
            assert (place is None) is not any(healthy)
            assert place is None or place.is_healthy


@given(st.lists(st.lists(st.booleans(), max_size=8), max_size=8), st.integers(0, 5))
def test_places_are_replaced_at_run_time(lists: list[list[bool]], picks: int) -> None:
    for routing in all_kinds():
        for healthy in lists:
            before, places = routing.places, nodes(*healthy)
            routing.places = places
            for place in before:
                routing.failed(place)  # as the pool does with those it removes
            for _ in range(picks):
                place = routing.pick()
                assert place in places if any(healthy) else place is None


def test_a_place_that_recovers_is_used_again(routing: Any) -> None:
    place = Node("A", is_healthy=False)
    with_places(routing, [place])
    assert routing.pick() is None
    place.is_healthy = True
    assert routing.pick() is place


# in turns


@given(healths, st.integers(1, 5), st.integers(0, 20))
def test_in_turns_evenly(healthy: list[bool], rounds: int, before: int) -> None:
    places = nodes(*healthy)
    routing = with_places(RoundRobin(), places)
    for _ in range(before):
        routing.pick()
    count = sum(healthy)
    counted = Counter(routing.pick() for _ in range(rounds * count))
    assert counted == {place: rounds for place in places if place.is_healthy}


def test_in_turns_in_the_order_of_the_list() -> None:
    places = nodes(True, False, True, True)
    routing = with_places(RoundRobin(), places)
    a, _, c, d = places
    assert [routing.pick() for _ in range(7)] == [a, c, d, a, c, d, a]
    places[1].is_healthy = True
    assert [routing.pick() for _ in range(4)] == [places[1], c, d, a]


def test_in_turns_whatever_failed_or_was_steered_to() -> None:
    """The health says enough: one lost connection takes no turn away."""
    places = five()
    routing = with_places(RoundRobin(), places)
    picked = []
    for _ in range(10):
        picked.append(routing.pick())
        routing.failed(picked[-1])
        routing.steer(places[0])
    assert picked == places * 2


# the leader


def test_the_leader_stays() -> None:
    routing = with_places(LeaderFirst(), five())
    leader = routing.pick()
    assert {routing.pick() for _ in range(20)} == {leader}


def test_the_next_in_order_follows_a_leader_that_failed() -> None:
    places = five()
    routing = with_places(LeaderFirst(), places)
    seen = []
    for _ in range(10):
        seen.append(routing.pick())
        routing.failed(seen[-1])
    assert seen == places * 2


def test_the_next_healthy_one_follows_a_leader_that_fell_ill() -> None:
    places = nodes(True, False, True, True)
    routing = with_places(LeaderFirst(), places)
    assert routing.pick() is places[0]
    places[0].is_healthy = False
    assert routing.pick() is places[2]
    places[0].is_healthy = places[1].is_healthy = True
    assert routing.pick() is places[2]  # who is back does not lead for that


def test_when_another_one_fails_the_leader_stays() -> None:
    places = five()
    routing = with_places(LeaderFirst(), places)
    leader = routing.pick()
    for place in places:
        if place is not leader:
            routing.failed(place)
            assert routing.pick() is leader


def test_steered_to_a_leader() -> None:
    places = five()
    routing = with_places(LeaderFirst(), places)
    routing.pick()
    routing.steer(places[3])
    assert [routing.pick() for _ in range(3)] == [places[3]] * 3
    routing.failed(places[3])
    assert routing.pick() is places[4]


def test_steered_to_a_leader_that_is_ill() -> None:
    places = nodes(True, False, True)
    routing = with_places(LeaderFirst(), places)
    routing.steer(places[1])
    assert routing.pick().is_healthy


def test_a_leader_that_was_removed() -> None:
    old, new = five(), nodes(True, True)
    routing = with_places(LeaderFirst(), old)
    leader = routing.pick()
    routing.places = new
    routing.failed(leader)
    assert routing.pick() in new


# the less loaded


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=8), st.integers(0, 2**32))
def test_never_the_most_loaded(drawn: list[tuple[bool, int]], seed: int) -> None:
    """Of two, so one that is more loaded than all others never wins."""
    places = [Node("x", *item) for item in drawn]
    routing = with_places(LeastLoaded(random.Random(seed).random), places)
    healthy = sorted((place for place in places if place.is_healthy), key=lambda p: p.load)
    for _ in range(20):
        picked = routing.pick()
        if len(healthy) == 1:
            assert picked is healthy[0]
        elif len(healthy) > 1 and healthy[-2].load < healthy[-1].load:
            assert picked is not healthy[-1]


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True), st.integers(2, 8))
def test_the_two_are_different(one: float, other: float, count: int) -> None:
    """Whatever the dice say, so the place with all the load is never the only one drawn."""
    for loaded in range(count):
        places = nodes(*[True] * count)
        places[loaded].load = 1
        dice = iter([one, other])
        picked = with_places(LeastLoaded(lambda: next(dice)), places).pick()
        assert picked is not places[loaded]


@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_equal_loads_are_drawn_evenly(count: int) -> None:
    places = nodes(*[True] * count)
    routing = with_places(LeastLoaded(random.Random(7).random), places)
    draws = 2000 * count
    counted = Counter(routing.pick() for _ in range(draws))
    assert all(abs(counted[place] - 2000) < 250 for place in places)  # more than 5 sigma


def test_two_of_three_pairs_hold_the_least_loaded() -> None:
    places = five()[:3]
    for load, place in enumerate(places):
        place.load = load
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        routing = with_places(
            LeastLoaded(random.Random(3).random), [places[index] for index in order]
        )
        counted = Counter(routing.pick() for _ in range(6000))
        assert abs(counted[places[0]] - 4000) < 200  # 36 is the sigma
        assert abs(counted[places[1]] - 2000) < 200
        assert counted[places[2]] == 0


# another one


@st.composite
def journeys(draw: Any) -> tuple[list[Node], list[Node]]:
    drawn = draw(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=1, max_size=6))
    places = [Node("ABCDEF"[index], *item) for index, item in enumerate(drawn)]
    removed = Node("gone")
    return places, draw(st.lists(st.sampled_from([*places, removed]), min_size=1, max_size=9))


@given(journeys())
def test_another_one(journey: tuple[list[Node], list[Node]]) -> None:
    places, tried = journey
    picked = pick_another(places, tried)
    choice = [place for place in places if place.is_healthy and place is not tried[-1]]
    untried = [place for place in choice if place not in tried]
    if not choice:
        assert picked is None
    elif untried:
        assert picked in untried
        assert picked.load == min(place.load for place in untried)
    else:
        assert picked in choice
        ages = {place: tried[::-1].index(place) for place in choice}
        assert ages[picked] == max(ages.values())


def test_another_one_by_hand() -> None:
    a, b, c, *_ = places = five()[:3]
    assert pick_another([a], [a]) is None
    assert pick_another([a, b], [a]) is b
    assert pick_another([a, b], [a, b]) is a
    assert pick_another(places, [c, b, a]) is c
    assert pick_another(places, [a, b, c, a]) is b
    b.load = 1
    assert pick_another(places, [a]) is c
    assert pick_another(places, [c, a]) is b  # untried comes first, whatever its load
    c.is_healthy = False
    assert pick_another(places, [a]) is b
    assert pick_another([], [a]) is None


def test_another_one_of_last_resort() -> None:
    a, b, c, *_ = places = five()[:3]
    b.load = 5
    assert pick_another(places, [a], lambda place: int(place is c)) is b
    assert pick_another(places, [a, b], lambda place: int(place is c)) is c
