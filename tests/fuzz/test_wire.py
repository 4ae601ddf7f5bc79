"""Frames to bytes and back, in any portions, with bodies of any size, and what a parser keeps."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.mutants import GOLDEN, LIMITS, PARSERS, Side, check_parser, parsed

from razorg.config import Limits
from razorg.wire import encoder
from razorg.wire.body import FIRST_BYTES, GROWTH
from razorg.wire.heads import BigMsg

U64 = st.integers(0, 2**64 - 1)
ACTIONS = st.one_of(
    st.integers(0, 2**31 - 1), st.text(max_size=20).filter(lambda text: len(text.encode()) <= LIMITS.max_action_bytes)
)


def bodies(max_bytes: int) -> st.SearchStrategy[bytes]:
    """Mostly small; some around the sizes at which the encoder and the parsers change their ways."""
    edges = st.sampled_from([16_383, 16_384, 16_385, 20_000, max_bytes - 1, max_bytes])
    sizes = st.one_of(st.integers(0, 60), st.integers(0, 60), edges)
    return st.builds(lambda size, byte: bytes([byte]) * size, sizes, st.integers(0, 255))


MSGS, BLOBS = bodies(LIMITS.max_msg_bytes), bodies(LIMITS.max_blob_bytes)
REQUESTS = st.tuples(U64, ACTIONS, U64, MSGS, BLOBS)
RESPONSES = st.one_of(
    st.tuples(U64, st.just(0), MSGS, BLOBS),
    st.tuples(U64, st.just(1), st.integers(0, 2**32 - 1), st.just(b"")),
    st.tuples(U64, st.just(2), st.just(b""), MSGS),
)


def in_two(msg: bytes, data: st.DataObject) -> Any:
    """A message as one piece, or as the two of which codecs make big ones."""
    if data.draw(st.booleans()):
        return msg
    cut = data.draw(st.integers(0, min(len(msg), 9)))
    return BigMsg(msg[:cut], msg[cut:])


def encoded(fields: tuple[Any, ...], data: st.DataObject) -> bytes:
    frame: Any
    if len(fields) == 5:
        seq, action, client, msg, blob = fields
        encoder.check_sizes(msg, blob, LIMITS)
        name = encoder.encode_action(action, LIMITS)
        frame = encoder.request_frame(name, seq, client, in_two(msg, data), encoder.as_blob(blob))
    else:
        seq, flag, msg, blob = fields
        if flag == 1:
            frame = encoder.number_frame(seq, msg)
        elif flag == 2:
            frame = encoder.error_frame(seq, blob)
        else:
            frame = encoder.response_frame(seq, in_two(msg, data), encoder.as_blob(bytearray(blob)))
    return frame if isinstance(frame, bytes) else b"".join(frame)


def portions(stream: bytes, data: st.DataObject) -> list[bytes]:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    return [stream[one:two] for one, two in zip([0, *cuts], [*cuts, len(stream)])]


@pytest.mark.parametrize("side", PARSERS)
@given(data=st.data())
def test_what_was_encoded_is_parsed_whatever_its_size(side: Side, data: st.DataObject) -> None:
    items = data.draw(st.lists(REQUESTS if side == "request" else RESPONSES, max_size=4))
    stream = b"".join(encoded(item, data) for item in items)
    expected = [(*item[:-1], item[-1] or None) for item in items]
    parser = PARSERS[side](LIMITS)
    found = parsed(parser, portions(stream, data), into_room=data.draw(st.booleans()))
    assert found == (expected, False, False)


@pytest.mark.parametrize("side", PARSERS)
@given(data=st.data())
def test_anything_is_parsed_by_the_book(side: Side, data: st.DataObject) -> None:
    golden = st.sampled_from(GOLDEN[side])
    changed = st.builds(
        lambda frame, at, byte: frame[: at % len(frame)] + bytes([byte]) + frame[at % len(frame) + 1 :],
        golden, st.integers(0, 400), st.integers(0, 255),
    )
    stream = b"".join(data.draw(st.lists(st.one_of(golden, changed, st.binary(max_size=40)), max_size=4)))
    limits = Limits(
        max_msg_bytes=data.draw(st.sampled_from([1, 20, 40_000])), max_action_bytes=data.draw(st.sampled_from([1, 16, 64])),
        max_blob_bytes=data.draw(st.sampled_from([1, 20, 50_000])),
    )
    check_parser(side, stream, portions(stream, data), limits)


#: What a parser may keep: the larger of its first buffer and GROWTH times what has come, and while
#: it grows the old buffer too; and the objects themselves.
OVERHEAD_BYTES = 20_000


@pytest.mark.parametrize("side", PARSERS)
@settings(max_examples=30)
@given(data=st.data())
def test_it_keeps_no_more_than_a_multiple_of_what_came(side: Side, data: st.DataObject) -> None:
    """Whatever was announced: of up to 256 MiB as much as has arrived counts."""
    wide = Limits()
    head = bytearray(GOLDEN[side][0][: 32 if side == "request" else 20])
    lengths = (24, 28) if side == "request" else (4, 16)
    for at, most in zip(lengths, (wide.max_msg_bytes, wide.max_blob_bytes)):
        size = data.draw(st.one_of(st.integers(0, most), st.just(most)))
        head[at : at + 4] = size.to_bytes(4, "little")
    pieces = data.draw(st.lists(st.sampled_from([1, 1_000, 70_000, 300_000]), max_size=6))
    parser = PARSERS[side](wide)
    arrived = len(head)
    zeros = bytes(300_000)
    tracemalloc.start()
    try:
        parser.feed(bytes(head))
        for size in pieces:
            parser.feed(zeros[:size])
            arrived += size
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < (GROWTH + 2) * arrived + 2 * FIRST_BYTES + OVERHEAD_BYTES
