"""What holds for all frames and all values."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from random import Random
from typing import Any, Optional, Union

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.inputs import LIMITS, frames_of, pieces_of, same_however_split

from razorg.codec.registry import resolve_codec
from razorg.config import Limits
from razorg.errors import DecodeError, EncodeError
from razorg.wire.encoder import (
    encode_action,
    error_frame,
    number_frame,
    request_frame,
    response_frame,
)
from razorg.wire.parser import RequestParser, ResponseParser

CODECS = {name: resolve_codec(name) for name in ("msgpack", "msgspec")}
U64 = st.integers(0, 2**64 - 1)
BODY = st.one_of(st.binary(max_size=300), st.integers(300, 5_000).map(lambda size: bytes(size)))
BLOB = st.one_of(st.none(), st.binary(min_size=1, max_size=300), st.integers(1, 8_000).map(lambda size: bytes(size)))
ACTION = st.one_of(st.integers(0, 2**31 - 1), st.text(min_size=1, max_size=20))


def bytes_of(frame: Any) -> bytes:
    return frame if type(frame) is bytes else b"".join(map(bytes, frame))


@given(st.lists(st.tuples(ACTION, U64, U64, BODY, BLOB), min_size=1, max_size=4), st.integers(0, 2**32))
def test_requests_come_out_as_they_went_in(requests: list[Any], seed: int) -> None:
    data = b"".join(
        bytes_of(request_frame(encode_action(action, LIMITS), seq, client_id, msg, blob))
        for action, seq, client_id, msg, blob in requests
    )
    frames, error, is_partial = frames_of(RequestParser(LIMITS), pieces_of(data, Random(seed)))
    assert (error, is_partial) == (None, False)
    assert frames == [(seq, action, client_id, msg, blob) for action, seq, client_id, msg, blob in requests]


RESPONSE = st.one_of(
    st.tuples(st.just("ok"), U64, BODY, BLOB),
    st.tuples(st.just("number"), U64, st.integers(0, 2**32 - 1)),
    st.tuples(st.just("error"), U64, st.binary(min_size=1, max_size=300)),
)


@given(st.lists(RESPONSE, min_size=1, max_size=4), st.integers(0, 2**32))
def test_responses_come_out_as_they_went_in(responses: list[Any], seed: int) -> None:
    made, expected = [], []
    for kind, seq, *rest in responses:
        if kind == "ok":
            made.append(response_frame(seq, *rest))
            expected.append((seq, 0, rest[0], rest[1]))
        elif kind == "number":
            made.append(number_frame(seq, rest[0]))
            expected.append((seq, 1, rest[0], None))
        else:
            made.append(error_frame(seq, rest[0]))
            expected.append((seq, 2, b"", rest[0]))
    data = b"".join(map(bytes_of, made))
    frames, error, is_partial = frames_of(ResponseParser(LIMITS), pieces_of(data, Random(seed)))
    assert (error, is_partial) == (None, False)
    assert [tuple(frame) for frame in frames] == expected  # type: ignore[arg-type]


@given(st.binary(max_size=200), st.integers(0, 2**32))
@pytest.mark.parametrize("parser", [RequestParser, ResponseParser])
def test_any_bytes_mean_the_same_however_they_are_split(parser: Any, data: bytes, seed: int) -> None:
    same_however_split(parser, data, Random(seed))


@given(st.sampled_from(["msg", "blob"]), st.integers(1, 5_000), st.integers(0, 64))
@pytest.mark.parametrize("limit", [1, 1000])
def test_what_is_over_a_limit_is_refused_at_its_head(limit: int, part: str, size: int, sent: int) -> None:
    limits = Limits(max_msg_bytes=limit, max_blob_bytes=limit)
    frame = bytes_of(request_frame(
        (1, b""), 1, 0, bytes(size) if part == "msg" else b"", bytes(size) if part == "blob" else None
    ))
    frames, error, is_partial = frames_of(RequestParser(limits), [frame[: 32 + sent]])
    assert (error is not None) == (size > limit)
    if size > limit:
        assert frames == [] and not is_partial


# values

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Inner:
    count: int
    note: Optional[str] = None


@dataclass
class Outer:
    inner: Inner
    many: list[Inner]
    by_name: dict[str, float]
    colour: Colour = Colour.RED
    either: Union[int, str, None] = None
    rest: list[Any] = field(default_factory=list)


TYPES: list[Any] = [
    Any, int, float, str, bytes, bool, None, list[int], dict[str, int], dict[int, str], tuple[int, str], Optional[int],
    Inner, Outer, list[Outer], Colour, Union[int, str], set[int], tuple[int, ...],
]
INNER = st.builds(Inner, st.integers(-(2**63), 2**63 - 1), st.none() | st.text())
OUTER = st.builds(
    Outer, INNER, st.lists(INNER, max_size=3),
    st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    st.sampled_from(Colour), st.none() | st.integers(-5, 5) | st.text(), st.lists(st.integers(0, 9), max_size=3),
)


@given(PLAIN)
@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_plain_values_come_back(codec: Any, value: Any) -> None:
    assert codec.decode(codec.encode(value)) == value


@given(PLAIN)
def test_codecs_agree_on_the_bytes(value: Any) -> None:
    one, other = (codec.encode(value) for codec in CODECS.values())
    assert one == other


@given(OUTER)
@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_typed_values_come_back(codec: Any, value: Outer) -> None:
    assert codec.decode(codec.encode(value), Outer) == value


@given(st.binary(max_size=60), st.sampled_from(TYPES))
@settings(max_examples=400)
@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_any_bytes_are_a_value_or_a_decode_error(codec: Any, data: bytes, type: Any) -> None:
    try:
        codec.decode(data, type)
    except DecodeError:
        pass


@given(PLAIN, st.sampled_from(TYPES))
@settings(max_examples=400)
@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_any_value_fits_its_type_or_is_a_decode_error(codec: Any, value: Any, type: Any) -> None:
    data = msgpack.packb(value)
    try:
        decoded = codec.decode(data, type)
    except DecodeError:
        return
    if type in (int, str, bytes, bool, float):
        assert isinstance(decoded, type) or (type is float and isinstance(decoded, int)), (decoded, type)


@given(st.recursive(st.just(object()) | st.integers() | st.just("\ud800"), lambda inner: st.lists(inner, max_size=3)))
@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_what_cannot_travel_is_an_encode_error(codec: Any, value: Any) -> None:
    try:
        codec.encode(value)
    except EncodeError:
        pass
