"""Bytes to throw at parsers: recorded frames, bent in ways that a peer could bend them."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random

from razorg.config import Limits
from razorg.errors import RemoteProtocolError
from razorg.wire.parser import FrameParser

GOLDEN = Path(__file__).parents[1] / "golden" / "golden.json"
LIMITS = Limits(max_msg_bytes=5_000, max_blob_bytes=8_000, max_action_bytes=100)
#: Where the fields of both heads begin, and how long they are.
FIELDS = {
    "request": [(0, 2), (2, 1), (3, 1), (4, 4), (8, 8), (16, 8), (24, 4), (28, 4)],
    "response": [(0, 2), (2, 1), (3, 1), (4, 4), (8, 8), (16, 4)],
}
HEAD_BYTES = {"request": 32, "response": 20}
#: Numbers at the edges of what fields hold.
EDGES = [0, 1, 2, 3, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1, 2**63, 2**64 - 1]


@cache
def golden(direction: str) -> list[bytes]:
    """The recorded frames of a direction."""
    return [bytes.fromhex(entry["hex"]) for entry in json.loads(GOLDEN.read_text()) if entry["direction"] == direction]


def inputs(direction: str, count: int, rng: Random) -> Iterator[bytes]:
    """So many, each some frames of which one or more may be bent."""
    frames = golden(direction)
    for _ in range(count):
        data = b"".join(rng.choice(frames) for _ in range(rng.choice([1, 1, 1, 2, 3])))
        for _ in range(rng.choice([0, 1, 1, 1, 2, 4])):
            data = bend(direction, data, rng)
        yield data


def bend(direction: str, data: bytes, rng: Random) -> bytes:
    """The bytes with one thing changed."""
    way = rng.randrange(8)
    at = rng.randrange(len(data) + 1)
    if way == 0:  # a bit
        at = min(at, len(data) - 1) if data else 0
        return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :] if data else data
    if way == 1:  # the end is missing
        return data[:at]
    if way == 2:  # bytes too many
        return data[:at] + rng.randbytes(rng.choice([1, 2, 20, 300])) + data[at:]
    if way == 3:  # bytes too few
        return data[:at] + data[at + rng.choice([1, 2, 20]) :]
    if way in (4, 5):  # a field of the first head
        start, size = rng.choice(FIELDS[direction])
        if len(data) < start + size:
            return data
        value = rng.choice(EDGES) if rng.random() < 0.7 else rng.randrange(min(300, 256**size))
        return data[:start] + (value % 256**size).to_bytes(size, "little") + data[start + size :]
    if way == 6:  # lengths that match what follows, or nearly
        frame = rng.choice(golden(direction))
        return frame[: HEAD_BYTES[direction]] + data
    return struct.pack("<H", 0x4D25) + rng.randbytes(rng.randrange(60))


def frames_of(parser: FrameParser, pieces: list[bytes]) -> tuple[list[object], str | None, bool]:
    """What a parser makes of the pieces: the frames, the error that ended them, whether one has begun.

    It is fed as connections do: into its own buffer where it has one.
    """
    found: list[object] = []
    for piece in pieces:
        rest = memoryview(piece)
        while rest and parser.error is None:
            room = parser.room()
            if room is None:
                found += parser.feed(bytes(rest))
                break
            count = min(len(room), len(rest))
            room[:count] = rest[:count]
            found += parser.filled(count)
            rest = rest[count:]
    error = parser.error
    assert error is None or type(error) is RemoteProtocolError
    frames = [tuple(bytes(part) if isinstance(part, (bytearray, memoryview)) else part for part in frame) for frame in found]  # type: ignore[attr-defined]
    return frames, str(error) if error is not None else None, error is None and parser.is_partial


def pieces_of(data: bytes, rng: Random) -> list[bytes]:
    """The bytes in random portions."""
    pieces = []
    while data:
        size = rng.choice([1, 2, 3, 10, 50, 1000])
        pieces.append(data[:size])
        data = data[size:]
    return pieces


def same_however_split(kind: type[FrameParser], data: bytes, rng: Random) -> tuple[list[object], str | None, bool]:
    """What a parser makes of the bytes; AssertionError when the portions make a difference."""
    whole = frames_of(kind(LIMITS), [data])
    single = frames_of(kind(LIMITS), [data[at : at + 1] for at in range(len(data))])
    assert single == whole, f"byte by byte {single}, whole {whole}: {data.hex()}"
    portions = pieces_of(data, rng)
    some = frames_of(kind(LIMITS), portions)
    assert some == whole, f"in portions {[len(one) for one in portions]} {some}, whole {whole}: {data.hex()}"
    return whole
