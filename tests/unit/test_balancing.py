"""Balancing across many nodes: shares, slow start, ejection, apertures; no I/O, a fake clock."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from razorg.core.balancing import (
    EJECTION_MAX_SECONDS,
    EJECTION_SECONDS,
    SLOW_START_SECONDS,
    Balanced,
    aperture,
)


@dataclass(eq=False)
class Place:
    name: str
    is_healthy: bool = True
    load: int = 0


def made(*weights: float, seed: int = 1) -> tuple[Balanced[Place], list[Place]]:
    places = [Place(f"node {number}") for number in range(len(weights))]
    balanced: Balanced[Place] = Balanced(Random(seed).random)
    balanced.use_weighted(list(zip(places, weights)))
    return balanced, places


def drawn(balanced: Balanced[Place], count: int) -> Counter[str]:
    picks: Counter[str] = Counter()
    for _ in range(count):
        place = balanced.pick()
        assert place is not None
        picks[place.name] += 1
    return picks


def test_none_and_one() -> None:
    balanced, places = made()
    assert balanced.pick() is None
    balanced, places = made(1.0)
    assert balanced.pick() is places[0]
    places[0].is_healthy = False
    assert balanced.pick() is None


def test_equal_nodes_get_equal_shares() -> None:
    balanced, _ = made(*[1.0] * 5)
    picks = drawn(balanced, 20_000)
    assert all(3_400 < picks[name] < 4_600 for name in picks)


def test_a_node_of_twice_the_weight_gets_more_and_carries_twice_as_much() -> None:
    balanced, places = made(1.0, 2.0)
    ended: list[Place] = []
    for _ in range(4_000):  # calls that stay: what the nodes carry settles by weight
        place = balanced.pick()
        assert place is not None
        place.load += 1
        ended.append(place)
        if len(ended) > 90:
            ended.pop(0).load -= 1
    assert 1.6 < places[1].load / places[0].load < 2.4


def test_the_less_loaded_of_two_is_taken() -> None:
    balanced, places = made(1.0, 1.0)
    places[0].load = 50
    assert drawn(balanced, 200)["node 1"] >= 100
    picks = drawn(balanced, 1000)
    assert picks["node 1"] > 2 * picks["node 0"]


def test_the_slower_of_two_gets_less() -> None:
    balanced, places = made(1.0, 1.0, 1.0)
    for _ in range(50):
        balanced.meter(places[0]).succeeded(0.100)
        balanced.meter(places[1]).succeeded(0.010)
        balanced.meter(places[2]).succeeded(0.010)
    picks = drawn(balanced, 3000)
    assert picks["node 0"] < 0.5 * picks["node 1"]


def test_the_latency_follows_what_happens() -> None:
    balanced, places = made(1.0)
    meter = balanced.meter(places[0])
    meter.succeeded(1.0)
    assert meter.latency == 1.0
    for _ in range(100):
        meter.succeeded(0.01)
    assert 0.01 <= meter.latency < 0.02


def test_the_unhealthy_get_nothing() -> None:
    balanced, places = made(1.0, 1.0, 1.0)
    places[1].is_healthy = False
    assert set(drawn(balanced, 500)) == {"node 0", "node 2"}
    for place in places:
        place.is_healthy = False
    assert balanced.pick() is None
    places[2].is_healthy = True
    assert set(drawn(balanced, 50)) == {"node 2"}


def test_a_new_node_starts_slowly_and_those_of_the_beginning_do_not() -> None:
    balanced, places = made(1.0, 1.0)
    assert 350 < drawn(balanced, 1000)["node 0"] < 650
    balanced.look(100.0)
    new = Place("new")
    balanced.use_weighted([(place, 1.0) for place in [*places, new]])
    shares = []
    for second in range(0, int(SLOW_START_SECONDS) + 5, 5):
        balanced.look(100.0 + second)
        shares.append(drawn(balanced, 6000)["new"] / 6000)
    assert shares[0] < 0.08
    assert all(later > earlier - 0.03 for earlier, later in pairwise(shares))
    assert 0.28 < shares[-1] < 0.39


@pytest.mark.parametrize("heavy", [1.0, 9.0])
def test_weight_0_gets_nothing_while_another_is_healthy(heavy: float) -> None:
    balanced, places = made(heavy, 1.0, 0.0)
    places[0].is_healthy = False
    assert set(drawn(balanced, 1000)) == {"node 1"}
    places[1].is_healthy = False
    assert set(drawn(balanced, 10)) == {"node 2"}


def test_unlucky_draws_fall_back_by_weight() -> None:
    balanced, places = made(1000.0, 3.0, 1.0)
    places[0].is_healthy = False
    picks = drawn(balanced, 4000)
    assert picks["node 1"] > 2 * picks["node 2"] > 0


def fail(balanced: Balanced[Place], place: Place, count: int = 20, good: int = 0) -> None:
    for _ in range(count):
        balanced.meter(place).failed()
    for _ in range(good):
        balanced.meter(place).succeeded(0.001)


def test_a_node_that_fails_is_ejected_and_comes_back_slowly() -> None:
    balanced, places = made(*[1.0] * 4)
    now = 100.0
    for round in range(8):
        fail(balanced, places[0])
        for place in places[1:]:
            fail(balanced, place, 0, 20)
        balanced.look(now)
        assert balanced.ejected() == [places[0]]
        assert "node 0" not in drawn(balanced, 300)
        expected = min(EJECTION_SECONDS * 2**round, EJECTION_MAX_SECONDS)
        balanced.look(now + expected - 0.5)
        assert balanced.ejected() == [places[0]]
        now += expected + 0.5
        balanced.look(now)
        assert balanced.ejected() == []
        assert 0 < drawn(balanced, 3000)["node 0"] < 300  # a tenth of its weight, for now


def test_who_behaves_for_long_is_forgiven() -> None:
    balanced, places = made(*[1.0] * 4)
    fail(balanced, places[0])
    fail(balanced, places[1], 0, 20)
    balanced.look(0.0)
    assert balanced.ejected() == [places[0]]
    fail(balanced, places[0], 0, 20)
    balanced.look(EJECTION_SECONDS + EJECTION_MAX_SECONDS + 1)
    fail(balanced, places[0])
    fail(balanced, places[1], 0, 20)
    balanced.look(1000.0)
    balanced.look(1000.0 + EJECTION_SECONDS + 0.1)  # as short as the first time
    assert balanced.ejected() == []


def test_the_ejected_come_last() -> None:
    balanced, places = made(1.0, 1.0, 0.0, 1.0)
    fail(balanced, places[0])
    fail(balanced, places[1], 0, 20)
    balanced.look(100.0)
    assert balanced.ejected() == [places[0]]
    places[3].is_healthy = False
    assert set(drawn(balanced, 300)) == {"node 1"}
    assert balanced.best() == [places[1]]
    places[1].is_healthy = False
    assert set(drawn(balanced, 10)) == {"node 2"}
    places[2].is_healthy = False
    assert set(drawn(balanced, 10)) == {"node 0"}


def test_when_all_fail_it_is_not_the_nodes() -> None:
    balanced, places = made(*[1.0] * 4)
    for place in places:
        fail(balanced, place)
    balanced.look(1.0)
    assert balanced.ejected() == []


def test_no_more_than_half_are_ejected() -> None:
    balanced, places = made(*[1.0] * 10)
    for second in range(20):
        for place in places[:8]:
            fail(balanced, place)
        for place in places[8:]:
            fail(balanced, place, 0, 400)
        balanced.look(second * 0.5)
    assert 4 <= len(balanced.ejected()) <= 5


def test_few_calls_do_not_judge_a_node() -> None:
    balanced, places = made(1.0, 1.0, 1.0)
    fail(balanced, places[0], 9)
    fail(balanced, places[1], 0, 100)
    balanced.look(1.0)
    assert balanced.ejected() == []


def test_what_is_known_of_a_node_survives_an_update() -> None:
    balanced, places = made(1.0, 1.0)
    balanced.meter(places[0]).succeeded(0.5)
    balanced.use_weighted([(places[0], 3.0)])
    assert balanced.meter(places[0]).latency == 0.5
    assert balanced.pick() is places[0]


@given(
    st.lists(st.tuples(st.floats(0.01, 100), st.booleans(), st.integers(0, 100)), max_size=8),
    st.integers(0, 2**32), st.floats(0, 1e6),
)
def test_a_pick_is_always_healthy_or_none(nodes: list[tuple[float, bool, int]], seed: int, now: float) -> None:
    balanced, places = made(*[weight for weight, _, _ in nodes], seed=seed)
    for place, (_, healthy, load) in zip(places, nodes):
        place.is_healthy, place.load = healthy, load
    balanced.look(now)
    for _ in range(20):
        place = balanced.pick()
        assert (place is None) == (not any(healthy for _, healthy, _ in nodes))
        assert place is None or place.is_healthy


# apertures

NAMES = [f"10.0.{a}.{b}:7700" for a in range(10) for b in range(100)]


@pytest.mark.parametrize("servers, clients, width", [(1000, 1000, 20), (10, 3, 4), (7, 100, 3), (1000, 37, 50)])
def test_clients_in_even_steps_load_all_servers_alike(servers: int, clients: int, width: int) -> None:
    load: Counter[str] = Counter()
    for client in range(clients):
        part = aperture(NAMES[:servers], client / clients, width)
        assert sum(part.values()) == pytest.approx(width)
        assert len(part) <= width + 1
        load.update(part)  # type: ignore[arg-type]
    mean = clients * width / servers
    if mean >= 1:
        assert len(load) == servers
        assert max(load.values()) <= mean + 1
        assert min(load.values()) >= mean - 1


def test_a_server_more_or_less_changes_little_for_a_client() -> None:
    before = NAMES[:999]
    changes = []
    for client in range(100):
        one = set(aperture(before, client / 100, 20))
        other = set(aperture(NAMES, client / 100, 20))
        changes.append(len(other - one))
    assert max(changes) <= 3


def test_an_aperture_as_wide_as_all_is_all() -> None:
    assert aperture(NAMES[:5], 0.3, 5) == {name: 1.0 for name in NAMES[:5]}
    assert aperture(NAMES[:5], 0.3, 50) == {name: 1.0 for name in NAMES[:5]}
    assert aperture([], 0.3, 5) == {}


def test_the_order_of_the_names_does_not_matter() -> None:
    shuffled = NAMES[:]
    Random(3).shuffle(shuffled)
    assert aperture(NAMES, 0.77, 9) == aperture(shuffled, 0.77, 9)


@given(st.integers(1, 60), st.floats(-5, 5), st.integers(1, 70))
def test_an_aperture_has_its_width(count: int, offset: float, width: int) -> None:
    part = aperture(NAMES[:count], offset, width)
    assert set(part) <= set(NAMES[:count])
    assert sum(part.values()) == pytest.approx(min(width, count), abs=1e-6)
    assert all(0 < weight <= 1 + 1e-9 for weight in part.values())
