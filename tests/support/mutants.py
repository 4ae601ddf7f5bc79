"""Bytes that look like frames and mostly are none: golden frames, changed at random.

``read_all`` says what has to come out of them; it is written after PROTOCOL.md, with struct alone.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple

from razorg.config import Limits
from razorg.errors import RemoteProtocolError
from razorg.wire.parser import FrameParser, RequestParser, ResponseParser

Side = Literal["request", "response"]

LIMITS = Limits(max_msg_bytes=40_000, max_blob_bytes=50_000, max_action_bytes=64)
PARSERS: dict[Side, type[FrameParser]] = {"request": RequestParser, "response": ResponseParser}
HEAD_BYTES: dict[Side, int] = {"request": 32, "response": 20}
_START = b"\x25\x4d\x01"
_REQUEST, _RESPONSE = struct.Struct("<HBBIQQII"), struct.Struct("<HBBIQi")

GOLDEN: dict[Side, list[bytes]] = {"request": [], "response": []}
for _entry in json.loads((Path(__file__).parents[1] / "golden" / "golden.json").read_text()):
    if _entry["direction"] in GOLDEN:
        GOLDEN[_entry["direction"]].append(bytes.fromhex(_entry["hex"]))

#: Where the fields of the heads are, and how wide.
_FIELDS: dict[Side, list[tuple[int, int]]] = {
    "request": [(0, 2), (2, 1), (3, 1), (4, 4), (8, 8), (16, 8), (24, 4), (28, 4)],
    "response": [(0, 2), (2, 1), (3, 1), (4, 4), (8, 8), (16, 4)],
}
_EDGES = [0, 1, 2, 3, 4, 5, 20, 32, 63, 64, 65, 255, 256, 16_384, 16_385, 40_000, 40_001, 50_001,
          2**31 - 1, 2**31, 2**31 + 3, 2**31 + 65, 2**32 - 1, 2**63, 2**64 - 1]


class Outcome(NamedTuple):
    """What a stream of bytes comes to."""

    frames: list[tuple[Any, ...]]
    is_error: bool
    is_partial: bool  # says nothing after an error


class Mutator:
    """Streams for one side, drawn with ``rng``: the same seed gives the same streams."""

    def __init__(self, side: Side, rng: Random) -> None:
        self._side = side
        self._rng = rng
        self._frames = [frame for frame in GOLDEN[side] if len(frame) < 140]
        self._changes = (
            self._flip, self._flip, self._edge, self._edge, self._edge, self._small_seq, self._cut,
            self._double, self._insert, self._splice,
        )

    def stream(self) -> bytes:
        """One input: mostly some frames, mostly changed."""
        dice = self._rng.random
        if dice() < 0.05:
            return self._noise()
        if dice() < 0.002:
            return self._big()
        data = bytearray(self._pick(self._frames))
        while dice() < 0.4:
            data += self._pick(self._frames)
        while dice() < 0.6:
            self._pick(self._changes)(data)
        return bytes(data)

    def change(self, data: bytes) -> bytes:
        """The data with some changes, or with a frame more."""
        changed = bytearray(data)
        if self._rng.random() < 0.2:
            changed += self._pick(self._frames)
        self._pick(self._changes)(changed)
        while self._rng.random() < 0.5:
            self._pick(self._changes)(changed)
        return bytes(changed)

    def splits(self, data: bytes) -> list[bytes]:
        """The data in some portions."""
        dice, pieces, at = self._rng.random, [], 0
        while at < len(data):
            stop = at + 1 + int(dice() * dice() * (len(data) - at) * 1.5)
            pieces.append(data[at:stop])
            at = stop
        return pieces

    def _pick(self, items: Sequence[Any]) -> Any:
        return items[int(self._rng.random() * len(items))]

    def _place(self, data: bytearray) -> int:
        """Mostly in the first head."""
        dice = self._rng.random
        size = min(len(data), HEAD_BYTES[self._side]) if dice() < 0.5 else len(data)
        return int(dice() * size)

    def _noise(self) -> bytes:
        data = self._rng.randbytes(int(self._rng.random() * 80))
        return _START + data if self._rng.random() < 0.5 else data

    def _big(self) -> bytes:
        """A body that gets buffers of its own, whole or cut."""
        size = 16_000 + int(self._rng.random() * 30_000)
        data = self._rng.randbytes(64) * (size // 64)
        if self._side == "request":
            head = _REQUEST.pack(0x4D25, 1, 0, self._pick([1, 2**31 + 3]), 1, 0, self._pick([0, 9_000]), size)
        else:
            head = _RESPONSE.pack(0x4D25, 1, self._pick([0, 0, 2, 1]), self._pick([0, 9_000]), 1, size)
        data = head + data + self._pick(self._frames)
        return data[: int(self._rng.random() * len(data))] if self._rng.random() < 0.5 else data

    def _flip(self, data: bytearray) -> None:
        if data:
            data[self._place(data)] ^= 1 << int(self._rng.random() * 8)

    def _edge(self, data: bytearray) -> None:
        at, width = self._pick(_FIELDS[self._side])
        if len(data) >= at + width:
            value = self._pick(_EDGES) & (1 << 8 * width) - 1
            data[at : at + width] = value.to_bytes(width, "little")

    def _small_seq(self, data: bytearray) -> None:
        """So that it answers, or is, one of the first requests."""
        if len(data) >= 16:
            data[8:16] = int(self._rng.random() * 8).to_bytes(8, "little")

    def _cut(self, data: bytearray) -> None:
        del data[self._place(data) :]

    def _double(self, data: bytearray) -> None:
        at = self._place(data)
        data[at:at] = data[at : at + int(self._rng.random() * 40)]

    def _insert(self, data: bytearray) -> None:
        at = self._place(data)
        data[at:at] = self._rng.randbytes(1 + int(self._rng.random() * 8))

    def _splice(self, data: bytearray) -> None:
        other = self._pick(self._frames)
        data[self._place(data) :] = other[int(self._rng.random() * len(other)) :]


def read_all(side: Side, data: bytes, limits: Limits = LIMITS) -> Outcome:
    """What has to come out of the bytes, by the book."""
    frames: list[tuple[Any, ...]] = []
    read = _read_request if side == "request" else _read_response
    head_bytes, at = HEAD_BYTES[side], 0
    while len(data) - at >= head_bytes:
        found = read(data, at, limits)
        if found is None:
            return Outcome(frames, True, False)
        frame, at = found
        if frame is None:
            return Outcome(frames, False, True)
        frames.append(frame)
    return Outcome(frames, False, at < len(data))


def _read_request(data: bytes, at: int, limits: Limits) -> tuple[Any, int] | None:
    magic, version, _, action, seq, client, msg, blob = _REQUEST.unpack_from(data, at)
    name = action - 2**31 if action >= 2**31 else 0
    if (magic, version) != (0x4D25, 1) or name > limits.max_action_bytes:
        return None
    if msg > limits.max_msg_bytes or blob > limits.max_blob_bytes:
        return None
    body = at + 32
    end = body + name + msg + blob
    if end > len(data):
        return None, at
    if action >= 2**31:
        try:
            action = data[body : body + name].decode()
        except UnicodeDecodeError:
            return None
    body += name
    return (seq, action, client, data[body : body + msg], data[body + msg : end] or None), end


def _read_response(data: bytes, at: int, limits: Limits) -> tuple[Any, int] | None:
    magic, version, flag, msg, seq, blob = _RESPONSE.unpack_from(data, at)
    if (magic, version) != (0x4D25, 1) or flag > 2:
        return None
    body = at + 20
    if flag == 1:
        return None if blob else ((seq, 1, msg, None), body)
    if not 0 <= blob <= (limits.max_msg_bytes if flag else limits.max_blob_bytes):
        return None
    if msg > (0 if flag else limits.max_msg_bytes):
        return None
    end = body + msg + blob
    if end > len(data):
        return None, at
    return (seq, flag, data[body : body + msg], data[body + msg : end] or None), end


def parsed(parser: FrameParser, pieces: Sequence[bytes], into_room: bool = False) -> Outcome:
    """What comes out of a parser; ``into_room``: big bodies without a copy, as from a socket."""
    frames: list[Any] = []
    for piece in pieces:
        while into_room and piece and (room := parser.room()) is not None:
            count = min(len(room), len(piece))
            room[:count] = piece[:count]
            piece = piece[count:]
            frames += parser.filled(count)
        frames += parser.feed(piece)
    error = parser.error
    assert error is None or type(error) is RemoteProtocolError, repr(error)
    return Outcome(frames, error is not None, error is None and parser.is_partial)


SINGLE = [bytes([value]) for value in range(256)]


def check_parser(side: Side, data: bytes, splits: Sequence[bytes], limits: Limits = LIMITS) -> Outcome:
    """Whole, byte by byte and in these portions comes out what has to; AssertionError if not."""
    kind, expected = PARSERS[side], read_all(side, data, limits)
    whole = kind(limits)
    single = kind(limits)
    for pieces, parser, into_room in (
        ([data], whole, False), (splits, kind(limits), True), ([SINGLE[byte] for byte in data], single, False),
    ):
        found = parsed(parser, pieces, into_room)
        if found != expected:
            raise AssertionError(
                f"{side} {data.hex()} in portions of {[len(piece) for piece in pieces]}:\n"
                f"{found}\ninstead of\n{expected}"
            )
    if str(whole.error) != str(single.error):
        raise AssertionError(f"{side} {data.hex()}: {whole.error}, byte by byte {single.error}")
    return expected
