"""Values to bytes and back by both codecs, and bytes that are no values."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Dict, List, Literal, NamedTuple, Optional, Set, Tuple, TypedDict, Union
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from razorg.codec.base import Codec
from razorg.codec.msgpack import MsgpackCodec
from razorg.codec.msgspec import MsgspecCodec
from razorg.errors import DecodeError

CODECS = [MsgpackCodec(), MsgspecCodec()]
both = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)

INTS = st.integers(-(2**63), 2**64 - 1)
SCALARS = st.one_of(
    st.none(), st.booleans(), INTS, st.floats(), st.text(max_size=40), st.binary(max_size=40),
    st.sampled_from([b"x" * 16_383, b"x" * 16_384, b"x" * 70_000, "é" * 40_000]),
)
KEYS = st.one_of(st.text(max_size=8), st.integers(-(2**63), 2**63 - 1))
VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=20), st.dictionaries(KEYS, inner, max_size=20)), max_leaves=30
)


class Shade(enum.Enum):
    LIGHT = "light"
    DARK = "dark"


class Point(NamedTuple):
    x: int
    y: float


class Colour(msgspec.Struct):
    name: str
    alpha: float = 1.0


class Options(TypedDict, total=False):
    depth: int
    tags: List[str]


@dataclass
class Item:
    id: int
    data: bytes
    note: Optional[str] = None
    parts: List["Item"] = field(default_factory=list)
    colour: Optional[Colour] = None


I64 = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False)
TEXTS, BYTES = st.text(max_size=20), st.binary(max_size=20)
COLOURS = st.builds(Colour, TEXTS, FLOATS)
ITEMS = st.recursive(
    st.builds(Item, I64, BYTES, st.none() | TEXTS),
    lambda inner: st.builds(Item, I64, BYTES, st.none() | TEXTS, st.lists(inner, max_size=3), st.none() | COLOURS),
    max_leaves=4,
)
#: Annotations, and what fits them.
TYPED: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, I64),
    (float, FLOATS),
    (bool, st.booleans()),
    (str, TEXTS),
    (bytes, st.one_of(BYTES, st.sampled_from([b"y" * 16_384, b"y" * 20_000]))),
    (type(None), st.none()),
    (Optional[int], st.none() | I64),
    (Union[int, str, None], st.none() | I64 | TEXTS),
    (Literal["a", "b", 3], st.sampled_from(["a", "b", 3])),
    (List[int], st.lists(I64, max_size=5)),
    (List[Optional[bytes]], st.lists(st.none() | BYTES, max_size=5)),
    (Dict[str, List[float]], st.dictionaries(TEXTS, st.lists(FLOATS, max_size=3), max_size=4)),
    (Dict[int, bytes], st.dictionaries(I64, BYTES, max_size=4)),
    (Tuple[int, str, bool], st.tuples(I64, TEXTS, st.booleans())),
    (Tuple[int, ...], st.lists(I64, max_size=5).map(tuple)),
    (frozenset, st.frozensets(I64, max_size=5)),
    (Set[str], st.sets(TEXTS, max_size=5)),
    (Shade, st.sampled_from(Shade)),
    (datetime, st.datetimes(timezones=st.just(timezone.utc))),
    (date, st.dates()),
    (timedelta, st.timedeltas(timedelta(0), timedelta(10**5))),
    (Decimal, st.decimals(allow_nan=False)),
    (UUID, st.uuids()),
    (Point, st.builds(Point, I64, FLOATS)),
    (Colour, COLOURS),
    (Options, st.fixed_dictionaries({}, optional={"depth": I64, "tags": st.lists(TEXTS, max_size=3)})),
    (Item, ITEMS),
    (List[Item], st.lists(ITEMS, max_size=3)),
    (Any, VALUES),
]
TYPES = [kind for kind, _ in TYPED]
typed = pytest.mark.parametrize(("kind", "strategy"), TYPED, ids=lambda item: getattr(item, "__name__", str(item)) if item in TYPES else "")


def is_same(one: Any, two: Any) -> bool:
    """As ==, but an int is no float and no bool, and NaN is NaN."""
    if type(one) is not type(two):
        return False
    if isinstance(one, float):
        return one == two or (math.isnan(one) and math.isnan(two))
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(is_same(one[key], two[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(two) and all(map(is_same, one, two))
    return bool(one == two)


def flat(data: Any) -> bytes:
    return data if isinstance(data, bytes) else data.start + data.rest


def decode_or_refuse(codec: Codec, data: Any, kind: Any) -> Any:
    """The value, or the DecodeError; any other error is one of the codec."""
    try:
        return codec.decode(data, kind)
    except DecodeError as error:
        return error


@both
@given(value=VALUES)
def test_any_value_comes_back_by_either_codec(codec: Codec, value: Any) -> None:
    data = codec.encode(value)
    for reader in CODECS:
        for buffer in (data, bytearray(data), memoryview(data)):
            assert is_same(reader.decode(buffer), value)
    if type(value) is bytes:
        assert flat(codec.encode_bytes(value)) == data


@both
@typed
@settings(max_examples=30)
@given(draw=st.data())
def test_typed_values_come_back_by_either_codec(
    codec: Codec, kind: Any, strategy: st.SearchStrategy[Any], draw: st.DataObject
) -> None:
    value = draw.draw(strategy)
    data = codec.encode(value)
    for reader in CODECS:
        found = reader.decode(data, kind)
        assert is_same(found, value) if kind is Any else found == value
        assert kind is Any or type(found) is type(value)


@both
@given(data=st.binary(max_size=60), kind=st.sampled_from(TYPES))
def test_any_bytes_are_a_value_or_a_decode_error(codec: Codec, data: bytes, kind: Any) -> None:
    plain = decode_or_refuse(codec, data, Any)
    value = decode_or_refuse(codec, data, kind)
    if isinstance(plain, DecodeError):
        assert isinstance(value, DecodeError), f"{value!r} was read out of no msgpack"
    elif not isinstance(value, DecodeError):
        assert codec.decode(codec.encode(value), kind) == value or value != value


@both
@typed
@settings(max_examples=30)
@given(draw=st.data())
def test_a_value_with_some_bytes_changed(
    codec: Codec, kind: Any, strategy: st.SearchStrategy[Any], draw: st.DataObject
) -> None:
    """Changed, cut, or with something behind it: a value or a DecodeError, the same from any buffer."""
    data = bytearray(codec.encode(draw.draw(strategy)))
    for _ in range(draw.draw(st.integers(1, 3))):
        if data:
            data[draw.draw(st.integers(0, min(len(data), 200) - 1))] = draw.draw(st.integers(0, 255))
    if draw.draw(st.booleans()):
        del data[draw.draw(st.integers(0, len(data))) :]
    else:
        data += draw.draw(st.binary(max_size=3))
    outcomes = [decode_or_refuse(codec, buffer, kind) for buffer in (bytes(data), data, memoryview(bytes(data)))]
    refused = [isinstance(outcome, DecodeError) for outcome in outcomes]
    assert refused in ([True] * 3, [False] * 3), outcomes
    for outcome in outcomes:
        assert isinstance(outcome, DecodeError) or outcome == outcomes[0] or outcome != outcome or "nan" in repr(outcome)


@given(data=st.binary(max_size=40))
def test_both_codecs_refuse_the_same_bytes(data: bytes) -> None:
    one, two = (decode_or_refuse(codec, data, Any) for codec in CODECS)
    assert isinstance(one, DecodeError) == isinstance(two, DecodeError), (one, two)
    assert isinstance(one, DecodeError) or is_same(one, two)
