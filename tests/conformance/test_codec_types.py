"""Annotated types through every codec: what fits, what is forgiven, and what is refused.

The lists of the forgiven and the refused are those of the Rust reference.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Optional, TypedDict, Union
from uuid import UUID

import msgpack
import msgspec
import pytest

from razorg.codec.base import Codec
from razorg.codec.typed import check_type
from razorg.errors import DecodeError


@dataclass
class Point:
    x: int
    y: int
    name: Optional[str] = None


class Row(msgspec.Struct):
    id: int
    note: Optional[str]
    tags: list[str] = []


class Entry(TypedDict):
    key: str
    value: Optional[int]


class Pair(NamedTuple):
    left: int
    right: str


class Loose(NamedTuple):
    first: int
    second: Optional[int]
    third: int = 0


class Color(str, enum.Enum):
    RED = "Red"
    BLUE = "Blue"


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


@dataclass
class Whole:
    point: Point
    rows: list[Row]
    data: bytes
    color: Color
    level: Level
    by_id: dict[int, Pair]
    maybe: Optional[Point] = None
    names: set[str] = field(default_factory=set)


WHOLE = Whole(
    Point(1, 2, "p"),
    [Row(1, None, ["a"]), Row(2, "n")],
    b"\0\xff",
    Color.BLUE,
    Level.HIGH,
    {-1: Pair(1, "x")},
    Point(3, 4),
    {"one"},
)
UTC = timezone.utc

ROUNDTRIPS: list[tuple[Any, Any]] = [
    (Point(1, -2), Point),
    (Row(1, "é", ["a", "b"]), Row),
    ({"key": "k", "value": 3}, Entry),
    (Pair(1, "a"), Pair),
    (WHOLE, Whole),
    (Color.RED, Color),
    (Level.LOW, Level),
    ({Color.RED: Level.HIGH}, dict[Color, Level]),
    (None, Optional[Point]),
    (Point(1, 2), Optional[Point]),
    ("text", Union[int, str]),
    (5, Union[int, str]),
    ([1], Union[int, list[int], None]),
    ({1: "a", -5: "b"}, dict[int, str]),
    ((1, "a"), tuple[int, str]),
    ((1, 2, 3), tuple[int, ...]),
    ({1, 2}, set[int]),
    (frozenset({"a"}), frozenset[str]),
    (b"\xff\0", bytes),
    (bytearray(b"x"), bytearray),
    ("a", Literal["a", "b"]),
    (datetime(2024, 2, 29, 12, 30, 1, 250_000, tzinfo=UTC), datetime),
    (datetime(2024, 2, 29, 12, 30, tzinfo=timezone(timedelta(hours=2))), datetime),
    (datetime(1999, 12, 31, 23, 59, 59), datetime),
    (date(2024, 2, 29), date),
    (UUID("12345678-1234-5678-1234-567812345678"), UUID),
    (Decimal("1.10"), Decimal),
    ([datetime(2000, 1, 1, tzinfo=UTC)], list[datetime]),
]


def name_of(case: Any) -> str:
    return getattr(case, "__name__", str(case)).replace("typing.", "")


@pytest.mark.parametrize(("value", "kind"), ROUNDTRIPS, ids=name_of)
def test_roundtrip(codec: Codec, value: Any, kind: Any) -> None:
    decoded = codec.decode(codec.encode(value), kind)
    assert decoded == value
    assert type(decoded) is type(value)


PLAIN: list[tuple[Any, Any]] = [
    (Point(1, 2), {"x": 1, "y": 2, "name": None}),
    (Row(1, None), {"id": 1, "note": None, "tags": []}),
    (Pair(1, "a"), [1, "a"]),
    ([Color.RED, Level.HIGH], ["Red", 2]),
    (datetime(2024, 2, 29, 12, 30, tzinfo=UTC), "2024-02-29T12:30:00Z"),
    ({"at": datetime(2024, 2, 29, 12, 30)}, {"at": "2024-02-29T12:30:00"}),
    (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (Decimal("1.10"), "1.10"),
]


@pytest.mark.parametrize(("value", "plain"), PLAIN, ids=lambda part: type(part).__name__)
def test_what_the_wire_carries(codec: Codec, value: Any, plain: Any) -> None:
    """Read by the package msgpack alone; fields in their order, dates and numbers as text."""
    read = msgpack.unpackb(codec.encode(value), strict_map_key=False)
    assert read == plain
    if isinstance(plain, dict):
        assert list(read) == list(plain)


ROW_MAP = {"id": 1, "note": None, "tags": []}
FORGIVEN: list[tuple[str, Any, Any, Any]] = [
    ("dataclass_as_array", Point, [1, 2, "n"], Point(1, 2, "n")),
    ("dataclass_as_short_array", Point, [1, 2], Point(1, 2)),
    ("struct_as_array", Row, [1, "n", ["t"]], Row(1, "n", ["t"])),
    ("typed_dict_as_array", Entry, ["k", 1], {"key": "k", "value": 1}),
    ("structs_in_list", list[Point], [[1, 2], {"x": 3, "y": 4}], [Point(1, 2), Point(3, 4)]),
    ("struct_in_dict", dict[str, Point], {"a": [1, 2]}, {"a": Point(1, 2)}),
    ("struct_in_tuple", tuple[int, Point], [1, [2, 3]], (1, Point(2, 3))),
    ("optional_struct_as_array", Optional[Point], [1, 2], Point(1, 2)),
    ("struct_in_union", Union[int, Point], [1, 2], Point(1, 2)),
    ("missing_optional", Row, {"id": 1}, Row(1, None)),
    ("missing_optional_key", Entry, {"key": "k"}, {"key": "k", "value": None}),
    ("missing_optional_in_array", Row, [1], Row(1, None)),
    ("missing_optional_deep", list[Row], [{"id": 1}], [Row(1, None)]),
    ("named_tuple_as_map", Pair, {"left": 1, "right": "r"}, Pair(1, "r")),
    ("unknown_field", Point, {"x": 1, "z": 9, "y": 2}, Point(1, 2)),
    ("unknown_field_struct", Row, {**ROW_MAP, "more": [1]}, Row(1, None)),
    ("bin_for_str", str, b"\xc3\xa9", "é"),
    ("bin_for_str_deep", dict[str, list[str]], {"a": [b"x"]}, {"a": ["x"]}),
    ("bin_for_field", Point, {"x": 1, "y": 2, "name": b"n"}, Point(1, 2, "n")),
    ("bin_for_enum", Color, b"Red", Color.RED),
    ("bin_for_key", Point, {b"x": 1, b"y": 2}, Point(1, 2)),
    ("bin_for_dict_key", dict[str, int], {b"a": 1}, {"a": 1}),
    ("str_for_bytes", bytes, "é", b"\xc3\xa9"),
    ("str_for_bytes_not_base64", bytes, "YWJj", b"YWJj"),
    ("str_for_bytes_deep", list[bytes], ["YWJj"], [b"YWJj"]),
    ("str_for_optional_bytes", Optional[bytes], "x", b"x"),
    ("int_for_float", float, 3, 3.0),
    ("nothing_in_particular", object, [1, {"a": b"x"}], [1, {"a": b"x"}]),
]


@pytest.mark.parametrize(
    ("kind", "sent", "value"), [case[1:] for case in FORGIVEN], ids=[case[0] for case in FORGIVEN]
)
def test_forgiven(codec: Codec, kind: Any, sent: Any, value: Any) -> None:
    decoded = codec.decode(msgpack.packb(sent), kind)
    assert decoded == value
    assert type(decoded) is type(value)


REFUSED: list[tuple[str, Any, Any, str]] = [
    ("missing_field", Point, {"x": 1}, "y"),
    ("missing_field_in_array", Point, [1], "y"),
    ("missing_field_deep", list[Row], [{"note": None}], "$[0]"),
    ("array_too_long", Point, [1, 2, "n", 4], "array"),
    ("float_for_int", int, 1.0, "int"),
    ("float_for_int_deep", Point, {"x": 1.0, "y": 2}, "$.x"),
    ("bool_for_int", int, True, "int"),
    ("bool_for_int_deep", list[int], [False], "$[0]"),
    ("int_for_bool", bool, 1, "bool"),
    ("int_for_str", str, 1, "str"),
    ("str_for_int", int, "1", "int"),
    ("str_for_int_key", dict[int, str], {"1": "a"}, "int"),
    ("nil_for_str", str, None, "str"),
    ("nil_for_int", int, None, "int"),
    ("nil_for_struct", Point, None, "null"),
    ("nil_for_field", Point, {"x": None, "y": 1}, "$.x"),
    ("tuple_too_short", tuple[int, int], [1], "length 2"),
    ("tuple_too_long", tuple[int, int], [1, 2, 3], "length 2"),
    ("named_tuple_too_short", Pair, [1], "2"),
    ("named_tuple_too_long", Pair, [1, "a", 3], "2"),
    ("empty_array_for_none", None, [], "null"),
    ("value_for_none", None, 0, "null"),
    ("map_for_list", list[int], {}, "array"),
    ("list_for_dict", dict[str, int], [1], "object"),
    ("unknown_variant", Color, "Green", "Invalid enum value"),
    ("unknown_number", Level, 3, "Invalid enum value"),
    ("name_for_number_enum", Level, "LOW", "int"),
    ("bin_not_utf8", str, b"\xff", "str"),
    ("none_of_the_union", Union[int, str], 1.5, "float"),
    ("unhashable_in_set", set, [{}], "unhashable"),
    ("unhashable_in_frozenset", frozenset[Any], [{}], "unhashable"),
    ("no_datetime", datetime, "yesterday", "RFC3339"),
    ("no_uuid", UUID, "1234", "UUID"),
    ("path_through_all", dict[str, list[Point]], {"a": [[1, 2], [1, "x"]]}, "[1].y"),
]


@pytest.mark.parametrize(
    ("kind", "sent", "text"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_refused(codec: Codec, kind: Any, sent: Any, text: str) -> None:
    with pytest.raises(DecodeError) as caught:
        codec.decode(msgpack.packb(sent), kind)
    assert text in str(caught.value)


@dataclass
class Holder:
    name: str
    value: Any = None


@pytest.mark.parametrize("kind", [Any, int, Holder, list[Any], tuple[Any, ...], dict[str, object], Optional[Holder]])
@pytest.mark.parametrize("key", [[1, 2], [], {}])
def test_no_tuple_becomes_a_key_whose_hash_a_peer_can_choose(codec: Codec, kind: Any, key: Any) -> None:
    packed = b"\x81" + msgpack.packb(key) + b"\x01"
    for data in (packed, b"\x91" + packed, b"\x82\xa4name\xa1x\xa5value" + packed):
        with pytest.raises(DecodeError):
            codec.decoder(kind)(data)


@pytest.mark.parametrize("kind", [
    dict[tuple[int, int], str], list[dict[tuple[str, ...], int]], set[tuple[int, int]], frozenset[Pair],
    Optional[dict[Union[int, tuple[int, int]], int]],
])
def test_a_type_whose_hashes_a_peer_can_choose_is_refused_where_it_is_declared(kind: Any) -> None:
    with pytest.raises(TypeError, match="arrays cannot be keys or members of sets"):
        check_type(kind)
    for fine in (dict[str, list[tuple[int, int]]], set[Union[int, str, None]], dict[Color, Point], list[Loose]):
        check_type(fine)


def test_named_tuple_map_never_shifts_values(codec: Codec) -> None:
    """With the middle left out, the last value must not land in the middle."""
    data = msgpack.packb({"first": 1, "third": 3})
    try:
        decoded = codec.decode(data, Loose)
    except DecodeError:
        return
    assert decoded == Loose(1, None, 3)


def test_typed_decode_of_a_good_value_ignores_what_came_before(codec: Codec) -> None:
    decode = codec.decoder(Point)
    for _ in range(2):
        assert decode(msgpack.packb({"x": 1, "y": 2})) == Point(1, 2)
        with pytest.raises(DecodeError):
            decode(b"\xc0")
        assert decode(msgpack.packb([3, 4])) == Point(3, 4)


class Colour(enum.Enum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


class Cat(msgspec.Struct, tag="cat"):
    age: int


class Dog(msgspec.Struct, tag="dog", forbid_unknown_fields=True):
    age: int


class One(msgspec.Struct, tag=1):
    age: int


class Two(msgspec.Struct, tag=2):
    age: int


@dataclass
class Checked:
    text: str

    def __post_init__(self) -> None:
        raise ValueError(f"my own word on {self.text}")


@dataclass
class Holder:
    colour: Colour


SECRET = "hunter2 - at `$.hunter2`"


@pytest.mark.parametrize(
    ("kind", "sent", "text"),
    [
        (Colour, SECRET, "Invalid enum value"),
        (Number, 424242, "Invalid enum value"),
        (Literal["a", "b"], SECRET, "Invalid enum value"),
        (Literal[1, 2], 424242, "Invalid enum value"),
        (Holder, {"colour": SECRET}, "Invalid enum value - at `$.colour`"),
        (dict[Colour, int], {SECRET: 1}, "Invalid enum value - at `key` in `$`"),
        (dict[str, list[Colour]], {"x": ["red", SECRET]}, "Invalid enum value - at `$[...][1]`"),
        (Union[Cat, Dog], {"type": SECRET, "age": 1}, "Invalid value - at `$.type`"),
        (Union[One, Two], {"type": 424242, "age": 1}, "Invalid value - at `$.type`"),
        (Dog, {"type": "dog", "age": 1, SECRET: 1}, "Object contains unknown field"),
        (list[Dog], [{"type": "dog", "age": 1, SECRET: 1}], "Object contains unknown field - at `$[0]`"),
    ],
)  # fmt: skip
def test_no_value_is_told(codec: Codec, kind: Any, sent: Any, text: str) -> None:
    with pytest.raises(DecodeError) as caught:
        codec.decode(msgpack.packb(sent), kind)
    assert caught.value.message == text
    assert caught.value.__cause__ is None


def test_what_a_class_says_of_a_value_is_bounded(codec: Codec) -> None:
    with pytest.raises(DecodeError, match="my own word on xxx") as caught:
        codec.decode(msgpack.packb({"text": "x" * 1_000_000}), Checked)
    assert len(caught.value.message) < 400
