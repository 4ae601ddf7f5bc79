"""Both parsers with big bodies, with memory and time watched, and with generated input."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parser_cases import (
    GOOD_P,
    GOOD_Q,
    I32_MAX,
    LIMITS,
    U32_MAX,
    U64_MAX,
    WIDE,
    P,
    Parser,
    Q,
    parse,
    plain,
)

from razorg.wire import encoder
from razorg.wire.heads import BigMsg
from razorg.wire.parser import RequestParser, ResponseParser


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        (RequestParser, Q(msg_len=WIDE.max_msg_bytes, blob_len=WIDE.max_blob_bytes)),
        (ResponseParser, P(msg_len=WIDE.max_msg_bytes, blob_len=WIDE.max_blob_bytes)),
        (ResponseParser, P(flag=2, blob_len=WIDE.max_msg_bytes)),
        (RequestParser, Q(field=U32_MAX, msg_len=U32_MAX, blob_len=U32_MAX)),
    ],
    ids=["request", "response", "error_bytes", "refused"],
)
def test_announcements_allocate_nothing(kind: Parser, head: bytes) -> None:
    parser = kind(WIDE)
    tracemalloc.start()
    try:
        assert list(parser.feed(head + b"x" * 100)) == []
        parser.room()
        assert tracemalloc.get_traced_memory()[1] < 1024 * 1024
    finally:
        tracemalloc.stop()


def test_missing_bytes_counts_the_body() -> None:
    small = RequestParser(WIDE)
    small.feed(Q(msg=b"m" * 50, blob=b"b" * 7)[:-20])
    assert small.missing_bytes == 20
    big = RequestParser(WIDE)
    big.feed(Q(blob=b"b" * 200_000)[:-70_000])
    assert big.missing_bytes == 70_000


BIG = [
    (RequestParser, Q(b"A.b", 4, 1, b"m" * 70_000, b"b" * 300_000), Q(2, 5)),
    (RequestParser, Q(9, 4, 1, b"m" * 300_000), Q(2, 5)),
    (RequestParser, Q(9, 4, 1, b"", b"b" * 300_000), Q(2, 5)),
    (ResponseParser, P(4, 0, b"m" * 70_000, b"b" * 300_000), P(5)),
    (ResponseParser, P(4, 2, b"", b"e" * 300_000), P(5)),
]
BIG_IDS = ["request_both", "request_msg", "request_blob", "response_both", "error_bytes"]


@pytest.mark.parametrize("size", [1 << 30, 65_536, 4_099, 37])
@pytest.mark.parametrize(("kind", "big", "small"), BIG, ids=BIG_IDS)
def test_big_body_by_feed(kind: Parser, big: bytes, small: bytes, size: int) -> None:
    data = big + small + big + small[:10]
    whole, _ = parse(kind(WIDE), [big, small, big])
    assert [frame[0] for frame in whole] == [4, 5, 4]
    parser = kind(WIDE)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert parse(parser, pieces) == (whole, None)
    assert parser.is_partial


@pytest.mark.parametrize("count", [1 << 30, 50_000, 4_099])
@pytest.mark.parametrize(("kind", "big", "small"), BIG, ids=BIG_IDS)
def test_big_body_into_room(kind: Parser, big: bytes, small: bytes, count: int) -> None:
    (expected,), _ = parse(kind(WIDE), [big])
    parser = kind(WIDE)
    assert parser.room() is None
    at = 200
    assert list(parser.feed(big[:at])) == []
    frames: list[Any] = []
    while (room := parser.room()) is not None:
        assert not frames
        assert 0 < len(room) <= parser.missing_bytes == len(big) - at
        taken = min(len(room), count)
        room[:taken] = big[at : at + taken]
        frames += parser.filled(taken)
        at += taken
    assert at == len(big)
    assert [plain(frame) for frame in frames] == [expected]
    assert not parser.is_partial
    assert [frame[0] for frame in parser.feed(small)] == [5]


def test_big_body_holds_a_small_multiple_of_what_came() -> None:
    parser = RequestParser(WIDE)
    arrived = 1024 * 1024
    piece = b"b" * 65_536
    tracemalloc.start()
    try:
        parser.feed(Q(blob_len=WIDE.max_blob_bytes))
        for _ in range(arrived // len(piece)):
            parser.feed(piece)
        assert tracemalloc.get_traced_memory()[1] < 10 * arrived
    finally:
        tracemalloc.stop()


def first_room(parser: RequestParser, size: int) -> int:
    """How much memory the parser gives at once for a body of that size; then it is received."""
    parser.feed(Q(blob_len=size))
    first = len(parser.room() or b"")
    while (room := parser.room()) is not None:
        parser.filled(len(room))
    return first


def test_a_peer_gets_at_once_what_it_has_filled_before_and_no_more() -> None:
    parser = RequestParser(WIDE)
    assert first_room(parser, 1_000_000) == 64 * 1024
    assert first_room(parser, 1_000_000) == 1_000_000
    assert first_room(parser, 3_000_000) == 1_000_000
    assert first_room(parser, 9_000_000) == 3_000_000
    assert first_room(parser, 9_000_000) == 4 * 1024 * 1024
    assert first_room(RequestParser(WIDE), 9_000_000) == 64 * 1024


def test_a_message_in_two_parts_makes_the_frame_of_the_whole() -> None:
    for msg, blob in ((b"m" * 70_000, b""), (b"m" * 20_000, b"b" * 9), (b"m" * 20_000, b"b" * 20_000)):
        parts = BigMsg(msg[:5], msg[5:])
        for make in (
            lambda msg: encoder.request_frame((1, b""), 7, 0, msg, blob or None),
            lambda msg: encoder.request_frame((1 << 31 | 3, b"a.b"), 7, 0, msg, blob or None),
            lambda msg: encoder.response_frame(7, msg, blob or None),
        ):
            frame = make(parts)
            assert joined(frame) == joined(make(msg))
            assert any(piece is parts.rest for piece in frame)  # not copied


@pytest.mark.parametrize("cut", [1, 40, 50_000])
def test_nothing_after_a_bad_action_of_a_big_request(cut: int) -> None:
    data = Q(b"\xff\xfe", msg=b"m" * 100_000) + GOOD_Q
    assert parse(RequestParser(WIDE), [data])[0] == []
    frames, error = parse(RequestParser(WIDE), [data[:cut], data[cut:]])
    assert frames == []
    assert error is not None
    assert "UTF-8" in error


def test_nothing_after_a_bad_action_received_into_room() -> None:
    parser = RequestParser(WIDE)
    data = Q(b"\xff\xfe", msg=b"m" * 100_000)
    parser.feed(data[:60_000])
    assert list(parser.feed(data[60_000:])) == []
    assert "UTF-8" in str(parser.error)
    assert parser.room() is None
    assert list(parser.feed(GOOD_Q)) == []


def test_byte_by_byte_is_linear() -> None:
    """Quadratic work would be 2**35 copied bytes for each of these: minutes, not seconds."""
    for kind, data in (
        (RequestParser, Q(b"A.b", msg=b"m" * 262_144)),
        (ResponseParser, P(blob=b"b" * 262_144)),
        (RequestParser, b"".join(Q(seq=seq, msg=b"m" * 96) for seq in range(2_048))),
        (RequestParser, Q(msg=b"m" * 65_536) * 4),
    ):
        parser = kind(WIDE)
        single = [bytes([value]) for value in range(256)]
        frames = sum(len(parser.feed(single[byte])) for byte in data)
        assert frames == len(parse(kind(WIDE), [data])[0]) > 0


ACTIONS = st.one_of(
    st.integers(0, I32_MAX), st.text(max_size=10).filter(lambda text: len(text.encode()) <= 10)
)
U64, SMALL = st.integers(0, U64_MAX), st.binary(max_size=60)
REQUEST_FIELDS = st.tuples(U64, ACTIONS, U64, SMALL, SMALL)
RESPONSE_FIELDS = st.one_of(
    st.tuples(U64, st.just(0), SMALL, SMALL),
    st.tuples(U64, st.just(1), st.integers(0, U32_MAX), st.just(b"")),
    st.tuples(U64, st.just(2), st.just(b""), SMALL),
)


def joined(frame: Any) -> bytes:
    return frame if isinstance(frame, bytes) else b"".join(frame)


def encoded(fields: tuple[Any, ...]) -> bytes:
    if len(fields) == 5:
        seq, action, client, msg, blob = fields
        field = encoder.encode_action(action, LIMITS)
        return joined(encoder.request_frame(field, seq, client, msg, encoder.as_blob(blob)))
    seq, flag, msg, blob = fields
    if flag == 1:
        return encoder.number_frame(seq, msg)
    if flag == 2:
        return joined(encoder.error_frame(seq, blob))
    return joined(encoder.response_frame(seq, msg, encoder.as_blob(blob)))


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted(cut % (len(data) + 1) for cut in cuts)
    return [data[one:two] for one, two in zip([0, *places], [*places, len(data)])]


@pytest.mark.parametrize("kind", [RequestParser, ResponseParser])
@given(data=st.data())
def test_generated_frames_roundtrip(kind: Parser, data: st.DataObject) -> None:
    shape = REQUEST_FIELDS if kind is RequestParser else RESPONSE_FIELDS
    items = data.draw(st.lists(shape, max_size=6))
    stream = b"".join(encoded(item) for item in items)
    cuts = data.draw(st.lists(st.integers(0, 1000), max_size=5))
    expected = [(*item[:-1], item[-1] or None) for item in items]
    parser = kind(LIMITS)
    assert parse(parser, split(stream, cuts)) == (expected, None)
    assert not parser.is_partial


@pytest.mark.parametrize("kind", [RequestParser, ResponseParser])
@given(data=st.data())
def test_any_bytes_in_any_portions(kind: Parser, data: st.DataObject) -> None:
    """Starts like frames, then anything: the outcome does not depend on the portions."""
    start = b"\x25\x4d\x01"
    good = GOOD_Q if kind is RequestParser else GOOD_P
    shape = [st.binary(max_size=80), st.binary(max_size=80).map(start.__add__), st.just(good)]
    stream = b"".join(data.draw(st.lists(st.one_of(shape), max_size=4)))
    cuts = data.draw(st.lists(st.integers(0, 1000), max_size=5))
    whole = parse(kind(LIMITS), [stream])
    assert parse(kind(LIMITS), [bytes([byte]) for byte in stream]) == whole
    assert parse(kind(LIMITS), split(stream, cuts)) == whole
