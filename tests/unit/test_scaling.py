"""How many connections an address is worth: never too many, never too few for those who wait."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from razorg.core.scaling import Use, connections_to_close, connections_to_open

WINDOW = 4
USUAL: dict[str, Any] = {
    "opening": 0,
    "silent": 0,
    "waiting": 0,
    "window": WINDOW,
    "minimum": 1,
    "maximum": 4,
}
FULL, ROOM, FREE = Use(WINDOW, 0.0), Use(WINDOW - 1, 0.0), Use(0, 1000.0)


@st.composite
def moments(draw: Any) -> tuple[list[Use], dict[str, int]]:
    window = draw(st.integers(1, 6))
    in_flight = st.one_of(st.just(window), st.integers(0, window))
    minimum = draw(st.integers(1, 6))
    return draw(st.lists(st.builds(Use, in_flight, st.just(0.0)), max_size=8)), {
        "opening": draw(st.integers(0, 4)),
        "silent": draw(st.integers(0, 4)),
        "waiting": draw(st.integers(0, 40)),
        "window": window,
        "minimum": minimum,
        "maximum": draw(st.integers(minimum, 12)),
    }


@pytest.mark.parametrize(
    ("uses", "given", "expected"),
    [
        ([], {}, 1),
        ([], {"minimum": 3}, 3),
        ([FREE], {}, 0),
        ([FULL], {}, 0),
        ([FULL], {"waiting": 1}, 1),
        ([FULL], {"waiting": WINDOW}, 1),
        ([FULL], {"waiting": WINDOW + 1}, 2),
        ([FULL], {"waiting": 1000}, 3),
        ([FULL, ROOM], {"waiting": 1000}, 0),
        ([FULL, FREE], {"waiting": 1000}, 0),
        ([FULL], {"waiting": WINDOW, "opening": 1}, 0),
        ([FULL], {"waiting": WINDOW + 1, "opening": 1}, 1),
        ([FULL], {"waiting": 1000, "silent": 2}, 1),
        ([FULL], {"waiting": 1000, "silent": 3}, 0),
        ([FULL] * 4, {"waiting": 1000}, 0),
        ([FULL] * 6, {"waiting": 1000}, 0),
        ([], {"waiting": 1}, 1),
        ([], {"waiting": 1, "opening": 1}, 0),
        ([], {"minimum": 2, "opening": 1}, 1),
        ([], {"minimum": 2, "silent": 2}, 0),
        ([FREE], {"minimum": 3, "waiting": 5}, 2),
    ],
)
def test_to_open(uses: list[Use], given: dict[str, int], expected: int) -> None:
    assert connections_to_open(uses, **{**USUAL, **given}) == expected


@given(moments())
def test_between_minimum_and_maximum(moment: tuple[list[Use], dict[str, int]]) -> None:
    uses, given_ = moment
    opened = connections_to_open(uses, **given_)
    there = len(uses) + given_["opening"] + given_["silent"]
    assert opened >= 0
    assert there + opened >= given_["minimum"]
    assert there + opened <= max(given_["maximum"], there)


@given(moments())
def test_above_the_minimum_only_when_every_window_is_full(
    moment: tuple[list[Use], dict[str, int]],
) -> None:
    uses, given_ = moment
    opened = connections_to_open(uses, **given_)
    there = len(uses) + given_["opening"] + given_["silent"]
    if not given_["waiting"] or any(use.in_flight < given_["window"] for use in uses):
        assert there + opened == max(given_["minimum"], there)


@given(moments())
def test_what_the_waiting_need_and_no_more(moment: tuple[list[Use], dict[str, int]]) -> None:
    uses, given_ = moment
    if not given_["waiting"] or any(use.in_flight < given_["window"] for use in uses):
        return
    opened = connections_to_open(uses, **given_)
    there = len(uses) + given_["opening"] + given_["silent"]
    new = given_["opening"] + opened
    assert new * given_["window"] >= given_["waiting"] or there + opened >= given_["maximum"]
    if opened and there + opened > given_["minimum"]:
        assert (new - 1) * given_["window"] < given_["waiting"]


# closing

IDLE_TIMEOUT = 120.0
OLD, YOUNG, BUSY = Use(0, 120.0), Use(0, 119.9), Use(1, 1000.0)


@pytest.mark.parametrize(
    ("uses", "minimum", "expected"),
    [
        ([], 1, []),
        ([OLD], 1, []),
        ([OLD, OLD], 1, [1]),
        ([OLD, OLD, OLD], 1, [2, 1]),
        ([OLD, BUSY], 1, [0]),
        ([BUSY, OLD], 1, [1]),
        ([YOUNG, YOUNG], 1, []),
        ([OLD, YOUNG, BUSY], 1, [0]),
        ([BUSY, BUSY], 1, []),
        ([OLD] * 4, 3, [3]),
        ([OLD] * 2, 3, []),
    ],
)
def test_to_close(uses: list[Use], minimum: int, expected: list[int]) -> None:
    assert connections_to_close(uses, minimum, IDLE_TIMEOUT) == expected


@given(
    st.lists(st.builds(Use, st.integers(0, 2), st.floats(0, 300)), max_size=12),
    st.integers(1, 8),
    st.floats(0.001, 300),
)
def test_closes_what_is_idle_down_to_the_minimum(
    uses: list[Use], minimum: int, idle_timeout: float
) -> None:
    closed = connections_to_close(uses, minimum, idle_timeout)
    assert len(set(closed)) == len(closed)
    assert closed == sorted(closed, reverse=True)
    idle = [
        i for i, use in enumerate(uses) if use.idle_seconds >= idle_timeout and not use.in_flight
    ]
    assert set(closed) <= set(idle)
    left = len(uses) - len(closed)
    assert left >= min(minimum, len(uses))
    assert left <= minimum or len(closed) == len(idle)


@given(moments())
def test_what_was_opened_is_not_closed_at_once(moment: tuple[list[Use], dict[str, int]]) -> None:
    """Nor does closing make anything missing: no connection is opened and closed in turns."""
    uses, given_ = moment
    uses = [Use(use.in_flight, 500.0) for use in uses]
    closed = connections_to_close(uses, given_["minimum"], IDLE_TIMEOUT)
    if closed:
        left = [use for index, use in enumerate(uses) if index not in closed]
        quiet = {**given_, "waiting": 0}
        assert connections_to_open(left, **quiet) == 0
