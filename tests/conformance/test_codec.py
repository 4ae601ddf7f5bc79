"""What every codec does with plain values and with bytes; see conftest.py for which they are."""

from __future__ import annotations

import math
import sys
from datetime import datetime
from typing import Any

import msgpack
import msgspec
import pytest

from razorg.codec.base import Codec
from razorg.codec.careful import CONTAINERS_MAX
from razorg.codec.registry import resolve_codec
from razorg.errors import DecodeError, EncodeError

#: Values and their bytes by the msgpack specification, the shortest form of each.
EXACT = [
    (None, "c0"),
    (False, "c2"),
    (True, "c3"),
    (0, "00"),
    (127, "7f"),
    (128, "cc80"),
    (255, "ccff"),
    (256, "cd0100"),
    (65_535, "cdffff"),
    (65_536, "ce00010000"),
    (2**32 - 1, "ceffffffff"),
    (2**32, "cf0000000100000000"),
    (2**64 - 1, "cfffffffffffffffff"),
    (-1, "ff"),
    (-32, "e0"),
    (-33, "d0df"),
    (-128, "d080"),
    (-129, "d1ff7f"),
    (-(2**15) - 1, "d2ffff7fff"),
    (-(2**31) - 1, "d3ffffffff7fffffff"),
    (-(2**63), "d38000000000000000"),
    (1.5, "cb3ff8000000000000"),
    (math.inf, "cb7ff0000000000000"),
    ("", "a0"),
    ("é", "a2c3a9"),
    ("a" * 31, "bf" + "61" * 31),
    ("a" * 32, "d920" + "61" * 32),
    ("a" * 256, "da0100" + "61" * 256),
    (b"", "c400"),
    (b"\x00\xff", "c40200ff"),
    (b"b" * 256, "c50100" + "62" * 256),
    ([], "90"),
    ([1, [2]], "92019102"),
    ({}, "80"),
    ({"a": 1, "b": None}, "82a16101a162c0"),
    ({1: "x", -2: "y"}, "8201a178fea179"),
    ([0] * 16, "dc0010" + "00" * 16),
]


@pytest.mark.parametrize(("value", "data"), EXACT, ids=[data[:12] for _, data in EXACT])
def test_exact_bytes_both_ways(codec: Codec, value: Any, data: str) -> None:
    assert codec.encode(value).hex() == data
    decoded = codec.decode(bytes.fromhex(data))
    assert decoded == value
    assert type(decoded) is type(value)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_decodes_any_buffer(codec: Codec, kind: Any) -> None:
    assert codec.decode(kind(b"\x92\x01\xa1x")) == [1, "x"]
    assert codec.decode(kind(b"\x92\x01\xa1x"), tuple[int, str]) == (1, "x")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_encodes_any_buffer_as_bin(codec: Codec, kind: Any) -> None:
    assert codec.encode([kind(b"ab")]) == b"\x91\xc4\x02ab"


def test_other_forms_are_understood(codec: Codec) -> None:
    assert codec.decode(b"\xca\x3f\xc0\0\0") == 1.5  # f32
    assert math.isnan(codec.decode(codec.encode(math.nan)))
    assert codec.decode(b"\xcf\0\0\0\0\0\0\0\x01") == 1  # not the shortest form
    assert codec.encode((1, 2)) == b"\x92\x01\x02"


def test_values_of_a_megabyte_and_then_small_ones(codec: Codec) -> None:
    for size in (3_000_000, 1, 70_000):
        value = {"data": b"x" * size, "text": "y" * size}
        assert codec.decode(codec.encode(value)) == value


def test_decoder_is_decode_made_ready(codec: Codec) -> None:
    decode = codec.decoder(list[int])
    assert decode(b"\x91\x07") == codec.decode(b"\x91\x07", list[int]) == [7]
    with pytest.raises(DecodeError):
        decode(b"\x91\xa1x")


def test_duplicate_keys_last_wins(codec: Codec) -> None:
    data = b"\x82\xa1a\x01\xa1a\x02"
    assert codec.decode(data) == {"a": 2}
    assert codec.decode(data, dict[str, int]) == {"a": 2}
    assert codec.decode(data, msgspec.defstruct("A", [("a", int)])).a == 2


def recursive() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


REFUSED_VALUES = [
    ("object", {"a": [object()]}, "$.a[0]"),
    ("surrogate", {"a": [1, "\ud800"]}, "$.a[1]"),
    ("surrogate_key", {"\udfff": 1}, "$"),
    ("over_u64", {"a": {"b": 2**64}}, "$.a.b"),
    ("under_i64", [0, -(2**63) - 1], "$[1]"),
    ("top", 2**64, "$`"),
    ("int_key", {5: object()}, "$[5]"),
    ("tuple", ((1, object()),), "$[0][1]"),
    ("complex", [1j], "$[0]"),
    ("type", {"a": int}, "$.a"),
    ("function", {"a": len}, "$.a"),
    ("recursive", recursive(), "$[0]"),
    ("too_deep", nested(50_000), "$[0]"),  # interpreters differ in how deep C may go
    ("depth_100000", nested(100_000), "$[0]"),
]


@pytest.mark.parametrize(
    ("value", "path"),
    [case[1:] for case in REFUSED_VALUES],
    ids=[case[0] for case in REFUSED_VALUES],
)
def test_encode_error_names_the_path(codec: Codec, value: Any, path: str) -> None:
    with pytest.raises(EncodeError) as caught:
        codec.encode(value)
    assert caught.value.sent == "no"
    assert path in str(caught.value)
    assert codec.encode([1]) == b"\x91\x01", "a failure must leave nothing behind"


BROKEN = [
    ("nothing", b""),
    ("cut_int", b"\xcd\x01"),
    ("cut_text", b"\xa5ab"),
    ("cut_array", b"\x92\x01"),
    ("cut_map", b"\x81\xa1a"),
    ("huge_text", b"\xdb\xff\xff\xff\xff"),
    ("huge_bin", b"\xc6\xff\xff\xff\xff"),
    ("huge_array", b"\xdd\xff\xff\xff\xff"),
    ("huge_map", b"\xdf\xff\xff\xff\xff"),
    ("never_used", b"\xc1"),
    ("not_utf8", b"\xa1\xff"),
    ("surrogate", b"\xa3\xed\xa0\x80"),
    ("trailing", b"\x01\x02"),
    ("trailing_nil", b"\x91\x01\xc0"),
    ("map_as_key", b"\x81\x80\x01"),
    ("depth_100000", b"\x91" * 100_000 + b"\x01"),
    ("ext_1", b"\xd4\x05a"),
    ("ext_in_array", b"\x91\xc7\x03\x05abc"),
    ("ext_timestamp_32", b"\xd6\xff\0\0\0\x01"),
    ("ext_timestamp_64", b"\xd7\xff\0\0\0\x08\0\0\0\x01"),
    *(
        (f"ext_timestamp_{head.hex()}", head + bytes(count - 1) + b"\x01")
        for count in (4, 8, 12)
        for head in (
            b"\xc7%c\xff" % count, b"\xc8\0%c\xff" % count, b"\xc9\0\0\0%c\xff" % count,
        )
    ),
]


@pytest.mark.parametrize("kind", [Any, int, "list"])
@pytest.mark.parametrize("data", [case[1] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_broken_bytes_are_decode_errors(codec: Codec, data: bytes, kind: Any) -> None:
    with pytest.raises(DecodeError):
        codec.decode(data, list[Any] if kind == "list" else kind)


EXTS = [(name, data) for name, data in BROKEN if name.startswith("ext_")]


@pytest.mark.parametrize("data", [case[1] for case in EXTS], ids=[case[0] for case in EXTS])
def test_ext_is_no_datetime(codec: Codec, data: bytes) -> None:
    for kind, sent in [
        (datetime, data), (list[datetime], b"\x91" + data), (dict[str, datetime], b"\x81\xa1a" + data),
        (Any, b"\x91\x91" + data), (Any, b"\x81\xa1a\x91" + data), (Any, b"\x81" + data + b"\x01"),
        (dict[datetime, int], b"\x81" + data + b"\x01"),
    ]:
        with pytest.raises(DecodeError):
            codec.decode(sent, kind)


@pytest.mark.parametrize("kind", [Any, int, dict[Any, int], dict[datetime, int]], ids=str)
@pytest.mark.parametrize("data", [case[1] for case in EXTS], ids=[case[0] for case in EXTS])
def test_no_timestamp_is_hashed(
    codec: Codec, data: bytes, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hash is that of a tuple of two numbers: a peer could send thousands that are alike."""
    hashed: list[Any] = []
    monkeypatch.setattr(msgpack.Timestamp, "__hash__", lambda self: hashed.append(self) or 1)
    with pytest.raises(DecodeError):
        codec.decode(b"\x82" + data + b"\x01" + data[:-1] + b"\x02\x01", kind)
    assert not hashed


@pytest.mark.parametrize("mark", [b"\xd6\xff", b"\x04\xff", b"ab"])
def test_what_looks_like_an_ext_and_is_none(codec: Codec, mark: bytes) -> None:
    value = {"a": [mark, {"b": (mark + mark).decode("latin-1"), "c": [4, -1, 12, -1]}], 4: -1}
    assert codec.decode(codec.encode(value)) == value
    for depth in (500, 1000):  # as deep as without the mark
        decoded = codec.decode(b"\x91" * depth + msgpack.packb(mark))
        while isinstance(decoded, list):
            decoded = decoded[0]
        assert decoded == mark


def test_deep_values_that_fit_come_back(codec: Codec) -> None:
    value = nested(100)
    assert codec.decode(codec.encode(value)) == value
    depth = sys.getrecursionlimit()
    try:
        decoded = codec.decode(b"\x91" * depth + b"\x01")
    except DecodeError:
        return
    while isinstance(decoded, list):
        decoded = decoded[0]
    assert decoded == 1


@pytest.mark.parametrize(
    ("kind", "data", "path"),
    [
        (list[int], b"\x92\x01\xa1x", "$[1]"),
        (dict[str, list[int]], b"\x81\xa1a\x91\xa1x", "[0]"),
        (msgspec.defstruct("A", [("a", list[int])]), b"\x81\xa1a\x91\xa1x", "$.a[0]"),
        (tuple[int, str], b"\x92\x01\x02", "$[1]"),
    ],
    ids=["list", "dict", "struct", "tuple"],
)
def test_decode_error_names_the_path(codec: Codec, kind: Any, data: bytes, path: str) -> None:
    with pytest.raises(DecodeError) as caught:
        codec.decode(data, kind)
    assert path in str(caught.value)


def whole(msg: Any) -> bytes:
    return msg if isinstance(msg, bytes) else msg.start + msg.rest


@pytest.mark.parametrize("size", [0, 1, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 300_000])
def test_bytes_by_themselves_are_what_encode_makes_of_them(codec: Codec, size: int) -> None:
    value = bytes(range(256)) * (size // 256) + b"\xff" * (size % 256)
    msg = codec.encode_bytes(value)
    assert whole(msg) == codec.encode(value)
    assert len(msg) == len(whole(msg))
    for data in (whole(msg), bytearray(whole(msg)), memoryview(whole(msg))):
        for type in (bytes, Any):
            found = codec.decode(data, type)
            assert found == value
            assert found.__class__ is bytes


@pytest.mark.parametrize("size", [16_384, 70_000])
@pytest.mark.parametrize("change", ["short", "long"])
def test_big_bytes_of_a_wrong_length_are_no_value(codec: Codec, size: int, change: str) -> None:
    data = whole(codec.encode_bytes(b"b" * size))
    data = data[:-1] if change == "short" else data + b"b"
    for type in (bytes, Any):
        with pytest.raises(DecodeError):
            codec.decode(data, type)


def many(count: int, each: bytes = b"\x80") -> bytes:
    """An array of so many: with itself as many arrays and maps and one more."""
    return b"\xdd" + count.to_bytes(4, "big") + each * count


@pytest.mark.parametrize("kind", [Any, int, list[dict[str, int]]], ids=str)
@pytest.mark.parametrize("each", [b"\x80", b"\x90", b"\xdf\0\0\0\0", b"\x91\xc0"], ids=repr)
def test_a_message_holds_so_many_arrays_and_maps(codec: Codec, kind: Any, each: bytes) -> None:
    """Each takes a byte of the message, and some hundred of memory."""
    with pytest.raises(DecodeError, match="more than 1,000,000 arrays and maps in a message"):
        codec.decode(many(CONTAINERS_MAX, each), kind)


def test_what_is_large_and_not_many_comes_back(codec: Codec) -> None:
    value = codec.decode(many(CONTAINERS_MAX - 1))
    assert len(value) == CONTAINERS_MAX - 1 and value[0] == value[-1] == {}
    looks_like = "\u0080" * CONTAINERS_MAX
    for big in ([looks_like, {"a": looks_like.encode("latin-1")}], list(range(-CONTAINERS_MAX, 10)), ["ab"] * CONTAINERS_MAX):
        assert codec.decode(codec.encode(big)) == big
    assert codec.decode(codec.encode([looks_like]), list[str]) == [looks_like]


def test_small_numbers_are_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may be the head of a timestamp in a message of others is none in one of msgspec."""
    monkeypatch.setattr(msgspec, "to_builtins", None)
    codec = resolve_codec("msgspec")
    for number in range(128):
        assert codec.decode(codec.encode([number, -1, {"a": bytes([number, 255])}])) == [
            number, -1, {"a": bytes([number, 255])},
        ]


def test_a_second_encoding_fails_as_the_first_one(codec: Codec) -> None:
    for value in (b"\xd6\xff", b"ab"):
        with pytest.raises(EncodeError):
            codec.encode([value, object()])
    with pytest.raises(EncodeError):
        codec.encode([b"\xd6\xff", msgspec.msgpack.Ext(5, b"a")])
